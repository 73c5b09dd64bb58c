package schedule

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/pool"
	"millpond/internal/provider"
)

// hasWork reports whether the node loop has something to do for a node.
func hasWork(n *pool.Node) bool {
	switch n.State {
	case pool.NodeCreating, pool.NodeRebooting, pool.NodeReimaging, pool.NodeLeaving:
		return true
	case pool.NodeStarting:
		return n.BootID == "" || n.Wish == pool.WishRemove // a machine that boots may have to go
	}
	return n.Wish != ""
}

// nodePass does for one node what its row says: start its machine, start it
// again, from a fresh clone, or take it out.
func (s *Scheduler) nodePass(ctx context.Context, uid string) error {
	select {
	case <-s.recovered: // which machines run is not known before
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.hearExits(ctx, uid); err != nil {
		return err
	}
	n, err := s.nodeWithWork(ctx, uid)
	if n == nil || err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n, err = s.nodeWithWork(ctx, uid) // the wait may have been long
	if n == nil || err != nil {
		return err
	}
	if n.Wish == pool.WishRemove || n.State == pool.NodeLeaving {
		return s.removeNode(ctx, n)
	}
	p, err := s.Store.PoolByUID(ctx, n.PoolUID)
	if err != nil {
		return err
	}
	fresh := false
	switch n.State {
	case pool.NodeRebooting, pool.NodeReimaging:
		if err := s.clearNode(ctx, n); err != nil {
			return err
		}
		if n.State == pool.NodeReimaging {
			if err := s.removeFolders(ctx, n.UID); err != nil {
				return err
			}
		}
		fresh = n.State == pool.NodeReimaging
	case pool.NodeCreating:
		fresh = true
		if n.BootID != "" { // a crash came between the boot's row and its machine
			if err := s.Provider.Destroy(ctx, n.UID); err != nil {
				return err
			}
		}
	case pool.NodeStarting:
	default:
		return nil
	}
	return s.bootNode(ctx, p, n, fresh)
}

// nodeWithWork gives the node if its row wants something now; nil otherwise. One
// that waits for its last task is closed to others first and then read again, so
// that the news of that task either is in the row or finds the node closed and
// wakes us.
func (s *Scheduler) nodeWithWork(ctx context.Context, uid string) (*pool.Node, error) {
	for closed := false; ; closed = true {
		n, err := s.Store.NodeByUID(ctx, uid)
		if fault.Is(err, "NodeNotFound") {
			return nil, nil
		}
		if err != nil || !hasWork(n) {
			return nil, err
		}
		if n.WishOption != "taskcompletion" || n.RunningTasks == 0 {
			return n, nil
		}
		if closed {
			return nil, nil
		}
		s.fleet.setUsable(uid, false)
	}
}

// bootNode starts the node's machine under a new boot id and token. The row
// knows the boot before the machine runs, so its hello is never a stranger's.
func (s *Scheduler) bootNode(ctx context.Context, p *pool.Pool, n *pool.Node, fresh bool) error {
	tree, err := s.Trees.TreeFor(ctx, p.Image, n.Number)
	if err != nil {
		return s.nodeFailed(ctx, n, err)
	}
	disk := layer.Disk{Path: filepath.Join(s.Paths.Disks, n.UID)}
	state := filepath.Join(s.Paths.Nodes, n.UID)
	if fresh {
		if err := s.Worker.Clone(ctx, disk); err != nil {
			return err
		}
		if err := s.Worker.Mkdir(ctx, state); err != nil {
			return err
		}
	}
	boot, token := secret(16), secret(32)
	n, err = s.Store.UpdateNode(ctx, n.UID, system("Boot"), func(n *pool.Node) error {
		n.BootID, n.TokenHash, n.HelloBoot = boot, HashToken(token), ""
		n.Start, n.Errors = nil, nil
		return nil
	})
	if err != nil {
		return err
	}
	cores, memory, _ := s.Size(n.VMSize)
	err = s.Provider.Create(ctx, provider.Machine{
		ID: n.UID, BootID: boot, Token: token, Role: "node", Hostname: hostname(n), IP: n.IP,
		Tree: tree, Disk: disk, State: state, Size: provider.Size{Cores: cores, MemoryMiB: memory},
	})
	if err != nil {
		return s.nodeFailed(ctx, n, err)
	}
	_, err = s.Store.UpdateNode(ctx, n.UID, system("MachineUp"), func(n *pool.Node) error {
		if n.BootID != boot || n.HelloBoot == boot {
			return nil // the agent's hello was here first
		}
		return s.machineUp(n)
	})
	return err
}

// machineUp moves a node whose machine runs on to starting.
func (s *Scheduler) machineUp(n *pool.Node) error {
	n.Booted()
	return n.Move(pool.MachineUp, s.Clock.Now())
}

// nodeFailed notes why a machine could not be started: what may pass is tried
// again some times. Then the node is unusable, as Azure's are, until it is
// rebooted, reimaged or removed. Of this boot nothing is left, so the row does
// not wait for it.
func (s *Scheduler) nodeFailed(ctx context.Context, n *pool.Node, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	again := false
	_, err := s.Store.UpdateNode(ctx, n.UID, system("MachineFailed"), func(n *pool.Node) error {
		if !errors.Is(why, provider.ErrLost) {
			n.Losses++
		}
		n.BootID, n.HelloBoot = "", ""
		if again = passing(ctx, why) && n.Losses < maxLosses; again || n.Wish == pool.WishRemove {
			return nil
		}
		s.Log.Warn("node start", "node", n.ID, "error", why)
		n.Booted()
		n.Errors = []pool.NodeError{{Code: "NodeStartFailed", Message: reason("The machine could not be started", why)}}
		if n.State == pool.NodeStarting { // a lost machine that cannot come back
			n.State, n.StateAt = pool.NodeUnusable, s.Clock.Now()
			return nil
		}
		return n.Move(pool.MachineFailed, s.Clock.Now())
	})
	if err == nil && again {
		return why
	}
	if err == nil {
		err = s.requeue(ctx, n.UID, nil, job.Lost) // of an earlier boot, should a crash have left some
	}
	return err
}

// clearNode ends the node's machine and gives its tasks back to the queue, or
// ends them, as the option says.
func (s *Scheduler) clearNode(ctx context.Context, n *pool.Node) error {
	s.fleet.drop(n.UID)
	s.Nodes.Drop(n.UID)
	if err := s.Provider.Destroy(ctx, n.UID); err != nil {
		return err
	}
	return s.requeue(ctx, n.UID, nil, ruleFor(n))
}

// ruleFor is what becomes of the tasks of a machine that ends.
func ruleFor(n *pool.Node) lostRule {
	if n.WishOption == "terminate" {
		return job.Terminated
	}
	return job.Lost
}

func (s *Scheduler) removeNode(ctx context.Context, n *pool.Node) error {
	if n.State != pool.NodeLeaving {
		moved, err := s.Store.UpdateNode(ctx, n.UID, system("Leaving"), func(n *pool.Node) error {
			return n.Move(pool.RemoveAsked, s.Clock.Now())
		})
		if err != nil {
			return err
		}
		n = moved
	}
	if err := s.clearNode(ctx, n); err != nil {
		return err
	}
	if err := s.removeFolders(ctx, n.UID); err != nil {
		return err
	}
	s.Nodes.Drop(n.UID) // a hello that was under way at the first may have opened its SSH port again
	if err := s.Store.RemoveNode(ctx, n.UID, system("Left")); err != nil {
		return err
	}
	s.pools.wake(n.PoolUID)
	return nil
}

func (s *Scheduler) removeFolders(ctx context.Context, uid string) error {
	if err := s.Worker.Remove(ctx, filepath.Join(s.Paths.Disks, uid)); err != nil {
		return err
	}
	return s.Worker.Remove(ctx, filepath.Join(s.Paths.Nodes, uid))
}

// requeue applies rule to every task the node runs, save the attempts in keep.
func (s *Scheduler) requeue(ctx context.Context, nodeUID string, keep map[string]int, rule lostRule) error {
	tasks, err := s.Store.RequeueNode(ctx, nodeUID, keep, rule)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		s.WakeWork(t.AccountUID, t.PoolID)
	}
	if len(tasks) > 0 {
		s.ends.wake("")
	}
	return nil
}

// hostname is the node's name inside: Azure's are long, Linux allows 63.
func hostname(n *pool.Node) string {
	id := n.ID
	if len(id) > 24 {
		id = id[:24]
	}
	name := []byte(id)
	for i, c := range name {
		if c == '_' {
			name[i] = '-'
		}
	}
	return string(name)
}

func secret(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

// HashToken is how a boot's token is kept: it is random, so a plain hash
// suffices.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
