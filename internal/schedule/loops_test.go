package schedule

import (
	"testing"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
)

func (w *world) steady(p *pool.Pool) *pool.Pool {
	w.t.Helper()
	var got *pool.Pool
	w.eventually("steady", func() (bool, string) {
		var err error
		got, err = w.db.PoolByUID(w.t.Context(), p.UID)
		if err != nil {
			return false, err.Error()
		}
		return got.Allocation == pool.Steady, got.Allocation
	})
	return got
}

func TestPoolGrowsShrinksAndGoes(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 5, 1, nil)
	w.nodesIn(p, 5, pool.NodeIdle)
	if got := w.steady(p); got.CurrentDedicated != 5 || len(got.ResizeErrors) != 0 {
		t.Fatalf("%+v", got)
	}
	two := 2
	if _, err := w.pools.Resize(t.Context(), w.who, w.owner, "P", nil, pool.Targets{Dedicated: &two}); err != nil {
		t.Fatal(err)
	}
	w.nodesIn(p, 2, pool.NodeIdle)
	w.steady(p)
	if err := w.pools.Delete(t.Context(), w.who, w.owner, "p", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("the pool is gone", func() (bool, string) {
		_, err := w.db.PoolByUID(t.Context(), p.UID)
		return fault.Is(err, "PoolNotFound"), ""
	})
	if left, err := w.provider.List(t.Context()); err != nil || len(left) != 0 {
		t.Fatal(left, err)
	}
}

func TestTasksRunOnce(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 3, 2, nil)
	j := w.addJob("j", "p", 60, nil)
	w.counts(j, job.Counts{Succeeded: 60})
	for id, n := range w.ran {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
	w.nodesIn(p, 3, pool.NodeIdle)
}

// A job may be made before its pool: its tasks wait.
func TestTasksWaitForTheirPool(t *testing.T) {
	w := newWorld(t)
	j := w.addJob("j", "later", 4, nil)
	w.addPool("later", 1, 4, nil)
	w.counts(j, job.Counts{Succeeded: 4})
}

func TestRetriesThenFails(t *testing.T) {
	w := newWorld(t)
	w.exit = func(*job.Task) int { return 3 }
	w.addPool("p", 1, 1, nil)
	j := w.addJob("j", "p", 1, func(s *job.TaskSpec) { s.MaxRetries = 2 })
	w.counts(j, job.Counts{Failed: 1})
	got, err := w.db.GetTask(t.Context(), j.UID, "j-000")
	if err != nil || got.Retries != 2 || got.Attempt != 3 || w.ran["j-000"] != 3 || *got.ExitCode != 3 {
		t.Fatalf("%+v %v, ran %d", got, err, w.ran["j-000"])
	}
}

func TestStartTaskGatesTheNode(t *testing.T) {
	w := newWorld(t)
	bad := w.addPool("bad", 1, 1, func(s *pool.Spec) {
		s.StartTask = &pool.StartTask{CommandLine: "false", WaitForSuccess: true, MaxRetries: 1}
	})
	good := w.addPool("good", 2, 1, func(s *pool.Spec) { s.StartTask = &pool.StartTask{CommandLine: "true", WaitForSuccess: true} })
	lax := w.addPool("lax", 1, 1, func(s *pool.Spec) { s.StartTask = &pool.StartTask{CommandLine: "false"} })
	w.nodesIn(bad, 1, pool.NodeStartTaskFailed)
	w.nodesIn(good, 2, pool.NodeIdle)
	w.nodesIn(lax, 1, pool.NodeIdle)
}

// An image that cannot be had ends in a resize error, not in silence.
func TestMissingImageIsAResizeError(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 2, 1, func(s *pool.Spec) { s.ImageReference.Publisher = "none" })
	got := w.steady(p)
	if len(got.ResizeErrors) != 1 || got.ResizeErrors[0].Code != "AllocationFailed" || got.CurrentDedicated != 0 {
		t.Fatalf("%+v", got.ResizeErrors)
	}
}

func TestQuotaIsAResizeError(t *testing.T) {
	w := newWorld(t)
	w.owner.DedicatedCores = 3
	p := w.addPool("p", 5, 1, nil)
	got := w.steady(p)
	if len(got.ResizeErrors) != 1 || got.ResizeErrors[0].Code != "AccountCoreQuotaReached" || got.CurrentDedicated != 3 {
		t.Fatalf("%+v with %d nodes", got.ResizeErrors, got.CurrentDedicated)
	}
	w.nodesIn(p, 3, pool.NodeIdle)
}

