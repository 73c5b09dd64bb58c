package storetest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// attempt names one attempt of one task.
type attempt struct {
	uid    string
	number int
}

// crowd is many callers at one queue. It remembers which attempts were handed
// out and which ends were heard.
type crowd struct {
	*fixture
	pool    *pool.Pool
	total   int64
	done    atomic.Int64
	mu      sync.Mutex
	claimed map[attempt]int
	heard   map[attempt]int
}

func (c *crowd) note(where map[attempt]int, t *job.Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	where[attempt{t.UID, t.Attempt}]++
}

// serve runs a node until every task is done: it claims, loses a part of what it
// claimed, and reports the rest twice, the second time as another caller would.
func (c *crowd) serve(n *pool.Node) {
	for round := 0; c.done.Load() < c.total; round++ {
		got, err := c.db.ClaimTasks(c.ctx, c.pool.UID, []job.Offer{offer(n, n.Slots)}, firstFit)
		if err != nil {
			c.Error(err)
			return
		}
		if len(got) == 0 {
			runtime.Gosched()
			continue
		}
		var news []job.News
		for _, a := range got {
			c.note(c.claimed, a.Task)
			news = append(news, ended(a.Task, a.Task.Attempt%2)) // the first attempt fails
		}
		if round%5 == 0 {
			if _, err := c.db.RequeueNode(c.ctx, n.UID, nil, again); err != nil {
				c.Error(err)
				return
			}
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { c.hear(news) })
		}
		both.Wait()
	}
}

func (c *crowd) hear(news []job.News) {
	got, err := c.db.ReportTasks(c.ctx, news, retryFailures)
	if err != nil {
		c.Error(err)
		return
	}
	for i, t := range got {
		if t != nil {
			c.note(c.heard, &job.Task{UID: t.UID, Attempt: news[i].Attempt})
			if t.State == job.Completed {
				c.done.Add(1)
			}
		}
	}
}

func retryFailures(t *job.Task, n job.News, now resource.Ticks) {
	settle(t, n, now)
	if t.Result == job.Failure {
		t.State, t.Result, t.Retries = job.Active, "", t.Retries+1
	}
}

var concurrentTests = []subtest{
	{"adding, claiming, losing and reporting", func(t *testing.T, f *fixture) {
		const adders, workers, calls, perCall = 4, 4, 8, 15
		c := &crowd{fixture: f, pool: f.pool("p"), total: adders * calls * perCall,
			claimed: map[attempt]int{}, heard: map[attempt]int{}}
		nodes := f.nodes(c.pool, workers, 6)
		jobs := []*job.Job{f.job("a", nil), f.job("b", func(j *job.Job) { j.Spec.MaxParallelTasks = 7 })}
		var wait sync.WaitGroup
		for a := range adders {
			wait.Go(func() {
				for call := range calls {
					var tasks []*job.Task
					for k := range perCall {
						tasks = append(tasks, newTask(fmt.Sprintf("%d-%d-%d", a, call, k), 1+k%3))
					}
					if _, err := f.db.AddTasks(f.ctx, jobs[call%2].UID, tasks); err != nil {
						t.Error(err)
						c.done.Store(c.total) // nobody shall wait for these
					}
				}
			})
		}
		for _, n := range nodes {
			wait.Go(func() { c.serve(n) })
		}
		wait.Wait()
		for what, counted := range map[string]map[attempt]int{"claimed": c.claimed, "heard": c.heard} {
			for a, n := range counted {
				if n != 1 {
					t.Errorf("attempt %+v was %s %d times", a, what, n)
				}
			}
		}
		sum := 0
		for _, j := range jobs {
			sum += f.counts(j).Succeeded
		}
		if sum != int(c.total) {
			t.Errorf("%d of %d tasks succeeded", sum, c.total)
		}
		run := 0
		for _, n := range nodes {
			run += f.node(n.UID).TotalRun
		}
		if run != len(c.heard) {
			t.Errorf("nodes count %d ends, %d were heard", run, len(c.heard))
		}
	}},
	{"a limit of parallel tasks with many claims", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		j := f.job("j", func(j *job.Job) { j.Spec.MaxParallelTasks = 3 })
		var tasks []*job.Task
		for i := range 30 {
			tasks = append(tasks, newTask(fmt.Sprint(i), 1))
		}
		f.add(j, tasks...)
		var wait sync.WaitGroup
		var claimed atomic.Int64
		for _, n := range f.nodes(p, 8, 4) {
			wait.Go(func() {
				got, err := f.db.ClaimTasks(f.ctx, p.UID, []job.Offer{offer(n, 4)}, firstFit)
				if err != nil {
					t.Error(err)
				}
				claimed.Add(int64(len(got)))
			})
		}
		wait.Wait()
		if claimed.Load() != 3 {
			t.Fatalf("%d run at once", claimed.Load())
		}
	}},
	{"changes of one pool are all kept", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 10 {
					_, err := f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error { p.TargetDedicated++; return nil })
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		got, err := f.db.PoolByUID(f.ctx, p.UID)
		f.must(err)
		if got.TargetDedicated != 80 || got.Rev != 81 {
			t.Fatalf("%+v", got)
		}
	}},
	{"one of many creates wins", func(t *testing.T, f *fixture) {
		var wait sync.WaitGroup
		var won atomic.Int64
		for range 8 {
			wait.Go(func() {
				if err := f.db.CreatePool(f.ctx, &pool.Pool{AccountUID: account, State: pool.Active, Spec: pool.Spec{ID: "P"}}, by); err == nil {
					won.Add(1)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Fatal(won.Load())
		}
	}},
}
