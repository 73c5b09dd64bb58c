package schedule

import (
	"context"
	"sync"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/resource"
)

// recover brings rows and machines together after a restart of the server:
// machines nobody knows are destroyed, rows whose machine is gone start again.
// Nodes that run go on; their agents say hello by themselves.
func (s *Scheduler) recover(ctx context.Context) error {
	running, err := s.Provider.List(ctx)
	if err != nil {
		return err
	}
	nodes, err := s.Store.AllNodes(ctx)
	if err != nil {
		return err
	}
	known, err := s.Machines.Known(ctx)
	if err != nil {
		return err
	}
	boots := map[string]string{}
	for _, m := range running {
		boots[m.ID] = m.BootID
	}
	rows := map[string]bool{}
	for _, n := range nodes {
		rows[n.UID] = true
		if boot, up := boots[n.UID]; n.BootID != "" && (!up || boot != n.BootID) {
			if err := s.machineGone(ctx, provider.Instance{ID: n.UID, BootID: n.BootID, Lost: true}); err != nil {
				return err
			}
		}
		s.nodes.wake(n.UID)
		s.pools.wake(n.PoolUID)
	}
	for _, m := range running {
		if rows[m.ID] || known[m.ID] {
			continue
		}
		s.Log.Info("destroying a machine no row knows", "machine", m.ID)
		if err := s.Provider.Destroy(ctx, m.ID); err != nil {
			return err
		}
	}
	return nil
}

// maxLosses is how many starts in a row may fail, or end before their agent has
// been there for minLife, until the node is given up as unusable: an image that
// cannot boot, or an agent that cannot work in it, must not be tried for ever.
const (
	maxLosses = 5
	minLife   = resource.Second
)

// exits are the machines whose end was told and is not in the rows yet. A node's
// own pass deals with them, so that no other boot of it begins meanwhile.
type exits struct {
	mu   sync.Mutex
	byID map[string][]provider.Instance
}

func (e *exits) put(gone provider.Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID == nil {
		e.byID = map[string][]provider.Instance{}
	}
	e.byID[gone.ID] = append(e.byID[gone.ID], gone)
}

func (e *exits) first(id string) (provider.Instance, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if list := e.byID[id]; len(list) > 0 {
		return list[0], true
	}
	return provider.Instance{}, false
}

func (e *exits) done(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID[id] = e.byID[id][1:]; len(e.byID[id]) == 0 {
		delete(e.byID, id)
	}
}

// hearExits deals with the ends of a machine that were told.
func (s *Scheduler) hearExits(ctx context.Context, id string) error {
	for {
		gone, ok := s.exits.first(id)
		if !ok {
			return nil
		}
		if err := s.machineGone(ctx, gone); err != nil {
			return err
		}
		s.exits.done(id)
	}
}

// machineGone hears that a machine ended by itself or was lost. Its tasks wait
// again; the rest of the node's pass starts it anew on its disk. It may hear of
// one end twice.
func (s *Scheduler) machineGone(ctx context.Context, gone provider.Instance) error {
	n, err := s.Store.UpdateNode(ctx, gone.ID, system("MachineLost"), func(n *pool.Node) error {
		if n.BootID != gone.BootID || n.State == pool.NodeUnusable {
			return nil
		}
		if err := n.Move(pool.MachineLost, s.Clock.Now()); err != nil {
			return err
		}
		switch now := s.Clock.Now(); {
		case n.HelloBoot == gone.BootID && now >= n.LastBoot.Add(minLife):
			n.Losses = 0
		case !gone.Lost:
			n.Losses++
		}
		if n.Losses >= maxLosses && n.State == pool.NodeStarting {
			n.Booted()
			n.State, n.Errors = pool.NodeUnusable, []pool.NodeError{{Code: "NodeStartFailed",
				Message: "The machine ended again and again before its agent was heard of"}}
		}
		n.BootID, n.HelloBoot = "", ""
		return nil
	})
	if fault.Is(err, "NodeNotFound") {
		s.Machines.Exited(ctx, gone.ID, gone.BootID)
		return nil
	}
	if err != nil || n.BootID != "" {
		return err // another boot has begun since
	}
	s.fleet.drop(gone.ID)
	s.Nodes.Drop(gone.ID)
	// A crash here is healed by the next boot's hello, which gives back what it
	// does not hold.
	return s.requeue(ctx, gone.ID, nil, ruleFor(n))
}
