package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/job"
	"millpond/internal/pool"
)

var claimTests = []subtest{
	{"by priority, then age of the job, then arrival", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		n := f.nodes(p, 1, 8)[0]
		low := f.job("low", func(j *job.Job) { j.Spec.Priority = -1 })
		f.clock.Set(start + 1)
		old := f.job("z-old", nil)
		f.clock.Set(start + 2)
		young := f.job("a-young", nil)
		high := f.job("high", func(j *job.Job) { j.Spec.Priority = 5 })
		f.tasks(low, "low")
		f.tasks(young, "y1")
		f.tasks(old, "o2", "o1")
		f.tasks(high, "h")
		f.tasks(young, "y0")
		if d := cmp.Diff([]string{"h", "o2", "o1", "y1", "y0", "low"}, ids(f.claim(p, offer(n, 8)))); d != "" {
			t.Fatal(d)
		}
	}},
	{"a claimed task and its attempt say all of it", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		n := f.nodes(p, 1, 4)[0]
		j := f.job("j", nil)
		task := newTask("t", 3)
		f.add(j, task)
		f.clock.Set(start + 9)
		got := f.claim(p, offer(n, 4))
		want := *task
		want.State, want.Previous, want.StateAt, want.PreviousAt = job.Running, job.Active, start+9, start
		want.Attempt, want.NodeUID, want.NodeID, want.PoolID, want.Start, want.Rev = 1, n.UID, n.ID, "p", start+9, 2
		if d := cmp.Diff(&want, got[0].Task); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(&want, f.task(task.UID)); d != "" {
			t.Fatal(d)
		}
		if got[0].Job.UID != j.UID || got[0].Job.Spec.ID != "j" {
			t.Fatalf("%+v", got[0].Job)
		}
		attempts, err := f.db.Attempts(f.ctx, task.UID)
		f.must(err)
		if d := cmp.Diff([]job.Attempt{{TaskUID: task.UID, Number: 1, NodeUID: n.UID, BootID: "boot-1", Claimed: start + 9}}, attempts); d != "" {
			t.Fatal(d)
		}
		busy := f.node(n.UID)
		if busy.State != pool.NodeRunning || busy.StateAt != start+9 || busy.RunningTasks != 1 || busy.RunningSlots != 3 {
			t.Fatalf("%+v", busy)
		}
		if c := f.counts(j); c != (job.Counts{Running: 1, RunningSlots: 3}) {
			t.Fatalf("%+v", c)
		}
		running, err := f.db.RunningOn(f.ctx, n.UID)
		if d := cmp.Diff([]string{"t"}, f.taskIDs(running, err)); d != "" {
			t.Fatal(d)
		}
		recent, err := f.db.RecentTasks(f.ctx, n.UID, 5)
		f.must(err)
		if d := cmp.Diff([]pool.RecentTask{{JobID: "j", TaskID: "t", State: job.Running, Start: start + 9}}, recent); d != "" {
			t.Fatal(d)
		}
	}},
	{"only what the node's row allows", func(t *testing.T, f *fixture) {
		p, q := f.pool("P"), f.pool("q")
		nodes := f.nodes(p, 5, 2)
		f.tasks(f.job("j", nil), "a", "b", "c", "d", "e", "f", "g", "h")
		set := func(n *pool.Node, change func(*pool.Node)) {
			t.Helper()
			_, err := f.db.UpdateNode(f.ctx, n.UID, by, func(n *pool.Node) error { change(n); return nil })
			f.must(err)
		}
		set(nodes[0], func(n *pool.Node) { n.State = pool.NodeRebooting })
		set(nodes[1], func(n *pool.Node) { n.Scheduling = "disabled" })
		set(nodes[2], func(n *pool.Node) { n.BootID = "boot-2" })
		foreign := f.nodes(q, 1, 2)[0]
		gone := job.Offer{NodeUID: "gone", BootID: "b", Free: 2, Total: 2}
		got := f.claim(p, offer(nodes[0], 2), offer(nodes[1], 2), offer(nodes[2], 2), offer(foreign, 2), gone, offer(nodes[3], 99))
		if len(got) != 2 || got[0].Task.NodeUID != nodes[3].UID {
			t.Fatalf("%v", ids(got))
		}
		if more := f.claim(p, offer(nodes[3], 2)); len(more) != 0 {
			t.Fatalf("a full node got more: %v", ids(more))
		}
	}},
	{"only active jobs of the pool and account", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		n := f.nodes(p, 1, 9)[0]
		f.tasks(f.job("elsewhere", func(j *job.Job) { j.Spec.PoolID = "p2" }), "a")
		f.tasks(f.job("foreign", func(j *job.Job) { j.AccountUID = "other" }), "b")
		off := f.job("off", nil)
		f.tasks(off, "c")
		f.jobState(off, job.Disabled)
		f.tasks(f.job("here", func(j *job.Job) { j.Spec.PoolID = "p" }), "d")
		if d := cmp.Diff([]string{"d"}, ids(f.claim(p, offer(n, 9)))); d != "" {
			t.Fatal(d)
		}
		f.jobState(off, job.Active)
		if d := cmp.Diff([]string{"c"}, ids(f.claim(p, offer(n, 9)))); d != "" {
			t.Fatal(d)
		}
		_, err := f.db.ClaimTasks(f.ctx, "none", nil, firstFit)
		f.mustCode(err, "PoolNotFound")
	}},
	{"a job's limit of parallel tasks holds", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		n := f.nodes(p, 1, 8)[0]
		j := f.job("j", func(j *job.Job) { j.Spec.MaxParallelTasks, j.Spec.Priority = 2, 1 })
		f.tasks(j, "a", "b", "c", "d")
		f.tasks(f.job("k", nil), "x", "y")
		first := f.claim(p, offer(n, 8))
		if d := cmp.Diff([]string{"a", "b", "x", "y"}, ids(first)); d != "" {
			t.Fatal(d)
		}
		if again := f.claim(p, offer(n, 4)); len(again) != 0 {
			t.Fatal(ids(again))
		}
		f.report(ended(first[1].Task, 0))
		if d := cmp.Diff([]string{"c"}, ids(f.claim(p, offer(n, 4)))); d != "" {
			t.Fatal(d)
		}
	}},
	{"a wide task does not hold up narrow ones", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		nodes := f.nodes(p, 2, 2)
		j := f.job("j", nil)
		f.add(j, newTask("first", 1))
		f.claim(p, offer(nodes[0], 1))
		f.add(j, newTask("wide", 2), newTask("never", 3), newTask("wide2", 2), newTask("narrow", 1))
		got := f.claim(p, offer(nodes[0], 1), offer(nodes[1], 2))
		if d := cmp.Diff([]string{"wide", "narrow"}, ids(got)); d != "" {
			t.Fatal(d)
		}
	}},
	{"many nodes and many jobs at once", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		var offers []job.Offer
		for _, n := range f.nodes(p, 150, 2) {
			offers = append(offers, offer(n, 2))
		}
		for i := range 40 {
			j := f.job(fmt.Sprintf("j%02d", i), nil)
			for k := range 10 {
				f.tasks(j, fmt.Sprint("t", k))
			}
		}
		if got := f.claim(p, offers...); len(got) != 300 {
			t.Fatal(len(got))
		}
	}},
	{"a rule that breaks the offers is refused", func(t *testing.T, f *fixture) {
		p := f.pool("P")
		n := f.nodes(p, 1, 1)[0]
		f.tasks(f.job("j", nil), "a", "b")
		for _, plan := range [][]job.Placement{{{}, {}}, {{Candidate: 7}}, {{Offer: 1}}} {
			_, err := f.db.ClaimTasks(f.ctx, p.UID, []job.Offer{offer(n, 1)},
				func([]job.Offer, []job.Candidate) []job.Placement { return plan })
			if err == nil {
				t.Errorf("%v was taken", plan)
			}
		}
		if got := f.node(n.UID); got.RunningTasks != 0 {
			t.Fatalf("%+v", got)
		}
	}},
	{"pools with work and tasks that wait", func(t *testing.T, f *fixture) {
		p, q := f.pool("P"), f.pool("q")
		f.pool("idle")
		j := f.job("j", nil)
		f.tasks(j, "a", "b")
		f.tasks(f.job("k", func(j *job.Job) { j.Spec.PoolID = "Q" }), "c")
		off := f.job("off", func(j *job.Job) { j.Spec.PoolID = "idle" })
		f.tasks(off, "d")
		f.jobState(off, job.Disabled)
		got, err := f.db.PoolsWithWork(f.ctx)
		f.must(err)
		want := map[string]bool{p.UID: true, q.UID: true}
		if len(got) != 2 || !want[got[0]] || !want[got[1]] {
			t.Fatal(got)
		}
		for id, want := range map[string]int{"p": 2, "Q": 1, "idle": 0, "none": 0} {
			n, err := f.db.WaitingTasks(f.ctx, account, id)
			f.must(err)
			if n != want {
				t.Errorf("%s: %d wait", id, n)
			}
		}
	}},
}
