package job

import (
	"testing"

	"pgregory.net/rapid"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

func runningTask(retries int) *Task {
	return &Task{UID: "t", State: Running, StateAt: 10, Attempt: 1, NodeUID: "n", Spec: TaskSpec{MaxRetries: retries, RequiredSlots: 1}}
}

func newsOf(code int) News { return News{Ended: true, At: 20, Started: 15, ExitCode: &code} }

func TestSettle(t *testing.T) {
	lost := News{Ended: true, At: 20, Failure: &pool.Failure{Code: "NodeLost"}}
	for name, c := range map[string]struct {
		task           *Task
		news           News
		state, result  string
		retries, again int
		code           string
	}{
		"success":          {runningTask(3), newsOf(0), Completed, Success, 0, 0, ""},
		"failure, retried": {runningTask(1), newsOf(1), Active, Failure, 1, 0, "FailureExitCode"},
		"failure, final":   {runningTask(0), newsOf(1), Completed, Failure, 0, 0, "FailureExitCode"},
		"for ever":         {runningTask(-1), newsOf(1), Active, Failure, 1, 0, "FailureExitCode"},
		"node lost":        {runningTask(0), lost, Active, "", 0, 1, ""},
		"ended by user":    {func() *Task { t := runningTask(5); t.EndWanted = EndByUser; return t }(), newsOf(137), Completed, Failure, 0, 0, "TaskEnded"},
		"lost while ended": {func() *Task { t := runningTask(5); t.EndWanted = EndByJob; return t }(), lost, Completed, Failure, 0, 0, "TaskEnded"},
		"no program":       {runningTask(0), News{Ended: true, At: 20, Failure: &pool.Failure{Category: "UserError", Code: "CommandProgramNotFound"}}, Completed, Failure, 0, 0, "CommandProgramNotFound"},
	} {
		SettleNews(c.task, c.news, 30)
		got := c.task
		code := ""
		if got.Failure != nil {
			code = got.Failure.Code
		}
		if got.State != c.state || got.Result != c.result || got.Retries != c.retries || got.Requeues != c.again || code != c.code {
			t.Errorf("%s: %+v, failure %q", name, got, code)
		}
		at := c.news.At
		if c.news.Failure == lost.Failure {
			at = 30 // a lost node says nothing of when; the service's clock does
		}
		if got.State == Completed && (got.End != got.StateAt || got.End != at) {
			t.Errorf("%s: end %d, state since %d", name, got.End, got.StateAt)
		}
	}
}

// A node whose clock lags never makes a task's history run backwards.
func TestTimesDoNotGoBack(t *testing.T) {
	task := runningTask(0)
	task.StateAt = 100
	SettleNews(task, newsOf(0), 110)
	if task.StateAt < 100 || task.End != task.StateAt {
		t.Fatalf("%+v", task)
	}
}

func TestTaskMoves(t *testing.T) {
	states := []string{Active, Preparing, Running, Completed}
	legal := 0
	for _, from := range states {
		for _, to := range states {
			if MayMove(from, to) {
				legal++
			}
		}
	}
	if legal != 9 || MayMove(Completed, Running) || !MayMove(Completed, Active) {
		t.Fatal(legal)
	}
}

// Laws of placement: nothing goes where it does not fit, nothing twice, and
// nothing that fits stays behind an idle node.
func TestPlacementLaws(t *testing.T) {
	for name, rule := range map[string]Place{"spread": Spread, "pack": Pack} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var offers []Offer
				for i := range rapid.IntRange(0, 6).Draw(t, "nodes") {
					free := rapid.IntRange(0, 8).Draw(t, "free")
					offers = append(offers, Offer{NodeUID: string(rune('a' + i)), NodeID: string(rune('A' + i)), Free: free, Total: 8})
				}
				var tasks []Candidate
				for range rapid.IntRange(0, 30).Draw(t, "tasks") {
					spec := TaskSpec{RequiredSlots: rapid.IntRange(1, 9).Draw(t, "slots")}
					if rapid.Bool().Draw(t, "affine") {
						spec.AffinityID = "TVM:" + rapid.SampledFrom([]string{"A", "B", "Z"}).Draw(t, "node")
					}
					tasks = append(tasks, Candidate{Task: &Task{Spec: spec}})
				}
				free := make([]int, len(offers))
				for i, o := range offers {
					free[i] = o.Free
				}
				placed := map[int]bool{}
				for _, p := range rule(offers, tasks) {
					if placed[p.Candidate] {
						t.Fatalf("task %d is placed twice", p.Candidate)
					}
					placed[p.Candidate] = true
					if free[p.Offer] -= tasks[p.Candidate].Task.Spec.RequiredSlots; free[p.Offer] < 0 {
						t.Fatalf("node %d is overfull", p.Offer)
					}
				}
				for i, c := range tasks {
					for n := range offers {
						if !placed[i] && free[n] >= c.Task.Spec.RequiredSlots {
							t.Fatalf("task %d waits though node %d has room", i, n)
						}
					}
				}
			})
		})
	}
}

