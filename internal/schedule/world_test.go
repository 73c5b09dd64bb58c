package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/provider/fake"
	"millpond/internal/resource"
	"millpond/internal/store"
)

// world is a deployment in one process: the real store and nouns, the fake
// provider, and agents that run tasks by calling a function.
type world struct {
	t       *testing.T
	dir     string
	clock   resource.Clock
	db      *store.DB
	machine *fake.World
	who     identity.Principal
	owner   pool.Owner

	mu     sync.Mutex
	agents map[string]*agent // node uid
	ran    map[string]int    // task id -> times its process ran
	// exit decides a task's exit code; held tasks end only when released.
	exit func(t *job.Task) int
	hold chan struct{}
	// before meets the provider's calls; it is set before the first.
	before func(ctx context.Context, op fake.Op, m provider.Machine) error

	*service
}

// service is one life of the server.
type service struct {
	sched    *Scheduler
	provider *fake.Provider
	pools    *pool.Pools
	jobs     *job.Jobs
	stop     func()
}

type agent struct {
	w     *world
	boot  string
	token string
	live  bool
	open  bool // its session is the present one: what is sent before is lost
	held  map[string]int
	ended map[string]int // reported and not acked
}

func newWorld(t *testing.T, change ...func(*world)) *world {
	w := &world{t: t, dir: t.TempDir(), clock: resource.SystemClock(), machine: fake.NewWorld(), agents: map[string]*agent{},
		ran: map[string]int{}, exit: func(*job.Task) int { return 0 },
		owner: pool.Owner{UID: "acct", Name: "acct", Region: "westeurope", PoolQuota: 10, DedicatedCores: 100, LowPriorityCores: 100}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(w.dir, "m.db"), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	for _, c := range change {
		c(w)
	}
	w.up()
	t.Cleanup(func() {
		w.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// up starts a server over the same store and the same machines.
func (w *world) up() {
	s := &service{}
	s.provider = fake.New(fake.Config{World: w.machine, Capabilities: provider.Capabilities{Name: "fake", Parallel: 4, OutlivesUs: true},
		OnStart: w.machineStarts, OnStop: w.machineStops,
		Before: func(ctx context.Context, op fake.Op, m provider.Machine) error {
			if w.before == nil {
				return nil
			}
			return w.before(ctx, op, m)
		}})
	s.sched = New(Config{Store: w.db, Provider: s.provider, Worker: layer.NewLocal(layer.Limits{}), Nodes: gate{w}, Trees: trees{}, Owners: w,
		Machines: noVMs{}, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Size: func(string) (int, int, bool) { return 1, 1024, true },
		Paths: Paths{Disks: filepath.Join(w.dir, "disks"), Nodes: filepath.Join(w.dir, "nodes")}})
	s.pools = &pool.Pools{Store: w.db, Nodes: w.db, Images: trees{}, Clock: w.clock, Size: s.sched.Size, Wake: s.sched.WakePool}
	s.jobs = &job.Jobs{Store: w.db, Tasks: w.db, Clock: w.clock, Wake: s.sched.WakeWork, Ending: s.sched.WakeEnds}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.sched.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		_ = s.provider.Close(true)
	})
	w.service = s
}

func (w *world) OwnerByUID(context.Context, string) (pool.Owner, error) { return w.owner, nil }

// machineStarts is a machine's agent saying hello.
func (w *world) machineStarts(m provider.Machine) {
	a := &agent{w: w, boot: m.BootID, token: m.Token, live: true, held: map[string]int{}, ended: map[string]int{}}
	w.mu.Lock()
	w.agents[m.ID] = a
	w.mu.Unlock()
	go a.hello(m.ID)
}

func (w *world) machineStops(i provider.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.agents[i.ID]; a != nil && a.boot == i.BootID {
		a.live = false
		delete(w.agents, i.ID)
	}
}

func (a *agent) hello(uid string) {
	a.w.mu.Lock()
	a.open = false
	var held []job.Held
	for task, n := range a.held {
		held = append(held, job.Held{TaskUID: task, Attempt: n})
	}
	for task, n := range a.ended {
		held = append(held, job.Held{TaskUID: task, Attempt: n, Ended: true})
	}
	sched := a.w.sched
	a.w.mu.Unlock()
	r, err := sched.Hello(context.Background(), job.Greeting{NodeUID: uid, BootID: a.boot, Token: a.token, AgentVersion: "test", Held: held})
	if err != nil || r.Refused != "" {
		return
	}
	for _, work := range r.Resend {
		a.run(work)
	}
	a.w.mu.Lock()
	a.open = true
	a.w.mu.Unlock()
	if r.Start != nil {
		a.start(uid, *r.Start)
	}
	sched.Ready(uid)
}

func (a *agent) run(work job.Assignment) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.held[work.Task.UID] == work.Task.Attempt || a.ended[work.Task.UID] == work.Task.Attempt {
		return // agents know what they hold
	}
	a.held[work.Task.UID] = work.Task.Attempt
	task, hold := work.Task, a.w.hold
	go func() {
		if hold != nil {
			<-hold
		}
		a.end(task, a.w.exit(task))
	}()
}

// end reports the end of an attempt, unless the machine is gone by then.
func (a *agent) end(t *job.Task, code int) {
	a.w.mu.Lock()
	if !a.live || a.held[t.UID] != t.Attempt {
		a.w.mu.Unlock()
		return
	}
	delete(a.held, t.UID)
	a.ended[t.UID] = t.Attempt
	a.w.ran[t.Spec.ID]++
	sched := a.w.sched
	a.w.mu.Unlock()
	now := a.w.clock.Now()
	err := sched.News(context.Background(), t.NodeUID, a.boot, []job.News{{TaskUID: t.UID, Attempt: t.Attempt, NodeUID: t.NodeUID, Ended: true, At: now, Started: now, ExitCode: &code}}, nil)
	if err != nil {
		a.w.t.Error(err)
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	delete(a.ended, t.UID)
}

func (a *agent) start(uid string, order job.StartOrder) {
	code := 0
	if order.Task.CommandLine == "false" {
		code = 1
	}
	now := a.w.clock.Now()
	go func() {
		_ = a.w.sched.News(context.Background(), uid, a.boot, nil, []pool.StartNews{{Attempt: order.Attempt, Ended: true, At: now, Started: now, ExitCode: &code}})
	}()
}

// gate is the far end of schedule.Nodes.
type gate struct{ w *world }

var errNoSession = errors.New("no session")

func (g gate) agent(uid string) (*agent, error) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if a := g.w.agents[uid]; a != nil {
		return a, nil
	}
	return nil, errNoSession
}

func (g gate) Assign(uid string, work []job.Assignment) error {
	a, err := g.agent(uid)
	if err != nil {
		return err
	}
	g.w.mu.Lock()
	open := a.open
	g.w.mu.Unlock()
	if !open {
		return nil // into a session that is over
	}
	for _, one := range work {
		a.run(one)
	}
	return nil
}

func (g gate) Start(uid string, order job.StartOrder) error {
	a, err := g.agent(uid)
	if err == nil {
		a.start(uid, order)
	}
	return err
}

func (g gate) Cancel(uid, task string, attempt int, _ string) error {
	a, err := g.agent(uid)
	if err != nil {
		return err
	}
	go a.end(&job.Task{UID: task, Attempt: attempt, NodeUID: uid, Spec: job.TaskSpec{ID: "cancelled"}}, 137)
	return nil
}

func (g gate) Drop(string) {}

type trees struct{}

func (trees) TreeFor(_ context.Context, image pool.Image, _ int) (layer.Tree, error) {
	if image.Catalogue == "none" {
		return layer.Tree{}, fault.New("ImageUnavailable", "no such image here")
	}
	return layer.Tree{Root: "/", Dirs: []string{"usr"}}, nil
}

func (trees) ImageFor(_ context.Context, _ identity.Principal, _ pool.Owner, ref pool.ImageReference, _ string) (pool.Image, error) {
	return pool.Image{Catalogue: ref.Publisher}, nil
}

type noVMs struct{}

func (noVMs) Hello(context.Context, job.Greeting) (job.Reception, bool, error) {
	return job.Reception{}, false, nil
}
func (noVMs) SSHAt(context.Context, string, string, int) error { return nil }
func (noVMs) Exited(context.Context, string, string)           {}
func (noVMs) Known(context.Context) (map[string]bool, error)   { return nil, nil }

// eventually polls what clients would poll, until it holds.
func (w *world) eventually(what string, holds func() (bool, string)) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		ok, got := holds()
		if ok {
			return
		}
		select {
		case <-late:
			w.t.Fatalf("%s: %s", what, got)
		case <-tick.C:
		}
	}
}

