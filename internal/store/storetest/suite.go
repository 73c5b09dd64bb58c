package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/store"
)

// DB is what the suite tests.
type DB interface {
	resource.Store
	identity.Store
	pool.PoolStore
	pool.NodeStore
	job.JobStore
	job.TaskStore
	Events(ctx context.Context, after int64, limit int) ([]store.Event, error)
	PruneEvents(ctx context.Context, before resource.Ticks) (int64, error)
	Check(ctx context.Context) error
}

// Open gives a fresh, empty database that is closed when t ends.
type Open func(t *testing.T, clock resource.Clock) DB

type subtest struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// Run runs every promise against databases from open.
func Run(t *testing.T, open Open) {
	nouns := []struct {
		name     string
		subtests []subtest
	}{
		{"resource", resourceTests},
		{"operation", operationTests},
		{"identity", identityTests},
		{"assignment", assignmentTests},
		{"pool", poolTests},
		{"node", nodeTests},
		{"job", jobTests},
		{"task", taskTests},
		{"claim", claimTests},
		{"report", reportTests},
		{"requeue", requeueTests},
		{"event", eventTests},
		{"concurrent", concurrentTests},
		{"model", modelTests},
	}
	for _, noun := range nouns {
		t.Run(noun.name, func(t *testing.T) {
			for _, s := range noun.subtests {
				t.Run(s.name, func(t *testing.T) {
					clock := &Clock{now: start}
					f := &fixture{T: t, ctx: t.Context(), clock: clock, db: open(t, clock)}
					s.run(t, f)
					if err := f.db.Check(context.WithoutCancel(f.ctx)); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

var start = resource.TicksOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// Clock stands still until it is set.
type Clock struct {
	mu  sync.Mutex
	now resource.Ticks
}

// Now satisfies resource.Clock.
func (c *Clock) Now() resource.Ticks {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock, back too.
func (c *Clock) Set(now resource.Ticks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// After satisfies resource.Clock; nothing in the store waits.
func (c *Clock) After(time.Duration) <-chan time.Time { return nil }

// fixture is a database with short words to fill it.
type fixture struct {
	*testing.T
	ctx   context.Context
	clock *Clock
	db    DB
}

var by = pool.Event{Actor: "app:test", Cause: "test"}

const account = "account-1"

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// mustCode checks that err carries code.
func (f *fixture) mustCode(err error, code string) {
	f.Helper()
	if !fault.Is(err, code) {
		f.Fatalf("got error %v, want %s", err, code)
	}
}

func (f *fixture) pool(id string) *pool.Pool {
	f.Helper()
	p := &pool.Pool{AccountUID: account, State: pool.Active, Allocation: pool.Steady, Spec: pool.Spec{ID: id}}
	f.must(f.db.CreatePool(f.ctx, p, by))
	return p
}

// nodes adds n idle nodes with some slots each.
func (f *fixture) nodes(p *pool.Pool, n, slots int) []*pool.Node {
	f.Helper()
	var nodes []*pool.Node
	for i := range n {
		nodes = append(nodes, &pool.Node{
			ID: fmt.Sprintf("tvmps_%03d_d", i), PoolUID: p.UID, AccountUID: p.AccountUID, Number: i,
			State: pool.NodeIdle, Scheduling: "enabled", Dedicated: true, Slots: slots, BootID: "boot-1",
		})
	}
	f.must(f.db.AddNodes(f.ctx, nodes, by))
	return nodes
}

func (f *fixture) job(id string, change func(*job.Job)) *job.Job {
	f.Helper()
	j := &job.Job{AccountUID: account, State: job.Active, Spec: job.Spec{ID: id, PoolID: "p", MaxParallelTasks: -1}}
	if change != nil {
		change(j)
	}
	f.must(f.db.CreateJob(f.ctx, j, by))
	return j
}

func newTask(id string, slots int) *job.Task {
	return &job.Task{Spec: job.TaskSpec{ID: id, CommandLine: "true", RequiredSlots: slots}}
}

// tasks adds tasks of one slot; all must be new.
func (f *fixture) tasks(j *job.Job, ids ...string) []*job.Task {
	f.Helper()
	var tasks []*job.Task
	for _, id := range ids {
		tasks = append(tasks, newTask(id, 1))
	}
	f.add(j, tasks...)
	return tasks
}

func (f *fixture) add(j *job.Job, tasks ...*job.Task) {
	f.Helper()
	results, err := f.db.AddTasks(f.ctx, j.UID, tasks)
	f.must(err)
	for _, err := range results {
		f.must(err)
	}
}

func offer(n *pool.Node, free int) job.Offer {
	return job.Offer{NodeUID: n.UID, NodeID: n.ID, BootID: n.BootID, Free: free, Total: n.Slots}
}

// firstFit gives each task to the first node with room.
func firstFit(offers []job.Offer, tasks []job.Candidate) []job.Placement {
	var plan []job.Placement
	free := make([]int, len(offers))
	for i, o := range offers {
		free[i] = o.Free
	}
	for c, task := range tasks {
		slots := max(1, task.Task.Spec.RequiredSlots)
		for o := range offers {
			if free[o] >= slots {
				free[o] -= slots
				plan = append(plan, job.Placement{Candidate: c, Offer: o})
				break
			}
		}
	}
	return plan
}

func (f *fixture) claim(p *pool.Pool, offers ...job.Offer) []job.Assignment {
	f.Helper()
	got, err := f.db.ClaimTasks(f.ctx, p.UID, offers, firstFit)
	f.must(err)
	return got
}

func ids(assigned []job.Assignment) []string {
	var out []string
	for _, a := range assigned {
		out = append(out, a.Task.Spec.ID)
	}
	return out
}

// ended is the news that a task's current attempt ended with code.
func ended(t *job.Task, code int) job.News {
	return job.News{TaskUID: t.UID, Attempt: t.Attempt, NodeUID: t.NodeUID, Ended: true, At: start + 100, ExitCode: &code}
}

// settle completes a task, as the rule does without retries.
func settle(t *job.Task, n job.News, now resource.Ticks) {
	t.Previous, t.PreviousAt = t.State, t.StateAt
	t.State, t.StateAt, t.End, t.ExitCode, t.Failure = job.Completed, now, now, n.ExitCode, n.Failure
	t.Result = job.Failure
	if n.ExitCode != nil && *n.ExitCode == 0 {
		t.Result = job.Success
	}
}

// again puts a task back into the queue.
func again(t *job.Task, now resource.Ticks) {
	t.State, t.StateAt, t.NodeUID, t.NodeID = job.Active, now, "", ""
	t.Requeues++
	t.LastRequeue = now
}

func (f *fixture) report(news ...job.News) []*job.Task {
	f.Helper()
	got, err := f.db.ReportTasks(f.ctx, news, settle)
	f.must(err)
	return got
}

func (f *fixture) node(uid string) *pool.Node {
	f.Helper()
	n, err := f.db.NodeByUID(f.ctx, uid)
	f.must(err)
	return n
}

func (f *fixture) task(uid string) *job.Task {
	f.Helper()
	t, err := f.db.TaskByUID(f.ctx, uid)
	f.must(err)
	return t
}

func (f *fixture) counts(j *job.Job) job.Counts {
	f.Helper()
	got, err := f.db.JobByUID(f.ctx, j.UID)
	f.must(err)
	return got.Counts
}
