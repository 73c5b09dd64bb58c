package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/store"
)

// benchDB is each database with a pool of nodes and a job.
type benchDB struct {
	*store.DB
	pool  *pool.Pool
	nodes []*pool.Node
	job   *job.Job
}

func eachDB(b *testing.B, nodes, slots int, run func(b *testing.B, db *benchDB)) {
	for _, d := range []struct {
		name string
		open func(testing.TB, resource.Clock) *store.DB
	}{{"sqlite", openSQLite}, {"postgres", openPostgres}} {
		b.Run(d.name, func(b *testing.B) {
			db := &benchDB{DB: d.open(b, resource.SystemClock())}
			ctx := b.Context()
			db.pool = &pool.Pool{AccountUID: "a", State: pool.Active, Allocation: pool.Steady, Spec: pool.Spec{ID: "p"}}
			check(b, db.CreatePool(ctx, db.pool, pool.Event{}))
			for i := range nodes {
				db.nodes = append(db.nodes, &pool.Node{ID: fmt.Sprint("n", i), PoolUID: db.pool.UID, Number: i, State: pool.NodeIdle,
					Scheduling: "enabled", BootID: "b", Slots: slots, Dedicated: true})
			}
			check(b, db.AddNodes(ctx, db.nodes, pool.Event{}))
			db.job = &job.Job{AccountUID: "a", State: job.Active, Spec: job.Spec{ID: "j", PoolID: "p", MaxParallelTasks: -1}}
			check(b, db.CreateJob(ctx, db.job, pool.Event{}))
			run(b, db)
		})
	}
}

// cpu is the processor time this process has used: on a machine with
// neighbours it tells more than the time on the wall.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report gives both rates of n tasks since the timer was reset at used.
func report(b *testing.B, n int, used time.Duration) {
	b.StopTimer()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(n), "cpu-us/task")
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// hundred is a collection of tasks as clients send it, about 300 bytes each.
func hundred(n int64) []*job.Task {
	tasks := make([]*job.Task, 100)
	for i := range tasks {
		tasks[i] = &job.Task{Spec: job.TaskSpec{
			ID: fmt.Sprintf("task-%07d", n*100+int64(i)), CommandLine: "/bin/sh -c 'true && echo done'",
			Environment:  []pool.EnvironmentSetting{{Name: "INPUT", Value: "frame.pov"}, {Name: "FRAME", Value: "17"}},
			User:         pool.UserIdentity{Scope: "pool", Elevation: "nonadmin"},
			MaxWallClock: resource.MaxSpan, Retention: 7 * resource.Day, RequiredSlots: 1,
		}}
	}
	return tasks
}

// BenchmarkAddTasks is durable intake: four callers, a hundred tasks a call.
func BenchmarkAddTasks(b *testing.B) {
	eachDB(b, 0, 0, func(b *testing.B, db *benchDB) {
		var next atomic.Int64
		var wait sync.WaitGroup
		b.ResetTimer()
		used := cpu()
		for range 4 {
			wait.Go(func() {
				for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
					if _, err := db.AddTasks(context.Background(), db.job.UID, hundred(n)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wait.Wait()
		report(b, b.N*100, used)
	})
}

// BenchmarkClaimReport is the queue: each caller serves nodes of its own, claims
// for all free slots, then reports the starts and the ends.
func BenchmarkClaimReport(b *testing.B) {
	for _, shape := range []struct{ callers, slots int }{{4, 16}, {16, 1}} {
		b.Run(fmt.Sprintf("%dx%d", shape.callers, shape.slots), func(b *testing.B) {
			eachDB(b, shape.callers, shape.slots, func(b *testing.B, db *benchDB) {
				for n := range int64(b.N/100 + 1) {
					_, err := db.AddTasks(b.Context(), db.job.UID, hundred(n))
					check(b, err)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				var wait sync.WaitGroup
				b.ResetTimer()
				used := cpu()
				for _, n := range db.nodes {
					wait.Go(func() {
						for left.Load() > 0 {
							got := serve(b, db, n)
							if got == 0 {
								return
							}
							left.Add(-int64(got))
						}
					})
				}
				wait.Wait()
				report(b, b.N, used)
				check(b, db.Check(context.Background()))
			})
		})
	}
}

// serve claims what fits on a node and reports it started and ended.
func serve(b *testing.B, db *benchDB, n *pool.Node) int {
	ctx := context.Background()
	offers := []job.Offer{{NodeUID: n.UID, NodeID: n.ID, BootID: "b", Free: n.Slots, Total: n.Slots}}
	got, err := db.ClaimTasks(ctx, db.pool.UID, offers, func(_ []job.Offer, tasks []job.Candidate) (plan []job.Placement) {
		for i := range tasks {
			plan = append(plan, job.Placement{Candidate: i})
		}
		return plan
	})
	if err != nil {
		b.Error(err)
		return 0
	}
	var started, ended []job.News
	zero := 0
	for _, a := range got {
		news := job.News{TaskUID: a.Task.UID, Attempt: a.Task.Attempt, NodeUID: n.UID, At: a.Task.Start, Started: a.Task.Start}
		started = append(started, news)
		news.Ended, news.ExitCode = true, &zero
		ended = append(ended, news)
	}
	for _, news := range [][]job.News{started, ended} {
		if _, err := db.ReportTasks(ctx, news, complete); err != nil {
			b.Error(err)
		}
	}
	return len(got)
}

func complete(t *job.Task, n job.News, now resource.Ticks) {
	t.Previous, t.PreviousAt = t.State, t.StateAt
	t.State, t.StateAt, t.End, t.ExitCode, t.Result = job.Completed, now, now, n.ExitCode, job.Success
}
