package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
)

func (f *fixture) taskIDs(tasks []*job.Task, err error) []string {
	f.Helper()
	f.must(err)
	ids := []string{}
	for _, t := range tasks {
		ids = append(ids, t.Spec.ID)
	}
	return ids
}

var taskTests = []subtest{
	{"is read as written", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		want := newTask("MyTask", 2)
		want.Spec.Environment = []pool.EnvironmentSetting{{Name: "é\"", Value: "\\"}}
		want.Spec.MaxRetries = -1
		f.add(j, want)
		if want.UID == "" || want.Rev != 1 || want.Created != start || want.JobUID != j.UID || want.AccountUID != account {
			t.Fatalf("not filled: %+v", want)
		}
		got, err := f.db.GetTask(f.ctx, j.UID, "MYTASK")
		f.must(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(want, f.task(want.UID)); d != "" {
			t.Fatal(d)
		}
	}},
	{"keeps every field through a change", func(t *testing.T, f *fixture) {
		task := f.tasks(f.job("j", nil), "t")[0]
		code := 1
		got, err := f.db.UpdateTask(f.ctx, task.UID, by, func(t *job.Task) error {
			t.State, t.Previous, t.PreviousAt = job.Completed, job.Active, start
			t.Start, t.End, t.ExitCode, t.Result, t.Retries, t.LastRetry = start, start+1, &code, job.Failure, 1, start
			t.Failure = &pool.Failure{Category: "usererror", Code: "FailureExitCode", Details: [][2]string{{"a", "b"}}}
			t.Requeues, t.LastRequeue, t.NodeInfoNone, t.NodeUID, t.NodeID, t.PoolID = 2, start, true, "n", "i", "p"
			t.EndWanted = job.EndByUser
			t.Spec.Retention = 5
			return nil
		})
		f.must(err)
		if d := cmp.Diff(got, f.task(task.UID)); d != "" || got.StateAt != start+1 {
			t.Fatal(got.StateAt, d)
		}
	}},
	{"many, some known already", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		f.tasks(j, "B")
		results, err := f.db.AddTasks(f.ctx, j.UID, []*job.Task{newTask("a", 1), newTask("b", 1), newTask("c", 2), newTask("A", 1)})
		f.must(err)
		got := []string{}
		for _, err := range results {
			got = append(got, fault.CodeOf(err))
		}
		if d := cmp.Diff([]string{"", "TaskExists", "", "TaskExists"}, got); d != "" {
			t.Fatal(d)
		}
		if c := f.counts(j); c != (job.Counts{Active: 3, ActiveSlots: 4}) {
			t.Fatalf("%+v", c)
		}
	}},
	{"a known one sent again stays known", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		tasks := f.tasks(j, "a", "b")
		results, err := f.db.AddTasks(f.ctx, j.UID, tasks)
		f.must(err)
		for _, err := range results {
			f.mustCode(err, "TaskExists")
		}
	}},
	{"a job that ends takes none", func(t *testing.T, f *fixture) {
		_, err := f.db.AddTasks(f.ctx, "none", []*job.Task{newTask("a", 1)})
		f.mustCode(err, "JobNotFound")
		for state, code := range map[string]string{job.Completed: "JobCompleted", job.Terminating: "JobBeingTerminated",
			job.Deleting: "JobBeingDeleted", job.Disabled: ""} {
			j := f.job("j-"+state, nil)
			f.jobState(j, state)
			_, err := f.db.AddTasks(f.ctx, j.UID, []*job.Task{newTask("a", 1)})
			if fault.CodeOf(err) != code {
				t.Errorf("%s: %v", state, err)
			}
		}
	}},
	{"is listed in pages and by state", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 4)[0]
		f.tasks(f.job("other", nil), "x")
		j := f.job("j", nil)
		f.tasks(j, "t10", "T2", "t1", "t_3", "t-3")
		if d := cmp.Diff([]string{"t-3", "t1", "t10", "T2", "t_3"}, f.taskIDs(f.db.ListTasks(f.ctx, j.UID, "", "", 100))); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff([]string{"t10", "T2"}, f.taskIDs(f.db.ListTasks(f.ctx, j.UID, "", "T1", 2))); d != "" {
			t.Fatal(d)
		}
		f.claim(p, offer(n, 2)) // other/x and j/t10, both being the oldest
		if d := cmp.Diff([]string{"t10"}, f.taskIDs(f.db.ListTasks(f.ctx, j.UID, job.Running, "", 100))); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff([]string{"T2", "t_3"}, f.taskIDs(f.db.ListTasks(f.ctx, j.UID, job.Active, "t10", 100))); d != "" {
			t.Fatal(d)
		}
	}},
	{"its state moves the counts", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		task := newTask("t", 3)
		f.add(j, task)
		set := func(change func(*job.Task), want job.Counts) {
			t.Helper()
			_, err := f.db.UpdateTask(f.ctx, task.UID, by, func(t *job.Task) error { change(t); return nil })
			f.must(err)
			if c := f.counts(j); c != want {
				t.Fatalf("%+v, want %+v", c, want)
			}
		}
		set(func(t *job.Task) { t.Spec.RequiredSlots = 2 }, job.Counts{Active: 1, ActiveSlots: 2})
		set(func(t *job.Task) { t.State, t.Result = job.Completed, job.Failure }, job.Counts{Failed: 1, FailedSlots: 2})
		set(func(t *job.Task) { t.Result = job.Success }, job.Counts{Succeeded: 1, SucceededSlots: 2})
		set(func(t *job.Task) { t.State, t.Result = job.Active, "" }, job.Counts{Active: 1, ActiveSlots: 2})
		_, err := f.db.UpdateTask(f.ctx, task.UID, by, func(t *job.Task) error { t.State = job.Running; return nil })
		f.mustCode(err, "InternalError")
	}},
	{"missing", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		_, err := f.db.GetTask(f.ctx, j.UID, "t")
		f.mustCode(err, "TaskNotFound")
		_, err = f.db.UpdateTask(f.ctx, "t", by, func(*job.Task) error { return nil })
		f.mustCode(err, "TaskNotFound")
		f.mustCode(f.db.DeleteTask(f.ctx, "t", by), "TaskNotFound")
	}},
	{"deleted while it runs leaves an orphan", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 2)[0]
		j := f.job("j", nil)
		f.add(j, newTask("t", 2))
		got := f.claim(p, offer(n, 2))[0].Task
		f.must(f.db.DeleteTask(f.ctx, got.UID, by))
		orphans, err := f.db.ToEnd(f.ctx)
		f.must(err)
		if d := cmp.Diff([]*job.Task{{UID: got.UID, Attempt: 1, NodeUID: n.UID}}, orphans); d != "" {
			t.Fatal(d)
		}
		if busy := f.node(n.UID); busy.RunningSlots != 2 || busy.State != pool.NodeRunning {
			t.Fatalf("the node is free too early: %+v", busy)
		}
		if out := f.report(ended(got, 0)); out[0] != nil {
			t.Fatalf("news of a deleted task was taken: %+v", out[0])
		}
		if free := f.node(n.UID); free.RunningSlots != 0 || free.State != pool.NodeIdle {
			t.Fatalf("%+v", free)
		}
		if c := f.counts(j); c != (job.Counts{}) {
			t.Fatalf("%+v", c)
		}
	}},
	{"taken from its node leaves an orphan", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 2)[0]
		f.tasks(f.job("j", nil), "t")
		got := f.claim(p, offer(n, 1))[0].Task
		_, err := f.db.UpdateTask(f.ctx, got.UID, by, func(t *job.Task) error { again(t, f.clock.Now()); return nil })
		f.must(err)
		second := f.claim(p, offer(n, 2))
		if len(second) != 1 || second[0].Task.Attempt != 2 || f.node(n.UID).RunningTasks != 2 {
			t.Fatal(second, f.node(n.UID))
		}
		f.report(ended(got, 0))
		if now := f.task(got.UID); now.State != job.Running || f.node(n.UID).RunningTasks != 1 {
			t.Fatalf("%+v", now)
		}
	}},
	{"memory of many", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		var tasks []*job.Task
		for i := range 777 {
			tasks = append(tasks, newTask(fmt.Sprintf("t%04d", i), 1))
		}
		f.add(j, tasks...)
		if n := len(f.taskIDs(f.db.ListTasks(f.ctx, j.UID, job.Active, "", 1000))); n != 777 {
			t.Fatal(n)
		}
	}},
}
