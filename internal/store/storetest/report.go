package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// running is a pool with one node that runs n tasks of a job.
func (f *fixture) running(n int) (*pool.Pool, *pool.Node, *job.Job, []*job.Task) {
	f.Helper()
	p := f.pool("p")
	node := f.nodes(p, 1, n)[0]
	j := f.job("j", nil)
	for i := range n {
		f.tasks(j, fmt.Sprint("t", i))
	}
	var tasks []*job.Task
	for _, a := range f.claim(p, offer(node, n)) {
		tasks = append(tasks, a.Task)
	}
	return p, node, j, tasks
}

var reportTests = []subtest{
	{"started and ended", func(t *testing.T, f *fixture) {
		_, n, j, tasks := f.running(1)
		task := tasks[0]
		heard := f.report(job.News{TaskUID: task.UID, Attempt: 1, NodeUID: n.UID, At: start + 50, Started: start + 40})
		if heard[0] == nil || heard[0].Start != start+40 || heard[0].State != job.Running {
			t.Fatalf("%+v", heard[0])
		}
		f.clock.Set(start + 200)
		end := ended(task, 0)
		end.Started = start + 40
		got := f.report(end)[0]
		if d := cmp.Diff(got, f.task(task.UID)); d != "" {
			t.Fatal(d)
		}
		if got.State != job.Completed || got.Result != job.Success || got.StateAt != start+200 || *got.ExitCode != 0 {
			t.Fatalf("%+v", got)
		}
		attempts, err := f.db.Attempts(f.ctx, task.UID)
		f.must(err)
		zero := 0
		want := []job.Attempt{{TaskUID: task.UID, Number: 1, NodeUID: n.UID, BootID: "boot-1", Claimed: start + 1,
			Started: start + 40, Ended: start + 100, Outcome: "success", Exit: &zero}}
		if d := cmp.Diff(want, attempts); d != "" {
			t.Fatal(d)
		}
		free := f.node(n.UID)
		if free.State != pool.NodeIdle || free.RunningTasks != 0 || free.TotalRun != 1 || free.TotalSucceeded != 1 {
			t.Fatalf("%+v", free)
		}
		if c := f.counts(j); c != (job.Counts{Succeeded: 1, SucceededSlots: 1}) {
			t.Fatalf("%+v", c)
		}
	}},
	{"both in one batch, and twice", func(t *testing.T, f *fixture) {
		_, n, _, tasks := f.running(1)
		begun := job.News{TaskUID: tasks[0].UID, Attempt: 1, NodeUID: n.UID, At: start + 50}
		calls := 0
		got, err := f.db.ReportTasks(f.ctx, []job.News{begun, ended(tasks[0], 3), ended(tasks[0], 0), begun},
			func(t *job.Task, n job.News, now resource.Ticks) { calls++; settle(t, n, now) })
		f.must(err)
		if got[0] == nil || got[1] == nil || got[2] != nil || got[3] != nil || calls != 1 {
			t.Fatal(got, calls)
		}
		attempts, err := f.db.Attempts(f.ctx, tasks[0].UID)
		f.must(err)
		if a := attempts[0]; a.Outcome != "failure" || *a.Exit != 3 || a.Started != start+50 {
			t.Fatalf("%+v", a)
		}
		if late := f.report(ended(tasks[0], 0)); late[0] != nil {
			t.Fatal("the same end was heard again")
		}
	}},
	{"only of this attempt on this node", func(t *testing.T, f *fixture) {
		_, n, _, tasks := f.running(1)
		good := ended(tasks[0], 0)
		for _, change := range []func(*job.News){
			func(n *job.News) { n.Attempt = 2 }, func(n *job.News) { n.Attempt = 0 },
			func(n *job.News) { n.NodeUID = "other" }, func(n *job.News) { n.TaskUID = "other" },
		} {
			bad := good
			change(&bad)
			if got := f.report(bad); got[0] != nil {
				t.Errorf("%+v was heard", bad)
			}
		}
		if f.node(n.UID).RunningTasks != 1 || f.task(tasks[0].UID).State != job.Running {
			t.Fatal("refused news changed something")
		}
	}},
	{"a retry goes back to the queue with its place", func(t *testing.T, f *fixture) {
		p, n, j, tasks := f.running(1)
		f.tasks(j, "later")
		_, err := f.db.ReportTasks(f.ctx, []job.News{ended(tasks[0], 1)}, func(t *job.Task, _ job.News, now resource.Ticks) {
			t.State, t.StateAt, t.Retries, t.LastRetry = job.Active, now, t.Retries+1, now
		})
		f.must(err)
		if c := f.counts(j); c.Active != 2 || c.Running != 0 {
			t.Fatalf("%+v", c)
		}
		second := f.claim(p, offer(n, 1))[0].Task
		if second.UID != tasks[0].UID || second.Attempt != 2 || second.Retries != 1 {
			t.Fatalf("%+v", second)
		}
		f.report(ended(second, 0))
		attempts, err := f.db.Attempts(f.ctx, second.UID)
		f.must(err)
		if len(attempts) != 2 || attempts[0].Outcome != "failure" || attempts[1].Outcome != "success" {
			t.Fatalf("%+v", attempts)
		}
	}},
	{"a rule that keeps the task running is refused", func(t *testing.T, f *fixture) {
		_, _, _, tasks := f.running(1)
		_, err := f.db.ReportTasks(f.ctx, []job.News{ended(tasks[0], 0)}, func(*job.Task, job.News, resource.Ticks) {})
		if err == nil || f.task(tasks[0].UID).State != job.Running {
			t.Fatal(err)
		}
	}},
	{"many at once, and the last ten are remembered", func(t *testing.T, f *fixture) {
		_, n, j, tasks := f.running(250)
		var news []job.News
		for i, task := range tasks {
			news = append(news, ended(task, i%2))
		}
		f.report(news...)
		if c := f.counts(j); c.Succeeded != 125 || c.Failed != 125 {
			t.Fatalf("%+v", c)
		}
		node := f.node(n.UID)
		if node.TotalRun != 250 || node.TotalSucceeded != 125 || len(node.Recent) != 10 || node.Recent[0].TaskID != "t249" {
			t.Fatalf("%+v", node)
		}
		two, err := f.db.RecentTasks(f.ctx, n.UID, 2)
		f.must(err)
		if len(two) != 2 || two[1].TaskID != "t248" || *two[1].ExitCode != 0 {
			t.Fatalf("%+v", two)
		}
	}},
	{"tasks that shall end are named until they have", func(t *testing.T, f *fixture) {
		p, n, j, tasks := f.running(3)
		f.tasks(j, "waits")
		_, err := f.db.UpdateTask(f.ctx, tasks[1].UID, by, func(t *job.Task) error { t.EndWanted = job.EndByUser; return nil })
		f.must(err)
		got, err := f.db.ToEnd(f.ctx)
		if d := cmp.Diff([]string{"t1"}, f.taskIDs(got, err)); d != "" {
			t.Fatal(d)
		}
		running, err := f.db.EndJobTasks(f.ctx, j.UID, job.EndByJob)
		f.must(err)
		got, err = f.db.ToEnd(f.ctx)
		f.must(err)
		if running != 3 || len(got) != 3 || got[0].EndWanted != job.EndByJob || got[1].EndWanted != job.EndByUser {
			t.Fatal(running, got)
		}
		f.report(ended(tasks[0], 137), ended(tasks[1], 137), ended(tasks[2], 0))
		got, err = f.db.ToEnd(f.ctx)
		if d := cmp.Diff([]string{}, f.taskIDs(got, err)); d != "" {
			t.Fatal(d)
		}
		attempts, err := f.db.Attempts(f.ctx, tasks[0].UID)
		f.must(err)
		if attempts[0].Outcome != "cancelled" {
			t.Fatalf("%+v", attempts)
		}
		if next := f.claim(p, offer(n, 3)); len(next) != 1 || next[0].Task.EndWanted != "" {
			t.Fatal(ids(next))
		}
	}},
	{"a node that is not idle or running keeps its state", func(t *testing.T, f *fixture) {
		_, n, _, tasks := f.running(1)
		_, err := f.db.UpdateNode(f.ctx, n.UID, by, func(n *pool.Node) error { n.State = pool.NodeOffline; return nil })
		f.must(err)
		f.report(ended(tasks[0], 0))
		if got := f.node(n.UID); got.State != pool.NodeOffline || got.RunningTasks != 0 {
			t.Fatalf("%+v", got)
		}
	}},
}

