package schedule

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/provider/fake"
)

var errBoot = errors.New("machine ended during its boot")

func (w *world) only(p *pool.Pool) *pool.Node {
	w.t.Helper()
	nodes, err := w.db.NodesOfPool(w.t.Context(), p.UID)
	if err != nil || len(nodes) != 1 {
		w.t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	return nodes[0]
}

// gone waits less than a sweep: events alone must bring it about.
func (w *world) gone(p *pool.Pool) {
	w.t.Helper()
	w.eventually("the pool is gone", func() (bool, string) {
		_, err := w.db.PoolByUID(w.t.Context(), p.UID)
		nodes, _ := w.db.NodesOfPool(w.t.Context(), p.UID)
		got := ""
		for _, n := range nodes {
			got += n.State + "/" + n.Wish + " "
		}
		return fault.Is(err, "PoolNotFound"), got
	})
}

// A lost machine whose next boot dies too is tried again, and until one is up
// the node can still be taken out.
func TestLostMachineThatDiesAgainInItsBoot(t *testing.T) {
	for name, deletes := range map[string]bool{"comes back": false, "is deleted": true} {
		t.Run(name, func(t *testing.T) {
			var fail atomic.Int32
			failed := make(chan struct{}, 8)
			w := newWorld(t, func(w *world) {
				w.before = func(_ context.Context, op fake.Op, _ provider.Machine) error {
					if op != fake.Create || fail.Add(-1) < 0 {
						return nil
					}
					failed <- struct{}{}
					return errBoot
				}
			})
			p := w.addPool("p", 1, 1, nil)
			w.nodesIn(p, 1, pool.NodeIdle)
			n := w.only(p)
			fail.Store(2)
			w.provider.Exit(n.UID)
			<-failed
			if deletes {
				if err := w.pools.Delete(t.Context(), w.who, w.owner, "p", nil); err != nil {
					t.Fatal(err)
				}
				w.gone(p)
				return
			}
			w.eventually("idle in another boot", func() (bool, string) {
				now := w.only(p)
				return now.State == pool.NodeIdle && now.BootID != n.BootID, now.State
			})
		})
	}
}

// A machine that never boots makes its node unusable, which gives up nothing
// else: it can be rebooted, with all its tries, and removed.
func TestMachineThatNeverBoots(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	w := newWorld(t, func(w *world) {
		w.before = func(_ context.Context, op fake.Op, _ provider.Machine) error {
			if op == fake.Create && broken.Load() {
				return fault.New("AllocationFailed", "no such thing here")
			}
			return nil
		}
	})
	p := w.addPool("p", 1, 1, nil)
	w.nodesIn(p, 1, pool.NodeUnusable)
	n := w.only(p)
	if len(n.Errors) != 1 || n.BootID != "" {
		t.Fatalf("%+v", n)
	}
	broken.Store(false)
	if err := w.pools.Reboot(t.Context(), w.who, w.owner, "p", n.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.nodesIn(p, 1, pool.NodeIdle)
}

// A wish to leave that meets a boot half way outlives it.
func TestLeaveDuringBoot(t *testing.T) {
	boots, goOn := make(chan struct{}, 8), make(chan struct{})
	w := newWorld(t, func(w *world) {
		w.before = func(ctx context.Context, op fake.Op, _ provider.Machine) error {
			if op != fake.Create {
				return nil
			}
			boots <- struct{}{}
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return nil
		}
	})
	p := w.addPool("p", 2, 1, nil)
	<-boots
	<-boots
	if err := w.pools.Delete(t.Context(), w.who, w.owner, "p", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("both shall leave", func() (bool, string) {
		nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
		return err == nil && nodes[0].Wish == pool.WishRemove && nodes[1].Wish == pool.WishRemove, ""
	})
	close(goOn)
	w.gone(p)
}

// removenodes takes the nodes it was given and no others, though the request
// wakes the loop, which would have chosen others.
func TestRemoveNodesTakesThose(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 6, 1, nil)
	w.nodesIn(p, 6, pool.NodeIdle)
	w.steady(p)
	nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
	if err != nil {
		t.Fatal(err)
	}
	stay := map[string]bool{}
	var leave []string
	for i, n := range nodes {
		if i < 3 {
			leave = append(leave, n.ID)
		} else {
			stay[n.UID] = true
		}
	}
	if _, err := w.pools.Remove(t.Context(), w.who, w.owner, "p", leave, nil, pool.Targets{}); err != nil {
		t.Fatal(err)
	}
	w.nodesIn(p, 3, pool.NodeIdle)
	if got := w.steady(p); got.TargetDedicated != 3 || len(got.ResizeErrors) != 0 {
		t.Fatalf("%+v", got)
	}
	if nodes, err = w.db.NodesOfPool(t.Context(), p.UID); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if !stay[n.UID] {
			t.Errorf("node %d is new or was to leave", n.Number)
		}
	}
}

// With taskcompletion a node goes on to its last task, takes no more, and then
// does what was asked.
func TestTaskCompletionIsWaitedFor(t *testing.T) {
	for _, wish := range []string{pool.WishReboot, pool.WishRemove} {
		t.Run(wish, func(t *testing.T) {
			w := newWorld(t)
			w.hold = make(chan struct{})
			p := w.addPool("p", 1, 2, nil)
			w.nodesIn(p, 1, pool.NodeIdle)
			w.steady(p)
			j := w.addJob("j", "p", 1, nil)
			w.counts(j, job.Counts{Running: 1})
			n := w.only(p)
			var err error
			if wish == pool.WishReboot {
				err = w.pools.Reboot(t.Context(), w.who, w.owner, "p", n.ID, "taskcompletion")
			} else {
				_, err = w.pools.Remove(t.Context(), w.who, w.owner, "p", []string{n.ID}, nil, pool.Targets{Deallocation: "taskcompletion"})
			}
			if err != nil {
				t.Fatal(err)
			}
			w.eventually("closed", func() (bool, string) { return !w.sched.fleet.open(n.UID), "" })
			close(w.hold)
			if wish == pool.WishRemove {
				w.eventually("gone", func() (bool, string) {
					_, err := w.db.NodeByUID(t.Context(), n.UID)
					return fault.Is(err, "NodeNotFound"), ""
				})
			} else {
				w.eventually("idle in another boot", func() (bool, string) {
					now := w.only(p)
					return now.State == pool.NodeIdle && now.BootID != n.BootID, now.State
				})
			}
			got, err := w.db.GetTask(t.Context(), j.UID, "j-000")
			if err != nil || got.Requeues != 0 || got.Result != job.Success {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}

// A deletion does not wait for tasks, whatever an earlier resize said.
func TestDeletionDoesNotWaitForTasks(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	defer close(w.hold)
	p := w.addPool("p", 1, 1, nil)
	w.nodesIn(p, 1, pool.NodeIdle)
	w.steady(p)
	j := w.addJob("j", "p", 1, nil)
	w.counts(j, job.Counts{Running: 1})
	zero := 0
	if _, err := w.pools.Resize(t.Context(), w.who, w.owner, "p", nil, pool.Targets{Dedicated: &zero, Deallocation: "taskcompletion"}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the node shall leave", func() (bool, string) { return w.only(p).Wish == pool.WishRemove, "" })
	if err := w.pools.Delete(t.Context(), w.who, w.owner, "p", nil); err != nil {
		t.Fatal(err)
	}
	w.gone(p)
	w.counts(j, job.Counts{Active: 1})
}

// An agent that ends soon after each hello does not boot for ever; one whose
// host is lost again and again is not blamed for it.
func TestMachinesThatHardlyLive(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 1, 1, nil)
	w.nodesIn(p, 1, pool.NodeIdle)
	for range maxLosses + 2 {
		n := w.only(p)
		w.sched.exits.put(provider.Instance{ID: n.UID, BootID: n.BootID, Lost: true})
		if err := w.provider.Destroy(t.Context(), n.UID); err != nil { // which tells nobody
			t.Fatal(err)
		}
		w.sched.nodes.wake(n.UID)
		w.eventually("another boot", func() (bool, string) {
			now := w.only(p)
			return now.BootID != n.BootID && now.State == pool.NodeIdle, now.State
		})
	}
	for range maxLosses {
		n := w.only(p)
		w.provider.Exit(n.UID)
		w.eventually("another boot, or none", func() (bool, string) {
			now := w.only(p)
			return now.State == pool.NodeUnusable || now.BootID != n.BootID && now.State == pool.NodeIdle, now.State
		})
	}
	w.nodesIn(p, 1, pool.NodeUnusable)
}

// News of a start task's attempt in an earlier boot, which a node's journal
// repeats, is not taken for the present one's.
func TestStartTaskNewsOfAnEarlierBoot(t *testing.T) {
	w := newWorld(t)
	p := w.addPool("p", 1, 1, func(s *pool.Spec) { s.StartTask = &pool.StartTask{CommandLine: "true", WaitForSuccess: true} })
	w.nodesIn(p, 1, pool.NodeIdle)
	n := w.only(p)
	old := n.Start.Attempt
	if err := w.pools.Reboot(t.Context(), w.who, w.owner, "p", n.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.eventually("idle in another boot", func() (bool, string) {
		now := w.only(p)
		return now.State == pool.NodeIdle && now.BootID != n.BootID, now.State
	})
	now := w.only(p)
	if now.Start == nil || now.Start.Attempt == old || now.Start.Retries != 0 {
		t.Fatalf("%+v after attempt %d", now.Start, old)
	}
}

// A server whose provider does not answer at first goes on when it does.
func TestRecoveryIsTriedAgain(t *testing.T) {
	var fail atomic.Int32
	w := newWorld(t, func(w *world) {
		w.before = func(_ context.Context, op fake.Op, _ provider.Machine) error {
			if op == fake.List && fail.Add(-1) >= 0 {
				return errBoot
			}
			return nil
		}
	})
	p := w.addPool("p", 1, 1, nil)
	w.nodesIn(p, 1, pool.NodeIdle)
	n := w.only(p)
	w.stop()
	fail.Store(1)
	w.up()
	w.provider.Exit(n.UID)
	w.eventually("idle in another boot", func() (bool, string) {
		now := w.only(p)
		return now.State == pool.NodeIdle && now.BootID != n.BootID, now.State
	})
}
