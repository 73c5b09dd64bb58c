package schedule

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Agents that connect again and again while tasks are given out lose none, run
// none twice, and leave every slot to be used.
func TestReconnectsLoseNothing(t *testing.T) {
	const nodes, slots, tasks = 3, 2, 100
	w := newWorld(t)
	p := w.addPool("p", nodes, slots, nil)
	w.nodesIn(p, nodes, pool.NodeIdle)
	w.mu.Lock()
	agents := map[string]*agent{}
	for uid, a := range w.agents {
		agents[uid] = a
	}
	w.mu.Unlock()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for uid, a := range agents {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					a.hello(uid)
				}
			}
		})
	}
	j := w.addJob("j", "p", tasks, nil)
	w.eventually("half of it", func() (bool, string) {
		got, err := w.db.JobByUID(t.Context(), j.UID)
		return err == nil && got.Counts.Succeeded > tasks/2, ""
	})
	close(stop)
	wg.Wait()
	w.counts(j, job.Counts{Succeeded: tasks})
	w.mu.Lock()
	for id, n := range w.ran {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
	w.mu.Unlock()
	w.eventually("every slot on offer", func() (bool, string) {
		offers, _ := w.sched.fleet.offers(p.UID)
		free := 0
		for _, o := range offers {
			free += o.Free
		}
		return free == nodes*slots, fmt.Sprint(offers)
	})
}

// A node is offered only while its present session can take an order.
func TestFleetOffersWhomItCanReach(t *testing.T) {
	f := newFleet()
	p := &pool.Pool{UID: "p", Spec: pool.Spec{ID: "P"}}
	n := &pool.Node{UID: "n", PoolUID: "p", AccountUID: "a", State: pool.NodeIdle, Slots: 2, Epoch: 1}
	offered := func(want int) {
		t.Helper()
		if got, _ := f.offers("p"); len(got) != want {
			t.Errorf("%d offers, want %d", len(got), want)
		}
	}
	f.put(p, n, 0)
	offered(0)
	f.ready("n")
	offered(1)
	n.Epoch = 2
	f.put(p, n, 0)
	offered(0)
	f.ready("n")
	f.dropEpoch("n", 1) // late news of the first session's end
	offered(1)
	if uid, ok := f.poolUID("a", "p"); !ok || uid != "p" {
		t.Error(uid, ok)
	}
	f.dropEpoch("n", 2)
	offered(0)
	if len(f.nodes)+len(f.byPool)+len(f.pools) != 0 {
		t.Errorf("left: %v %v %v", f.nodes, f.byPool, f.pools)
	}
}

// One wait is under way however often an alarm is set.
func TestAlarmWaitsOnce(t *testing.T) {
	w := newWorld(t)
	var a alarm
	rang := make(chan struct{}, 100)
	due := w.clock.Now().Add(resource.SpanOf(20 * time.Millisecond))
	for range 50 {
		a.set(w.clock, due, func() { rang <- struct{}{} })
	}
	<-rang
	a.mu.Lock()
	if a.due != 0 || len(rang) != 0 {
		t.Errorf("due %v, rang %d times more", a.due, len(rang))
	}
	a.mu.Unlock()
	a.set(w.clock, w.clock.Now(), func() { rang <- struct{}{} })
	<-rang
}
