package node

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/node/wire"
)

// runOne runs a task on a fresh node and gives its end and its directory.
func runOne(t *testing.T, task wire.Task) (wire.Report, string) {
	t.Helper()
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	c.send(wire.Frame{Assign: []wire.Task{task}})
	return c.end(), filepath.Join(m.tasksRoot, task.Dir)
}

func TestTaskRunsAndIsReported(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	if c.hello.NodeUID != "node-uid" || c.hello.BootID != "boot-1" || c.hello.Token != "secret" || c.hello.PrettyName != "Pond 1" ||
		c.hello.OSReleaseSHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(osReleaseText))) {
		t.Errorf("hello %+v", c.hello)
	}
	c.send(wire.Frame{Assign: []wire.Task{shell("t1", "echo out; echo err >&2; id -u; pwd; exit 3")}})
	start, end := c.report(), c.report()
	if start.Event != wire.EventStarted || start.Seq != 1 || end.Event != wire.EventEnded || end.Seq != 2 {
		t.Fatalf("reports %+v %+v", start, end)
	}
	if end.ExitCode == nil || *end.ExitCode != 3 || end.Started != start.At || end.At < end.Started {
		t.Errorf("end %+v", end)
	}
	if end.Failure == nil || end.Failure.Code != wire.FailExitCode || end.Failure.Category != "UserError" {
		t.Errorf("failure %+v", end.Failure)
	}
	dir := filepath.Join(m.tasksRoot, "workitems/job/job-1/t1")
	if got, want := read(t, dir, "stderr.txt"), "err\n"; got != want {
		t.Errorf("stderr %q", got)
	}
	if got := read(t, dir, "stdout.txt"); !strings.HasPrefix(got, "out\n2000\n") || !strings.HasSuffix(got, dir+"/wd\n") {
		t.Errorf("stdout %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "wd"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != batchID {
		t.Errorf("wd %v %v", info, err)
	}
	if got := read(t, m.root, "etc/passwd"); !strings.Contains(got, "\n_azbatch:x:2000:2000:") || !strings.HasPrefix(got, "root:x:0:0:") {
		t.Errorf("passwd %q", got)
	}
}

func TestTaskEnvironment(t *testing.T) {
	job := shell("t1", "env | sort")
	job.Env = []wire.Pair{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}, {Name: "AZ_BATCH_NODE_ID", Value: "mine"}, {Name: "USER", Value: "me"}}
	_, dir := runOne(t, job)
	root := strings.TrimSuffix(dir, "/workitems/job/job-1/t1")
	want := strings.Join([]string{
		"A=2", "AZ_BATCH_ACCOUNT_NAME=acc", "AZ_BATCH_ACCOUNT_URL=https://acc.local", "AZ_BATCH_JOB_ID=job",
		"AZ_BATCH_NODE_ID=tvmps_1_d", "AZ_BATCH_NODE_IS_DEDICATED=true", "AZ_BATCH_NODE_MOUNTS_DIR=" + root + "/fsmounts",
		"AZ_BATCH_NODE_ROOT_DIR=" + root, "AZ_BATCH_NODE_SHARED_DIR=" + root + "/shared", "AZ_BATCH_NODE_STARTUP_DIR=" + root + "/startup",
		"AZ_BATCH_NODE_STARTUP_WORKING_DIR=" + root + "/startup/wd", "AZ_BATCH_POOL_ID=pool", "AZ_BATCH_TASK_DIR=" + dir,
		"AZ_BATCH_TASK_ID=t1", "AZ_BATCH_TASK_WORKING_DIR=" + dir + "/wd", "HOME=" + dir + "/wd", "LOGNAME=_azbatch",
		"PATH=" + defaultPath, "PWD=" + dir + "/wd", "USER=me", "",
	}, "\n")
	if diff := cmp.Diff(want, read(t, dir, "stdout.txt")); diff != "" {
		t.Error(diff)
	}
}