func TestSpreadAndPackDiffer(t *testing.T) {
	offers := []Offer{{NodeUID: "a", Free: 2}, {NodeUID: "b", Free: 2}}
	tasks := []Candidate{{Task: &Task{Spec: TaskSpec{RequiredSlots: 1}}}, {Task: &Task{Spec: TaskSpec{RequiredSlots: 1}}}}
	if p := Spread(offers, tasks); p[0].Offer == p[1].Offer {
		t.Fatal("spread put both on one node")
	}
	if p := Pack(offers, tasks); p[0].Offer != p[1].Offer {
		t.Fatal("pack used two nodes")
	}
}

func TestJobRules(t *testing.T) {
	good := Spec{ID: "myjob", PoolID: "p"}
	good.Defaults()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, breakIt := range map[string]func(*Spec){
		"priority": func(s *Spec) { s.Priority = 1001 }, "maxParallelTasks": func(s *Spec) { s.MaxParallelTasks = -2 },
		"constraints.maxTaskRetryCount": func(s *Spec) { s.MaxTaskRetries = -2 },
		"constraints.maxWallClockTime":  func(s *Spec) { s.MaxWallClock = -1 },
		"id":                            func(s *Spec) { s.ID = "" }, "poolInfo.poolId": func(s *Spec) { s.PoolID = "" },
		"onAllTasksComplete": func(s *Spec) { s.OnAllTasksComplete = "x" },
	} {
		s := good
		breakIt(&s)
		if code := fault.CodeOf(s.Check()); code != "InvalidPropertyValue" && code != "MissingRequiredProperty" {
			t.Errorf("%s: %v", name, s.Check())
		}
	}
}

// Transient states never show as the previous one (facts/wire.md 4.4).
func TestJobHistory(t *testing.T) {
	j := &Job{State: Active, StateAt: 1, Spec: Spec{OnAllTasksComplete: "terminatejob", MaxWallClock: resource.MaxSpan}}
	if !j.AllDone() || j.Overdue(1<<60) {
		t.Fatal("a job without tasks is all complete, and one without limit never late")
	}
	j.End(ReasonAllTasks, 5)
	if j.State != Terminating || j.Previous != Active || j.AllDone() {
		t.Fatalf("%+v", j)
	}
	j.Finish(6)
	if j.State != Completed || j.Previous != Active || j.Ended != 6 || j.TerminateReason != ReasonAllTasks {
		t.Fatalf("%+v", j)
	}
	j.Remove(7)
	if j.State != Deleting || j.Previous != Completed {
		t.Fatalf("%+v", j)
	}
}

func TestTaskDefaults(t *testing.T) {
	j := &Job{Spec: Spec{MaxTaskRetries: 4}}
	var inherits, own TaskSpec
	inherits.Defaults(j, false)
	own.Defaults(j, true)
	if inherits.MaxRetries != 4 || own.MaxRetries != 0 || own.Retention != DefaultRetention || own.RequiredSlots != 1 ||
		own.MaxWallClock != resource.MaxSpan || own.User.Scope != "pool" || own.User.Elevation != "nonadmin" {
		t.Fatalf("%+v %+v", inherits, own)
	}
}
