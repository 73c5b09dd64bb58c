package schedule

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/pool"
)

// poolPass brings one pool nearer to its targets: it adds and removes node
// rows as pool.Next decides, wakes their machines' work, and settles the
// allocation.
func (s *Scheduler) poolPass(ctx context.Context, uid string) error {
	p, err := s.Store.PoolByUID(ctx, uid)
	if err != nil {
		return ignorePoolGone(err)
	}
	nodes, err := s.Store.NodesOfPool(ctx, uid)
	if err != nil {
		return err
	}
	room, err := s.room(ctx, p)
	if err != nil {
		return err
	}
	plan := pool.Next(p, nodes, room, s.Clock.Now())
	if plan.Gone {
		return s.Store.RemovePool(ctx, uid)
	}
	for _, node := range plan.Remove {
		if err := s.leave(ctx, node, p.Deallocation); err != nil {
			return err
		}
	}
	if len(plan.Create) > 0 {
		// The image is made ready before a row promises a node: what cannot be
		// had ends as a resize error, where clients look for it.
		if _, err := s.Trees.TreeFor(ctx, p.Image, 0); err != nil {
			if passing(ctx, err) && s.Clock.Now() < p.ResizeStarted.Add(p.ResizeTimeout) {
				return err // tried again
			}
			s.Log.Warn("image of pool", "pool", p.Spec.ID, "error", err)
			plan.Create, plan.Settled = nil, true
			plan.Errors = append(plan.Errors, imageError(err))
		} else if fresh, err := s.Store.PoolByUID(ctx, uid); err != nil || fresh.Rev != p.Rev {
			// Making an image takes a while, and the pool was stopped, resized or
			// deleted meanwhile: the plan is made anew.
			s.pools.wake(uid)
			return ignorePoolGone(err)
		} else if err := s.addNodes(ctx, p, plan.Create); err != nil {
			if fault.Is(err, "PoolBeingDeleted") {
				return nil // whose request has woken us again
			}
			return err
		}
	}
	if plan.Settled {
		if err := s.settle(ctx, p, plan.Errors); err != nil {
			return err
		}
	}
	if p.Allocation == pool.Resizing && p.State == pool.Active && !plan.Settled {
		s.poolsDue.set(s.Clock, p.ResizeStarted.Add(p.ResizeTimeout), func() { s.sweepPools(context.WithoutCancel(ctx)) })
	}
	nodes, err = s.Store.NodesOfPool(ctx, uid)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if hasWork(n) {
			s.nodes.wake(n.UID)
		}
	}
	return nil
}

// room is how much the account's quota and the provider leave for the pool.
func (s *Scheduler) room(ctx context.Context, p *pool.Pool) (pool.Capacity, error) {
	owner, err := s.Owners.OwnerByUID(ctx, p.AccountUID)
	if err != nil {
		return pool.Capacity{}, err
	}
	cores, _, _ := s.Size(p.Spec.VMSize)
	room := pool.Capacity{CoresPerNode: cores, DedicatedCores: owner.DedicatedCores,
		LowPriorityCores: owner.LowPriorityCores, Machines: -1}
	if p.Allocation == pool.Steady || p.State == pool.Deleting {
		return room, nil // nothing will be made
	}
	all, err := s.Store.AllNodes(ctx)
	if err != nil {
		return room, err
	}
	for _, n := range all {
		if n.AccountUID != p.AccountUID || n.PoolUID == p.UID {
			continue
		}
		c, _, _ := s.Size(n.VMSize)
		if n.Dedicated {
			room.DedicatedCores -= c
		} else {
			room.LowPriorityCores -= c
		}
	}
	if most := s.Provider.Capabilities().MaxMachines; most > 0 {
		room.Machines = max(most-len(all), 0)
	}
	return room, nil
}

func (s *Scheduler) addNodes(ctx context.Context, p *pool.Pool, create []pool.NewNode) error {
	now := s.Clock.Now()
	nodes := make([]*pool.Node, len(create))
	for i, c := range create {
		nodes[i] = &pool.Node{
			ID: pool.NewNodeID(c.Dedicated), PoolUID: p.UID, AccountUID: p.AccountUID, Number: c.Number,
			State: pool.NodeCreating, StateAt: now, Scheduling: "enabled", Dedicated: c.Dedicated,
			Allocated: now, VMSize: p.Spec.VMSize, IP: pool.Address(p.UID, c.Number), Slots: p.Spec.TaskSlotsPerNode,
		}
	}
	return s.Store.AddNodes(ctx, nodes, system("Allocate"))
}

// settle ends the allocation, unless a user's write came between: then the
// next pass decides anew.
func (s *Scheduler) settle(ctx context.Context, was *pool.Pool, errs []pool.ResizeError) error {
	now := s.Clock.Now()
	_, err := s.Store.UpdatePool(ctx, was.UID, system("Steady"), func(p *pool.Pool) error {
		if p.Modified != was.Modified || p.Allocation != was.Allocation || p.Allocation == pool.Steady {
			return nil
		}
		p.Allocation, p.AllocationAt = pool.Steady, now
		p.ResizeErrors = errs
		return nil
	})
	if err == nil {
		s.pools.wake(was.UID)
	}
	return err
}

// leave marks a node to go; tasks no longer come to it from this moment.
func (s *Scheduler) leave(ctx context.Context, nodeUID, option string) error {
	s.fleet.setUsable(nodeUID, false)
	_, err := s.Store.UpdateNode(ctx, nodeUID, system("Leave"), func(n *pool.Node) error {
		n.Wish, n.WishOption = pool.WishRemove, option
		return nil
	})
	if fault.Is(err, "NodeNotFound") {
		return nil
	}
	return err
}

// passing reports whether an error may be gone at the next try: what a noun
// refuses is a fault and stays; what a machine's host or a disk did is not.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fault.CodeOf(err) == ""
}

func imageError(err error) pool.ResizeError {
	return pool.ResizeError{Code: "AllocationFailed",
		Message: "Desired number of dedicated nodes could not be allocated",
		Values:  [][2]string{{"Reason", reason("The image of the pool could not be made ready", err)}}}
}

// reason is the part of an error that a client may read; what says what failed
// where the error is no noun's.
func reason(what string, err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Message != "" {
		return f.Message
	}
	return what + ": " + err.Error()
}

func ignorePoolGone(err error) error {
	if fault.Is(err, "PoolNotFound") {
		return nil
	}
	return err
}