func TestStartTaskIsAtStartup(t *testing.T) {
	start := task("", "printenv AZ_BATCH_NODE_STARTUP_DIR")
	start.Kind, start.JobID, start.Dir, start.User.Admin = wire.KindStart, "", "startup", true
	end, dir := runOne(t, start)
	if end.Kind != wire.KindStart || end.Failure != nil {
		t.Errorf("end %+v", end)
	}
	if got := read(t, dir, "stdout.txt"); got != dir+"\n" {
		t.Errorf("stdout %q, want %q", got, dir)
	}
}

func TestLaunchFailures(t *testing.T) {
	dir := base(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/plain", "no program")
	write(t, dir+"/noformat", "no program")
	write(t, dir+"/nointerpreter", "#!/no/such/shell\n")
	os.Chmod(dir+"/noformat", 0o755)
	os.Chmod(dir+"/nointerpreter", 0o755)
	for line, want := range map[string]string{
		"no-such-program -x":   wire.FailProgramMissing,
		"/no/such/program":     wire.FailProgramMissing,
		"./missing":            wire.FailProgramMissing,
		dir + "/plain":         wire.FailLaunch,
		dir + "/noformat":      wire.FailLaunch,
		dir + "/nointerpreter": wire.FailLaunch,
		"echo 'open":           wire.FailLaunch,
		"":                     wire.FailLaunch,
		"/":                    wire.FailLaunch,
	} {
		end, _ := runOne(t, task("t", line))
		if end.Failure == nil || end.Failure.Code != want || end.ExitCode != nil || end.Started != 0 {
			t.Errorf("%q: %+v %+v, want %s", line, end, end.Failure, want)
		}
	}
	nobody := task("t", "true")
	nobody.User.Name = "nobody-here"
	if end, _ := runOne(t, nobody); end.Failure == nil || end.Failure.Code != wire.FailLaunch {
		t.Errorf("unknown user: %+v", end)
	}
	outside := task("t", "true")
	outside.Dir = "../outside"
	if end, _ := runOne(t, outside); end.Failure == nil {
		t.Errorf("task directory outside the root: %+v", end)
	}
}

func TestConfinement(t *testing.T) {
	end, dir := runOne(t, shell("t", "grep -E '^(NoNewPrivs|Seccomp|Cap...|Uid):' /proc/self/status; unshare -U true; mount -t tmpfs x /mnt; ls -d /"))
	if end.Failure != nil {
		t.Errorf("end %+v", end.Failure)
	}
	got := read(t, dir, "stdout.txt")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "Uid:\t2000\t2000\t2000\t2000"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q not in %q", want, got)
		}
	}
	if got := read(t, dir, "stderr.txt"); strings.Count(got, "not permitted") < 1 {
		t.Errorf("stderr %q", got)
	}
	admin := shell("t", "id -u; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status")
	admin.User.Admin = true
	_, dir = runOne(t, admin)
	if got, want := read(t, dir, "stdout.txt"), "0\nNoNewPrivs:\t0\nSeccomp:\t0\n"; got != want {
		t.Errorf("elevated: %q, want %q", got, want)
	}
}

func TestRetryKeepsTheDirectory(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	first := shell("t", "echo one; echo keep > kept; ln -s /etc/passwd ../stderr2; rm ../stdout.txt; ln -s "+m.root+"/etc/passwd ../stdout.txt")
	c.send(wire.Frame{Assign: []wire.Task{first}})
	c.end()
	before := read(t, m.root, "etc/passwd")
	second := shell("t", "cat kept; echo two")
	second.Attempt = 2
	c.send(wire.Frame{Assign: []wire.Task{second}})
	if end := c.end(); end.Attempt != 2 || end.Failure != nil {
		t.Errorf("end %+v", end)
	}
	if got := read(t, m.tasksRoot, second.Dir, "stdout.txt"); got != "keep\ntwo\n" {
		t.Errorf("stdout %q", got)
	}
	if after := read(t, m.root, "etc/passwd"); after != before {
		t.Errorf("a link left for stdout.txt was followed: %q", after)
	}
}