func (w *world) addPool(id string, nodes, slots int, change func(*pool.Spec)) *pool.Pool {
	w.t.Helper()
	spec := pool.Spec{ID: id, VMSize: "standard_d2_v3", NodeAgentSKU: "batch.node.debian 12", TaskSlotsPerNode: slots,
		ImageReference: pool.ImageReference{Publisher: "debian", Offer: "o", SKU: "s"}}
	if change != nil {
		change(&spec)
	}
	p, err := w.pools.Create(w.t.Context(), w.who, w.owner, spec, pool.Targets{Dedicated: &nodes})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) nodesIn(p *pool.Pool, count int, state string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d nodes %s", count, state), func() (bool, string) {
		nodes, err := w.db.NodesOfPool(w.t.Context(), p.UID)
		got, n := fmt.Sprint(err, ": "), 0
		for _, x := range nodes {
			got += x.State + " "
			if x.State == state {
				n++
			}
		}
		return n == count && len(nodes) == count, got
	})
}

func (w *world) addJob(id, poolID string, tasks int, change func(*job.TaskSpec)) *job.Job {
	w.t.Helper()
	j, err := w.jobs.Create(w.t.Context(), w.who, job.Quota{AccountUID: "acct", LiveJobs: 100}, job.Spec{ID: id, PoolID: poolID})
	if err != nil {
		w.t.Fatal(err)
	}
	var specs []job.NewTask
	for i := range tasks {
		s := job.TaskSpec{ID: fmt.Sprintf("%s-%03d", id, i), CommandLine: "true"}
		if change != nil {
			change(&s)
		}
		specs = append(specs, job.NewTask{Spec: s, RetriesGiven: true})
	}
	if tasks > 0 {
		if _, errs, err := w.jobs.Add(w.t.Context(), "acct", id, specs); err != nil || errors.Join(errs...) != nil {
			w.t.Fatal(err, errs)
		}
	}
	return j
}

func (w *world) counts(j *job.Job, want job.Counts) {
	w.t.Helper()
	w.eventually("task counts", func() (bool, string) {
		got, err := w.db.JobByUID(w.t.Context(), j.UID)
		if err != nil {
			return false, err.Error()
		}
		c := got.Counts
		return c.Active == want.Active && c.Running == want.Running && c.Succeeded == want.Succeeded && c.Failed == want.Failed, fmt.Sprintf("%+v", c)
	})
}
