package schedule

import (
	"context"
	"log/slog"
	"time"

	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/resource"
)

// Nodes is the way to running agents; web/nodeapi satisfies it. A call to a
// node without a session fails: what it missed is told at its next hello.
type Nodes interface {
	Assign(nodeUID string, work []job.Assignment) error
	Start(nodeUID string, order job.StartOrder) error
	Cancel(nodeUID, taskUID string, attempt int, reason string) error
	// Drop ends the session and closes the node's SSH port.
	Drop(nodeUID string)
}

// Store is what the loops keep and read.
type Store interface {
	pool.PoolStore
	pool.NodeStore
	job.JobStore
	job.TaskStore
	PruneEvents(ctx context.Context, before resource.Ticks) (int64, error)
}

// Trees gives the read-only root a node boots from: nodes are spread over the
// healthy replicas of their region by number.
type Trees interface {
	TreeFor(ctx context.Context, image pool.Image, nodeNumber int) (layer.Tree, error)
}

// Owners tells what the loops need of Batch accounts and sizes.
type Owners interface {
	OwnerByUID(ctx context.Context, accountUID string) (pool.Owner, error)
}

// Machines are the virtual machines, which share the provider and the hello.
type Machines interface {
	// Hello answers for a machine uid that is no node; known is false if it is
	// no virtual machine either.
	Hello(ctx context.Context, g job.Greeting) (r job.Reception, known bool, err error)
	SSHAt(ctx context.Context, uid, host string, port int) error
	// Exited tells that the machine of a virtual machine ended by itself.
	Exited(ctx context.Context, uid, bootID string)
	// Known gives the uids the provider may be running for virtual machines.
	Known(ctx context.Context) (map[string]bool, error)
}

// Paths says where a node's folders lie.
type Paths struct {
	Disks string // disks/UID
	Nodes string // nodes/UID
}

// Config is what New wires together.
type Config struct {
	Store    Store
	Provider provider.Provider
	Worker   layer.Worker
	Nodes    Nodes
	Trees    Trees
	Owners   Owners
	Machines Machines
	Clock    resource.Clock
	Size     func(vmSize string) (cores, memoryMiB int, ok bool)
	Paths    Paths
	Log      *slog.Logger
}

// Scheduler is the running loops.
type Scheduler struct {
	Config
	fleet *fleet
	slots chan struct{} // bounds machine work under way at once

	exits     exits         // not yet dealt with
	recovered chan struct{} // closed when rows and machines agree after the start

	pools *keyed // key: pool uid
	nodes *keyed // key: node uid
	queue *keyed // key: pool uid
	ends  *keyed // key: "", jobs and tasks that end

	jobsDue  alarm // a job's wall clock
	poolsDue alarm // a pool's resize timeout
	stop     context.CancelFunc
}

// SweepEvery is how often everything is looked at without an event.
const SweepEvery = 30 * time.Second

// New makes the loops; nothing runs before Run.
func New(c Config) *Scheduler {
	parallel := c.Provider.Capabilities().Parallel
	s := &Scheduler{Config: c, fleet: newFleet(), slots: make(chan struct{}, max(parallel, 1)), recovered: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.pools = newKeyed(ctx, "pools", c.Log, s.poolPass)
	s.nodes = newKeyed(ctx, "nodes", c.Log, s.nodePass)
	s.queue = newKeyed(ctx, "queue", c.Log, s.queuePass)
	s.ends = newKeyed(ctx, "ends", c.Log, func(ctx context.Context, _ string) error { return s.endPass(ctx) })
	return s
}

// Run brings rows and machines together again after a restart, then sweeps
// until ctx ends. It returns when no pass runs any more.
func (s *Scheduler) Run(ctx context.Context) error {
	defer func() {
		s.stop()
		for _, k := range []*keyed{s.pools, s.nodes, s.queue, s.ends} {
			k.wait()
		}
	}()
	for {
		err := s.recover(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		s.Log.Warn("recovery", "error", err) // such as a node host that was just killed
		select {
		case <-ctx.Done():
			return nil
		case <-s.Clock.After(retryAfter):
		}
	}
	close(s.recovered)
	s.sweep(ctx)
	sweep := s.Clock.After(SweepEvery)
	exits := s.Provider.Exits()
	for {
		select {
		case <-ctx.Done():
			return nil
		case gone, open := <-exits:
			if !open {
				exits = nil
				continue
			}
			s.exits.put(gone)
			s.nodes.wake(gone.ID)
		case <-sweep:
			s.sweep(ctx)
			sweep = s.Clock.After(SweepEvery)
		}
	}
}

// Recovered is closed once rows and machines agree after a restart: before, a
// row may say idle of a machine that ended with the server.
func (s *Scheduler) Recovered() <-chan struct{} { return s.recovered }

// keepEvents is how long the log of changes is kept.
const keepEvents = 30 * resource.Day

// sweep wakes every loop that has something open.
func (s *Scheduler) sweep(ctx context.Context) {
	if _, err := s.Store.PruneEvents(ctx, s.Clock.Now().Add(-keepEvents)); err != nil && ctx.Err() == nil {
		s.Log.Warn("prune events", "error", err)
	}
	s.sweepPools(ctx)
	nodes, err := s.Store.AllNodes(ctx)
	s.sweepFailed(ctx, err)
	for _, n := range nodes {
		if hasWork(n) {
			s.nodes.wake(n.UID)
		}
	}
	work, err := s.Store.PoolsWithWork(ctx)
	s.sweepFailed(ctx, err)
	for _, uid := range work {
		s.queue.wake(uid)
	}
	s.ends.wake("")
}

func (s *Scheduler) sweepPools(ctx context.Context) {
	pools, err := s.Store.UnsettledPools(ctx)
	s.sweepFailed(ctx, err)
	for _, p := range pools {
		s.pools.wake(p.UID)
	}
}

func (s *Scheduler) sweepFailed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("sweep", "error", err)
	}
}

// WakePool tells that a pool or its nodes changed (pool.Pools.Wake).
func (s *Scheduler) WakePool(uid string) { s.pools.wake(uid) }

// WakeWork tells that tasks wait for the account's pool (job.Jobs.Wake).
func (s *Scheduler) WakeWork(accountUID, poolID string) {
	if uid, ok := s.fleet.poolUID(accountUID, poolID); ok {
		s.queue.wake(uid)
	}
}

// WakeEnds tells that a job or a task shall end (job.Jobs.Ending).
func (s *Scheduler) WakeEnds() { s.ends.wake("") }

func system(cause string) pool.Event { return pool.Event{Actor: "service", Cause: cause} }
