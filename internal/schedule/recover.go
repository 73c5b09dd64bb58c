package schedule

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/provider"
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
			s.machineGone(ctx, provider.Instance{ID: n.UID, BootID: n.BootID})
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

// maxLosses is how many starts in a row may fail or end before their hello until the
// node is given up as unusable: an image that cannot boot must not be tried for
// ever.
const maxLosses = 5

// machineGone hears that a machine ended by itself. Its tasks wait again, and
// the node starts anew on its disk.
func (s *Scheduler) machineGone(ctx context.Context, gone provider.Instance) {
	lost, rule := false, job.Lost
	n, err := s.Store.UpdateNode(ctx, gone.ID, system("MachineLost"), func(n *pool.Node) error {
		lost = false
		if n.BootID != gone.BootID || n.State == pool.NodeUnusable {
			return nil
		}
		if err := n.Move(pool.MachineLost, s.Clock.Now()); err != nil {
			return err
		}
		lost = true
		rule = ruleFor(n)
		if n.HelloBoot != gone.BootID {
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
		return
	}
	if err != nil || !lost {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("machine lost", "machine", gone.ID, "error", err)
		}
		return
	}
	s.fleet.drop(gone.ID)
	s.Nodes.Drop(gone.ID)
	if err := s.requeue(ctx, gone.ID, nil, rule); err != nil && ctx.Err() == nil {
		s.Log.Warn("requeue of a lost node", "node", n.ID, "error", err)
	}
	s.nodes.wake(gone.ID)
}