// A machine that dies takes its attempts with it: each task runs again, counted
// as a requeue and not as a retry, and ends once.
func TestLostMachineRequeues(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	p := w.addPool("p", 1, 2, nil)
	j := w.addJob("j", "p", 2, nil)
	w.counts(j, job.Counts{Running: 2})
	nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
	if err != nil {
		t.Fatal(err)
	}
	old := nodes[0].BootID
	w.provider.Exit(nodes[0].UID)
	w.eventually("another boot", func() (bool, string) {
		n, err := w.db.NodeByUID(t.Context(), nodes[0].UID)
		return err == nil && n.BootID != old && n.HelloBoot == n.BootID && n.BootID != "", ""
	})
	close(w.hold)
	w.counts(j, job.Counts{Succeeded: 2})
	got, err := w.db.GetTask(t.Context(), j.UID, "j-001")
	if err != nil || got.Requeues != 1 || got.Retries != 0 || w.ran["j-001"] != 1 {
		t.Fatalf("%+v %v ran %d", got, err, w.ran["j-001"])
	}
}

// A server that is killed and started again finds its machines and goes on.
func TestRestartGoesOn(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	p := w.addPool("p", 3, 1, nil)
	j := w.addJob("j", "p", 9, nil)
	w.counts(j, job.Counts{Running: 3, Active: 6})
	w.stop()
	w.mu.Lock()
	agents := map[string]*agent{}
	for uid, a := range w.agents {
		agents[uid] = a
	}
	w.mu.Unlock()
	if len(agents) != 3 {
		t.Fatalf("%d machines survived", len(agents))
	}
	w.up()
	for uid, a := range agents {
		a.hello(uid)
	}
	close(w.hold)
	w.counts(j, job.Counts{Succeeded: 9})
	w.nodesIn(p, 3, pool.NodeIdle)
	for id, n := range w.ran {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
}

func TestTerminateAndDelete(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	defer close(w.hold)
	w.addPool("p", 1, 2, nil)
	j := w.addJob("j", "p", 4, nil)
	w.counts(j, job.Counts{Running: 2, Active: 2})
	if _, err := w.jobs.TerminateTask(t.Context(), w.who, "acct", "j", "j-000", nil); err != nil {
		t.Fatal(err)
	}
	w.counts(j, job.Counts{Running: 2, Active: 1, Failed: 1})
	if _, err := w.jobs.Terminate(t.Context(), w.who, "acct", "j", "enough", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("completed", func() (bool, string) {
		got, err := w.db.JobByUID(t.Context(), j.UID)
		return err == nil && got.State == job.Completed && got.TerminateReason == "enough" && got.Counts.Active == 1, ""
	})
	if err := w.jobs.Delete(t.Context(), w.who, "acct", "j", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("gone", func() (bool, string) {
		_, err := w.db.JobByUID(t.Context(), j.UID)
		return fault.Is(err, "JobNotFound"), ""
	})
}

func TestJobEndsWithItsTasks(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	w.addPool("p", 1, 2, nil)
	j := w.addJob("j", "p", 3, nil)
	if _, err := w.jobs.Update(t.Context(), w.who, "acct", "j", "JobPatch", nil, func(s *job.Spec) error {
		s.OnAllTasksComplete = "terminatejob"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	close(w.hold)
	w.eventually("completed", func() (bool, string) {
		got, err := w.db.JobByUID(t.Context(), j.UID)
		return err == nil && got.State == job.Completed && got.TerminateReason == job.ReasonAllTasks && got.Counts.Succeeded == 3, ""
	})
}

func TestRebootAndReimage(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 1, 1, nil)
	w.nodesIn(p, 1, pool.NodeIdle)
	nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
	if err != nil {
		t.Fatal(err)
	}
	for _, act := range []func() error{
		func() error { return w.pools.Reboot(t.Context(), w.who, w.owner, "p", nodes[0].ID, "") },
		func() error { return w.pools.Reimage(t.Context(), w.who, w.owner, "p", nodes[0].ID, "terminate") },
	} {
		before, err := w.db.NodeByUID(t.Context(), nodes[0].UID)
		if err != nil {
			t.Fatal(err)
		}
		if err := act(); err != nil {
			t.Fatal(err)
		}
		w.eventually("idle in another boot", func() (bool, string) {
			n, err := w.db.NodeByUID(t.Context(), nodes[0].UID)
			return err == nil && n.State == pool.NodeIdle && n.BootID != before.BootID && n.LastBoot > before.LastBoot, ""
		})
	}
}
