package whole

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millpond/test/rig"
)

const minute = time.Minute

func tasks(t *testing.T, s *rig.Server) {
	t.Run("ExitCodeAndOutput", func(t *testing.T) { exitAndOutput(t, s.For(t)) })
	t.Run("Environment", func(t *testing.T) { environment(t, s.For(t)) })
	t.Run("LowerDirectoriesChange", func(t *testing.T) { lowerDirectories(t, s.For(t)) })
	t.Run("WallClockKillsTheGroup", func(t *testing.T) { wallClock(t, s.For(t)) })
	t.Run("NamedAccounts", func(t *testing.T) { namedAccounts(t, s.For(t)) })
}

func exitAndOutput(t *testing.T, s *rig.Server) {
	o := s.Run("j", "seven", rig.Script("echo out; echo err >&2; exit 7"), nil)
	if o.ExitCode == nil || *o.ExitCode != 7 || o.Result != "failure" || o.FailureInfo == nil || o.FailureInfo.Code != "FailureExitCode" {
		t.Errorf("%+v", o)
	}
	if o.Stdout != "out\n" || o.Stderr != "err\n" {
		t.Errorf("stdout %q, stderr %q", o.Stdout, o.Stderr)
	}
	o = s.Run("j", "missing", "/no/such/program", nil)
	if o.ExitCode != nil && *o.ExitCode == 0 || o.Result != "failure" || o.FailureInfo == nil || o.FailureInfo.Code != "CommandProgramNotFound" {
		t.Errorf("%+v %+v", o, o.FailureInfo)
	}
	retried := s.Run("j", "retried", rig.Script("test $MILLPOND_TASK_ATTEMPT -eq 3"),
		map[string]any{"constraints": map[string]any{"maxTaskRetryCount": 5}})
	if retried.Result != "success" || retried.RetryCount != 2 {
		t.Errorf("%+v", retried)
	}
}

func environment(t *testing.T, s *rig.Server) {
	o := s.Run("j", "env", rig.Script(`env; pwd; for d in $AZ_BATCH_TASK_DIR $AZ_BATCH_TASK_WORKING_DIR $AZ_BATCH_NODE_SHARED_DIR; do test -w $d && echo writable $d; done`),
		map[string]any{"environmentSettings": []any{map[string]string{"name": "MINE", "value": "a b"}}})
	dir := "/mnt/batch/tasks/workitems/j/job-1/env"
	lines := strings.Split(o.Stdout, "\n")
	for _, want := range []string{
		"AZ_BATCH_ACCOUNT_NAME=" + s.AccountName, "AZ_BATCH_JOB_ID=j", "AZ_BATCH_TASK_ID=env", "AZ_BATCH_POOL_ID=p", "AZ_BATCH_NODE_ID=" + o.Node,
		"AZ_BATCH_NODE_ROOT_DIR=/mnt/batch/tasks", "AZ_BATCH_NODE_SHARED_DIR=/mnt/batch/tasks/shared",
		"AZ_BATCH_NODE_STARTUP_DIR=/mnt/batch/tasks/startup", "AZ_BATCH_NODE_IS_DEDICATED=true",
		"AZ_BATCH_TASK_DIR=" + dir, "AZ_BATCH_TASK_WORKING_DIR=" + dir + "/wd", "MINE=a b", "USER=_azbatch", dir + "/wd",
		"writable " + dir + "/wd", "writable /mnt/batch/tasks/shared",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, o.Stdout)
		}
	}
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, "="); strings.Contains(line, s.AccountKey) || strings.HasPrefix(name, "MILLPOND_") && name != "MILLPOND_TASK_ATTEMPT" {
			t.Errorf("a task sees %q", line)
		}
	}
}

// Directories of the image are deleted, made anew and renamed, as root may.
func lowerDirectories(t *testing.T, s *rig.Server) {
	o := s.Run("j", "lower", rig.Script(`set -e
rm -r /var/spool; mkdir /var/spool; ls -A /var/spool
mv /var/opt /var/opt2; test ! -e /var/opt; test -d /var/opt2
mv /etc/default /etc/default2; mkdir /etc/default; ls -A /etc/default
rm /etc/os-release; echo ID=other > /etc/os-release; . /etc/os-release; echo $ID
mkdir -p /var/local/a/b && mv /var/local/a /var/local/c && ls /var/local/c`), rig.Elevated())
	if o.Result != "success" || o.Stdout != "other\nb\n" || o.Stderr != "" {
		t.Errorf("%+v", o)
	}
	s.Do("POST", "/pools/p/nodes/"+o.Node+"/reimage", map[string]any{}, nil)
	s.Idle("p", 2)
}