var requeueTests = []subtest{
	{"what the node lost goes back, what it kept stays", func(t *testing.T, f *fixture) {
		p, n, j, tasks := f.running(4)
		f.must(f.db.DeleteTask(f.ctx, tasks[3].UID, by))
		keep := map[string]int{tasks[1].UID: 1, tasks[2].UID: 7} // the second is of another attempt
		got, err := f.db.RequeueNode(f.ctx, n.UID, keep, again)
		if d := cmp.Diff([]string{"t0", "t2"}, f.taskIDs(got, err)); d != "" {
			t.Fatal(d)
		}
		if got[0].Requeues != 1 || got[0].State != job.Active {
			t.Fatalf("%+v", got[0])
		}
		if node := f.node(n.UID); node.RunningTasks != 1 || node.TotalRun != 0 || node.State != pool.NodeRunning {
			t.Fatalf("%+v", node)
		}
		attempts, err := f.db.Attempts(f.ctx, tasks[0].UID)
		f.must(err)
		if attempts[0].Outcome != "lost" || attempts[0].Ended == 0 || attempts[0].Exit != nil {
			t.Fatalf("%+v", attempts)
		}
		if late := f.report(ended(tasks[0], 0)); late[0] != nil {
			t.Fatal("news of a lost attempt was heard")
		}
		if next := f.claim(p, offer(n, 4)); len(next) != 2 || next[0].Task.Attempt != 2 {
			t.Fatal(ids(next))
		}
		if c := f.counts(j); c != (job.Counts{Running: 3, RunningSlots: 3}) {
			t.Fatalf("%+v", c)
		}
	}},
	{"twice is as once, and an unknown node has nothing", func(t *testing.T, f *fixture) {
		_, n, _, _ := f.running(2)
		for _, want := range []int{2, 0} {
			got, err := f.db.RequeueNode(f.ctx, n.UID, nil, again)
			f.must(err)
			if len(got) != want {
				t.Fatal(len(got))
			}
		}
		if node := f.node(n.UID); node.State != pool.NodeIdle {
			t.Fatal(node.State)
		}
		got, err := f.db.RequeueNode(f.ctx, "none", nil, again)
		f.must(err)
		if len(got) != 0 {
			t.Fatal(got)
		}
	}},
}
