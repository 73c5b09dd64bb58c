package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/store"
)

const crashEnv = "MILLPOND_TEST_CRASH_DB"

// TestCrash kills a process in the middle of its writes, several times over one
// file, and looks whether everything it had been told was kept, is.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var told []string
	for range 4 {
		told = append(told, killAfter(t, path, 50+random.IntN(400))...)
		db, err := store.Open(t.Context(), store.Config{SQLite: path, Clock: resource.SystemClock()})
		check(t, err)
		check(t, db.Check(t.Context()))
		for _, line := range told {
			checkTold(t, db, line)
		}
		check(t, db.Close())
	}
}

// killAfter runs a writer and kills it when it has told of n things kept.
func killAfter(t *testing.T, path string, n int) []string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	var told []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		told = append(told, lines.Text())
		if len(told) == n {
			check(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // killed
	if len(told) < n {
		t.Fatalf("the writer ended by itself after %d lines: %v", len(told), told)
	}
	return told[:len(told)-1] // the last line may be cut
}

func checkTold(t *testing.T, db *store.DB, line string) {
	var what, uid string
	var attempt int
	if _, err := fmt.Sscan(line, &what, &uid, &attempt); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	task, err := db.TaskByUID(t.Context(), uid)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	attempts, err := db.Attempts(t.Context(), uid)
	check(t, err)
	switch what {
	case "claimed":
		if task.Attempt < attempt || len(attempts) < attempt {
			t.Fatalf("%s, but the task is %+v", line, task)
		}
	case "ended":
		if task.Attempt < attempt || attempts[attempt-1].Outcome != "success" {
			t.Fatalf("%s, but the attempts are %+v", line, attempts)
		}
	}
}

// TestCrashChild is the writer that TestCrash kills.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashEnv)
	if path == "" {
		return // by itself it has nothing to show: TestCrash runs it
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{SQLite: path, Clock: resource.SystemClock()})
	check(t, err)
	id := fmt.Sprint("run-", os.Getpid())
	p := &pool.Pool{AccountUID: "a", State: pool.Active, Allocation: pool.Steady, Spec: pool.Spec{ID: id}}
	check(t, db.CreatePool(ctx, p, pool.Event{}))
	j := &job.Job{AccountUID: "a", State: job.Active, Spec: job.Spec{ID: id, PoolID: id, MaxParallelTasks: -1}}
	check(t, db.CreateJob(ctx, j, pool.Event{}))
	w := &crashWriter{db: db, pool: p, job: j}
	var wait sync.WaitGroup
	for i := range 3 {
		n := &pool.Node{ID: fmt.Sprint("n", i), PoolUID: p.UID, State: pool.NodeIdle, Scheduling: "enabled", BootID: "b", Slots: 4}
		check(t, db.AddNodes(ctx, []*pool.Node{n}, pool.Event{}))
		wait.Go(func() { w.add(t, i) })
		wait.Go(func() { w.serve(t, n) })
	}
	wait.Wait()
}

type crashWriter struct {
	db   *store.DB
	pool *pool.Pool
	job  *job.Job
	mu   sync.Mutex
}

// tell says what the store has said is kept.
func (w *crashWriter) tell(what string, t *job.Task, attempt int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = os.Stdout.WriteString(strings.Join([]string{what, t.UID, fmt.Sprint(attempt)}, " ") + "\n")
}

func (w *crashWriter) add(t *testing.T, who int) {
	for n := 0; ; n++ {
		var tasks []*job.Task
		for k := range 5 {
			tasks = append(tasks, &job.Task{Spec: job.TaskSpec{ID: fmt.Sprintf("%d-%d-%d", who, n, k), RequiredSlots: 1}})
		}
		_, err := w.db.AddTasks(context.Background(), w.job.UID, tasks)
		check(t, err)
		for _, task := range tasks {
			w.tell("added", task, 0)
		}
	}
}

func (w *crashWriter) serve(t *testing.T, n *pool.Node) {
	ctx := context.Background()
	for {
		offers := []job.Offer{{NodeUID: n.UID, BootID: "b", Free: 4, Total: 4}}
		got, err := w.db.ClaimTasks(ctx, w.pool.UID, offers, func(_ []job.Offer, tasks []job.Candidate) (plan []job.Placement) {
			for i := range tasks {
				plan = append(plan, job.Placement{Candidate: i})
			}
			return plan
		})
		check(t, err)
		for _, a := range got {
			w.tell("claimed", a.Task, a.Task.Attempt)
			zero := 0
			done, err := w.db.ReportTasks(ctx, []job.News{{TaskUID: a.Task.UID, Attempt: a.Task.Attempt, NodeUID: n.UID,
				Ended: true, ExitCode: &zero}}, complete)
			check(t, err)
			w.tell("ended", done[0], a.Task.Attempt)
		}
	}
}