// What a task started is killed with it when its time is over.
func wallClock(t *testing.T, s *rig.Server) {
	begin := time.Now()
	o := s.Run("j", "late", rig.Script("sleep 86411 & (sleep 86412 & sleep 86413) & trap true TERM; sleep 86414; sleep 86415"),
		map[string]any{"constraints": map[string]any{"maxWallClockTime": "PT1S"}})
	if o.Result != "failure" || o.FailureInfo == nil || o.FailureInfo.Code != "TaskWallClockTimeExpired" || o.FailureInfo.Category != "UserError" {
		t.Errorf("%+v %+v", o, o.FailureInfo)
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was given %s", took)
	}
	s.Eventually(minute, "its processes are gone", func() (bool, string) {
		for _, p := range s.Processes() {
			if strings.Contains(p.Command, "sleep 8641") {
				return false, fmt.Sprint(p)
			}
		}
		return true, ""
	})
}

func namedAccounts(t *testing.T, s *rig.Server) {
	as := func(name string) map[string]any {
		return map[string]any{"userIdentity": map[string]any{"username": name}}
	}
	if o := s.Run("j", "alice", rig.Script("id -un; test $(id -u) -ne 0 && echo user; touch /root/x"), as("alice")); o.Stdout != "alice\nuser\n" || o.ExitCode == nil || *o.ExitCode == 0 {
		t.Errorf("%+v", o)
	}
	if o := s.Run("j", "boss", rig.Script("id -u; echo $USER; touch /root/x"), as("boss")); o.Stdout != "0\nboss\n" || o.Result != "success" {
		t.Errorf("%+v", o)
	}
	a, err := s.Try("POST", "/jobs/j/tasks", map[string]any{"id": "mallory", "commandLine": "true", "userIdentity": map[string]any{"username": "mallory"}})
	if err != nil {
		t.Fatal(err)
	}
	if a.Status == 201 {
		if o := s.Ended("j", "mallory"); o.Result != "failure" {
			t.Errorf("a task ran as an account nobody made: %+v", o)
		}
	} else if a.Status != 400 && a.Status != 409 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestStartTasks: retries, and what a node waits for.
func TestStartTasks(t *testing.T) {
	s := rig.Start(t)
	pool := func(id, script string, wait bool, retries int) {
		p := s.Pool(id, 1, 1)
		p["startTask"] = map[string]any{"commandLine": rig.Script(script), "waitForSuccess": wait, "maxTaskRetryCount": retries}
		s.Do("POST", "/pools", p, nil)
	}
	pool("third", "echo try >> $AZ_BATCH_NODE_SHARED_DIR/n; echo $AZ_BATCH_NODE_STARTUP_DIR; test $(wc -l < $AZ_BATCH_NODE_SHARED_DIR/n) -eq 3", true, 2)
	pool("never", "exit 3", true, 1)
	pool("nomatter", "exit 3", false, 0)
	n := s.Idle("third", 1)[0]
	if i := n.StartTaskInfo; i == nil || i.RetryCount != 2 || i.Result != "success" || i.ExitCode == nil || *i.ExitCode != 0 {
		t.Errorf("third: %+v", i)
	}
	if got := s.File("/pools/third/nodes/" + n.ID + "/files/startup/stdout.txt"); got != "/mnt/batch/tasks/startup\n" {
		t.Errorf("stdout.txt of the start task: %q", got)
	}
	s.Eventually(minute, "a node whose start task failed", func() (bool, string) {
		states, err := s.NodeStates("never")
		return err == nil && states["starttaskfailed"] == 1, fmt.Sprint(states, err)
	})
	n = s.Nodes("never")[0]
	if i := n.StartTaskInfo; i == nil || i.RetryCount != 1 || i.Result != "failure" || i.ExitCode == nil || *i.ExitCode != 3 {
		t.Errorf("never: %+v", i)
	}
	n = s.Idle("nomatter", 1)[0]
	s.Eventually(minute, "the start task nobody waits for ends", func() (bool, string) {
		n = s.Nodes("nomatter")[0]
		return n.StartTaskInfo != nil && n.StartTaskInfo.State == "completed", fmt.Sprint(n.StartTaskInfo)
	})
	if i := n.StartTaskInfo; n.State != "idle" || *i.ExitCode != 3 {
		t.Errorf("nomatter: %s %+v", n.State, i)
	}
}
