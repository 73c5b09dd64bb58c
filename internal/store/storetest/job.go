package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

func (f *fixture) jobIDs(jobs []*job.Job, err error) []string {
	f.Helper()
	f.must(err)
	ids := []string{}
	for _, j := range jobs {
		ids = append(ids, j.Spec.ID)
	}
	return ids
}

func (f *fixture) jobState(j *job.Job, state string) {
	f.Helper()
	_, err := f.db.UpdateJob(f.ctx, j.UID, by, func(j *job.Job) error { j.State = state; return nil })
	f.must(err)
}

var jobTests = []subtest{
	{"is read as written", func(t *testing.T, f *fixture) {
		want := &job.Job{AccountUID: account, State: job.Active, Spec: job.Spec{ID: "MyJob", PoolID: "Pool", Priority: -5,
			MaxParallelTasks: 3, MaxWallClock: 7, OnAllTasksComplete: "noaction", EmptyEnvironment: true,
			Environment: []pool.EnvironmentSetting{{Name: "a", Value: "b"}}}}
		f.must(f.db.CreateJob(f.ctx, want, by))
		if want.UID == "" || want.Rev != 1 || want.Created != start {
			t.Fatalf("not filled: %+v", want)
		}
		got, err := f.db.GetJob(f.ctx, account, "MYJOB")
		f.must(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}},
	{"exists once in its account", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		again := func() error {
			return f.db.CreateJob(f.ctx, &job.Job{AccountUID: account, State: job.Active, Spec: job.Spec{ID: "J"}}, by)
		}
		f.mustCode(again(), "JobExists")
		f.jobState(j, job.Deleting)
		f.mustCode(again(), "JobBeingDeleted")
		f.must(f.db.RemoveJob(f.ctx, j.UID))
		f.must(again())
	}},
	{"missing", func(t *testing.T, f *fixture) {
		_, err := f.db.GetJob(f.ctx, account, "j")
		f.mustCode(err, "JobNotFound")
		_, err = f.db.JobByUID(f.ctx, "j")
		f.mustCode(err, "JobNotFound")
		_, err = f.db.UpdateJob(f.ctx, "j", by, func(*job.Job) error { return nil })
		f.mustCode(err, "JobNotFound")
		f.mustCode(f.db.RemoveJob(f.ctx, "j"), "JobNotFound")
		_, err = f.db.EndJobTasks(f.ctx, "j", job.EndByJob)
		f.mustCode(err, "JobNotFound")
	}},
	{"is listed in pages and counted", func(t *testing.T, f *fixture) {
		for _, id := range []string{"B", "a", "c_1", "C-1"} {
			f.job(id, nil)
		}
		if d := cmp.Diff([]string{"B", "C-1"}, f.jobIDs(f.db.ListJobs(f.ctx, account, "A", 2))); d != "" {
			t.Fatal(d)
		}
		done, err := f.db.GetJob(f.ctx, account, "a")
		f.must(err)
		f.jobState(done, job.Completed)
		n, err := f.db.CountLiveJobs(f.ctx, account)
		f.must(err)
		if n != 3 {
			t.Fatal(n)
		}
	}},
	{"is unsettled while it moves or may end by itself", func(t *testing.T, f *fixture) {
		f.job("plain", func(j *job.Job) { j.Spec.MaxWallClock = resource.MaxSpan })
		f.job("limited", func(j *job.Job) { j.Spec.MaxWallClock = resource.Hour })
		f.job("auto", func(j *job.Job) { j.Spec.OnAllTasksComplete = "terminatejob" })
		for _, state := range []string{job.Disabling, job.Disabled, job.Enabling, job.Terminating, job.Completed, job.Deleting} {
			f.jobState(f.job(state, nil), state)
		}
		want := []string{"limited", "auto", job.Disabling, job.Enabling, job.Terminating, job.Deleting}
		if d := cmp.Diff(want, f.jobIDs(f.db.UnsettledJobs(f.ctx))); d != "" {
			t.Fatal(d)
		}
	}},
	{"a change keeps the counts", func(t *testing.T, f *fixture) {
		j := f.job("j", nil)
		f.tasks(j, "a", "b")
		got, err := f.db.UpdateJob(f.ctx, j.UID, by, func(j *job.Job) error {
			j.Spec.Priority = 3
			j.Counts = job.Counts{}
			j.Modified = f.clock.Now() - 3
			return nil
		})
		f.must(err)
		if got.Counts != (job.Counts{Active: 2, ActiveSlots: 2}) || got.Modified != start+1 {
			t.Fatalf("%+v", got)
		}
	}},
	{"is removed with its tasks, not while one runs", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 1)[0]
		j, other := f.job("j", nil), f.job("other", nil)
		var tasks []*job.Task
		for i := range 4500 { // more than two chunks
			tasks = append(tasks, newTask(fmt.Sprint(i), 1+i%3))
		}
		f.add(j, tasks...)
		f.tasks(other, "kept")
		first := f.claim(p, offer(n, 1))
		f.mustCode(f.db.RemoveJob(f.ctx, j.UID), "JobBeingTerminated")
		f.report(ended(first[0].Task, 0))
		f.must(f.db.RemoveJob(f.ctx, j.UID))
		_, err := f.db.TaskByUID(f.ctx, tasks[4000].UID)
		f.mustCode(err, "TaskNotFound")
		if c := f.counts(other); c.Active != 1 {
			t.Fatalf("%+v", c)
		}
	}},
}
