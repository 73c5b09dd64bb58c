package schedule

import (
	"context"

	"millpond/internal/job"
)

// queuePass gives the pool's free slots to waiting tasks until one of them
// runs out. What is claimed and cannot be sent is sent again at the node's
// next hello.
func (s *Scheduler) queuePass(ctx context.Context, poolUID string) error {
	for {
		offers, fill := s.fleet.offers(poolUID)
		if len(offers) == 0 {
			return nil
		}
		rule := job.Spread
		if fill == "Pack" {
			rule = job.Pack
		}
		claimed, err := s.Store.ClaimTasks(ctx, poolUID, offers, rule)
		if err != nil {
			return err
		}
		if len(claimed) == 0 {
			s.ends.wake("") // perhaps the last task of a job is done
			return nil
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
	}
}