func TestTaskScopeUsersAreFresh(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	seen := map[string]bool{}
	for i := range 3 {
		id := "t" + strconv.Itoa(i)
		one := shell(id, "id -u; echo $USER; setsid sh -c 'echo $$ > daemon; env -i sleep 1000' & while ! test -s daemon; do :; done")
		one.User.TaskScope = true
		c.send(wire.Frame{Assign: []wire.Task{one}})
		if end := c.end(); end.Failure != nil {
			t.Fatalf("%+v", end.Failure)
		}
		out := read(t, m.tasksRoot, one.Dir, "stdout.txt")
		if seen[out] || !strings.Contains(out, "_azbatchtask_") {
			t.Errorf("user of attempt %d: %q", i, out)
		}
		seen[out] = true
		// Nothing of the user's lives on, whatever it did to hide.
		waitGone(t, read(t, m.tasksRoot, one.Dir, "wd/daemon"))
	}
	if got := read(t, m.root, "etc/passwd"); strings.Count(got, taskUserStem) != taskUserBlock {
		t.Errorf("%d task users in passwd, want a block of %d", strings.Count(got, taskUserStem), taskUserBlock)
	}
}

// waitGone waits until a process is dead; a zombie is.
func waitGone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(n) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d lives: %s", n, stat)
		}
	}
}

// waitFile waits until a task has written something there.
func waitFile(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not appear", path)
		}
	}
}

func TestTimeoutAndCancelKillTheWholeTree(t *testing.T) {
	// A child in the group, one in a session of its own, one that left its parent too.
	script := "sleep 1000 & echo $! > a; setsid sh -c 'echo $$ > b; sleep 1000' & " +
		"(setsid sh -c 'echo $$ > c; sleep 1000' &) ; while ! test -s a || ! test -s b || ! test -s c; do :; done; echo ready > r; sleep 1000"
	for _, cancel := range []bool{true, false} {
		s := newService(t)
		m := startAgent(t, s, base(t))
		c := s.call()
		one := shell("t", script)
		want := wire.FailEnded
		if !cancel {
			one.Timeout, want = 5_000_000, wire.FailTimeout
		}
		c.send(wire.Frame{Assign: []wire.Task{one}})
		wd := filepath.Join(m.tasksRoot, one.Dir, "wd")
		if cancel {
			waitFile(t, wd+"/r")
			c.send(wire.Frame{Cancel: []wire.Cancel{{TaskUID: one.UID, Attempt: 1, Reason: wire.FailEnded}}})
		}
		end := c.end()
		if end.Failure == nil || end.Failure.Code != want || end.ExitCode == nil || *end.ExitCode != 137 {
			t.Errorf("end %+v %+v", end, end.Failure)
		}
		for _, f := range []string{"a", "b", "c"} {
			waitGone(t, read(t, wd, f))
		}
	}
}

func TestLeftoversOfTheGroupDieWithTheTask(t *testing.T) {
	_, dir := runOne(t, shell("t", "sleep 1000 & echo $! > a"))
	waitGone(t, read(t, dir, "wd/a"))
}

func TestSignalsAreExitCodes(t *testing.T) {
	end, _ := runOne(t, shell("t", "kill -TERM $$"))
	if end.ExitCode == nil || *end.ExitCode != 128+15 {
		t.Errorf("end %+v", end)
	}
}

func TestFilesOfATask(t *testing.T) {
	one := shell("t", "cat in/data; ./run.sh; stat -c %U:%a run.sh in")
	one.Files = []wire.Inline{
		{Path: "in/data", Mode: 0o600, Data: []byte("payload\n")},
		{Path: "run.sh", Data: []byte("#!/bin/sh\necho ran\n")},
	}
	end, dir := runOne(t, one)
	if end.Failure != nil {
		t.Fatalf("%+v: %s", end.Failure, read(t, dir, "stderr.txt"))
	}
	if got := read(t, dir, "stdout.txt"); !strings.HasPrefix(got, "payload\nran\n") {
		t.Errorf("stdout %q", got)
	}
	one.Files = []wire.Inline{{Path: "../../../../escape", Data: []byte("x")}}
	if end, _ := runOne(t, one); end.Failure == nil || end.ExitCode != nil {
		t.Errorf("a file outside the working directory: %+v", end)
	}
}
