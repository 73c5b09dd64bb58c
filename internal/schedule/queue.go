package schedule

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/job"
)

// queuePass gives the pool's free slots to waiting tasks until one of them
// runs out. What is claimed and cannot be sent is sent again at the node's
// next hello.
func (s *Scheduler) queuePass(ctx context.Context, poolUID string) error {
	for {
		if more, err := s.claim(ctx, poolUID); !more || err != nil {
			return err
		}
	}
}

func (s *Scheduler) claim(ctx context.Context, poolUID string) (more bool, err error) {
	s.fleet.claiming.RLock()
	defer s.fleet.claiming.RUnlock()
	offers, fill := s.fleet.offers(poolUID)
	if len(offers) == 0 {
		return false, nil
	}
	rule := job.Spread
	if fill == "Pack" {
		rule = job.Pack
	}
	claimed, err := s.Store.ClaimTasks(ctx, poolUID, offers, rule)
	if fault.Is(err, "PoolNotFound") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(claimed) == 0 {
		s.ends.wake("") // perhaps the last task of a job is done
		return false, nil
	}
	byNode := map[string][]job.Assignment{}
	for _, a := range claimed {
		s.fleet.take(a.Task.NodeUID, a.Task.Spec.RequiredSlots)
		byNode[a.Task.NodeUID] = append(byNode[a.Task.NodeUID], a)
	}
	for node, work := range byNode {
		if err := s.Nodes.Assign(node, work); err != nil {
			s.Log.Debug("assign waits for the node's hello", "node", node, "error", err)
		}
	}
	return true, nil
}
