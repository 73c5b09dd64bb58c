package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millpond/test/rig"
)

const (
	kills = 30
	nodes = 3
	slots = 2
	// Tasks enough that some wait, some run and some are done at each kill.
	tasks = 240
)

// TestNothingIsLost kills the server, the node host and agents in turn while a
// pool starts and tasks run. Each task appends its id and attempt to a file on
// its node that only tasks write; at the end that file, the API and the counts
// must agree: every task completed once, with success, in the attempt the API
// names, and every attempt that reached its last line is one that was given out.
func TestNothingIsLost(t *testing.T) {
	random := draws(t)
	s := rig.Start(t)
	s.Do("POST", "/pools", s.Pool("p", nodes, slots), nil)
	s.Insist("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "p"}}, time.Minute)

	added := 0
	add := func(n int) {
		var list []any
		for range n {
			list = append(list, map[string]any{"id": fmt.Sprintf("t%04d", added), "commandLine": witness(random)})
			added++
		}
		s.Insist("POST", "/jobs/j/addtaskcollection", map[string]any{"value": list}, time.Minute)
	}
	for k := range kills {
		add(tasks / kills)
		// The moment is drawn, and reached by watching the clock the kernel keeps.
		<-time.After(time.Duration(random.IntN(400)) * time.Millisecond)
		kill(t, s, k, random)
	}
	s.Eventually(3*time.Minute, "all tasks completed", func() (bool, string) {
		a, err := s.Try("GET", "/jobs/j/taskcounts", nil)
		return err == nil && strings.Contains(string(a.Body), fmt.Sprintf(`"completed":%d`, added)), fmt.Sprint(err, string(a.Body))
	})
	byAPI := compare(t, s, added)
	openPorts(t, s, "p")
	s.Stop()
	compareRows(t, s, byAPI)
	s.Up()

	s.Do("DELETE", "/jobs/j", nil, nil)
	deletePool(s, "p")
	nothingLeft(t, s)
}

// draws is the test's source of chance; MILLPOND_SEED repeats a run.
func draws(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MILLPOND_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed: MILLPOND_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// witness is a task's command: some run for a moment, so that kills meet them.
func witness(random *rand.Rand) string {
	pause := []string{"0", "0.05", "0.2"}[random.IntN(3)]
	return `/bin/sh -c 'sleep ` + pause + ` && echo "$AZ_BATCH_TASK_ID $MILLPOND_TASK_ATTEMPT" >> $AZ_BATCH_NODE_SHARED_DIR/witness'`
}

func kill(t *testing.T, s *rig.Server, k int, random *rand.Rand) {
	t.Helper()
	var host rig.Process
	var agents []rig.Process
	for _, p := range s.Processes() {
		switch {
		case strings.Contains(p.Command, "node-host"):
			if host.PID == 0 || p.PID < host.PID {
				host = p
			}
		}
	}
	for _, p := range s.Processes() {
		// Below an agent, what has its name is a task on its way to its program.
		if host.PID != 0 && p.Parent == host.PID && strings.HasPrefix(p.Command, "millpond-node") {
			agents = append(agents, p)
		}
	}
	switch k % 3 {
	case 0:
		t.Logf("kill %d: server %d", k, s.PID())
		s.Kill()
		s.Up()
	case 1:
		if host.PID == 0 {
			t.Logf("kill %d: no node host runs at this moment", k)
			return
		}
		t.Logf("kill %d: node host %d", k, host.PID)
		_ = syscall.Kill(host.PID, syscall.SIGKILL)
	default:
		if len(agents) == 0 {
			t.Logf("kill %d: no agent runs at this moment", k)
			return
		}
		a := agents[random.IntN(len(agents))]
		t.Logf("kill %d: agent %d", k, a.PID)
		_ = syscall.Kill(a.PID, syscall.SIGKILL)
	}
}

type task struct {
	ID            string
	State         string
	ExecutionInfo struct {
		Result       string
		ExitCode     *int
		RequeueCount int
		RetryCount   int
	}
}

// compare holds the tasks' own file against what the API says, and gives that.
func compare(t *testing.T, s *rig.Server, want int) map[string]task {
	t.Helper()
	byAPI := map[string]task{}
	path := "/jobs/j/tasks?maxresults=1000"
	var list struct {
		Value []task
		Next  string `json:"odata.nextLink"`
	}
	a, err := s.Try("GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.Body, &list); err != nil || list.Next != "" {
		t.Fatalf("%v %s", err, a.Body)
	}
	for _, x := range list.Value {
		byAPI[x.ID] = x
	}
	ran := map[string][]int{}
	files, err := filepath.Glob(filepath.Join(s.Data, "nodes", "*", "tasks", "shared", "witness"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no witness: %v %v", files, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			id, attempt, _ := strings.Cut(lines.Text(), " ")
			n, err := strconv.Atoi(attempt)
			if err != nil {
				t.Fatalf("witness line %q", lines.Text())
			}
			ran[id] = append(ran[id], n)
		}
		f.Close()
	}
	if len(byAPI) != want {
		t.Errorf("the API knows %d of %d tasks", len(byAPI), want)
	}
	requeues := 0
	for id, x := range byAPI {
		if x.State != "completed" || x.ExecutionInfo.Result != "success" || x.ExecutionInfo.ExitCode == nil || *x.ExecutionInfo.ExitCode != 0 {
			detail, _ := s.Try("GET", "/jobs/j/tasks/"+id, nil)
			t.Errorf("%s: %s", id, detail.Body)
		}
		if x.ExecutionInfo.RetryCount != 0 {
			t.Errorf("%s: a lost node was counted as a retry", id)
		}
		requeues += x.ExecutionInfo.RequeueCount
		last := x.ExecutionInfo.RequeueCount + 1
		seen := map[int]bool{}
		for _, n := range ran[id] {
			if n < 1 || n > last || seen[n] {
				t.Errorf("%s: attempts %v by the witness, %d by the API", id, ran[id], last)
			}
			seen[n] = true
		}
		if !seen[last] {
			t.Errorf("%s: its successful attempt %d did not reach its end by the witness %v", id, last, ran[id])
		}
	}
	for id := range ran {
		if _, ok := byAPI[id]; !ok {
			t.Errorf("%s ran and is not known", id)
		}
	}
	t.Logf("%d tasks, %d requeued over %d kills", len(byAPI), requeues, kills)
	return byAPI
}
