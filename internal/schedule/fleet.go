package schedule

import (
	"sync"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// fleet is what dispatch needs to know of connected nodes, so that a pass
// costs no read per node. It is only a hint: ClaimTasks checks every offer
// against the rows, and a restart fills it again from the agents' hellos.
type fleet struct {
	mu     sync.Mutex
	nodes  map[string]*member
	byPool map[string]map[string]*member // pool uid -> node uid
	pools  map[string]string             // account uid + folded pool id -> pool uid
}

type member struct {
	offer   job.Offer // Free is kept up to date
	poolUID string
	usable  bool
	fill    string
}

func newFleet() *fleet {
	return &fleet{nodes: map[string]*member{}, byPool: map[string]map[string]*member{}, pools: map[string]string{}}
}

// put enters a node as its row says; used is the number of slots taken.
func (f *fleet) put(p *pool.Pool, n *pool.Node, used int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &member{poolUID: n.PoolUID, usable: n.Usable(), fill: p.Spec.FillType,
		offer: job.Offer{NodeUID: n.UID, NodeID: n.ID, BootID: n.BootID, Free: n.Slots - used, Total: n.Slots}}
	f.nodes[n.UID] = m
	if f.byPool[n.PoolUID] == nil {
		f.byPool[n.PoolUID] = map[string]*member{}
	}
	f.byPool[n.PoolUID][n.UID] = m
	f.pools[n.AccountUID+"/"+resource.Fold(p.Spec.ID)] = p.UID
}

// setUsable lets a node take tasks or not.
func (f *fleet) setUsable(nodeUID string, usable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.nodes[nodeUID]; m != nil {
		m.usable = usable
	}
}

func (f *fleet) drop(nodeUID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.nodes[nodeUID]; m != nil {
		delete(f.nodes, nodeUID)
		delete(f.byPool[m.poolUID], nodeUID)
		if len(f.byPool[m.poolUID]) == 0 {
			delete(f.byPool, m.poolUID)
		}
	}
}

// offers gives the pool's nodes with free slots, and the pool's fill type.
func (f *fleet) offers(poolUID string) (offers []job.Offer, fill string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.byPool[poolUID] {
		if m.usable && m.offer.Free > 0 {
			offers = append(offers, m.offer)
			fill = m.fill
		}
	}
	return offers, fill
}

// take changes a node's free slots by -slots (back: negative) and names its pool.
func (f *fleet) take(nodeUID string, slots int) (poolUID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.nodes[nodeUID]
	if m == nil {
		return ""
	}
	m.offer.Free = min(m.offer.Free-slots, m.offer.Total)
	return m.poolUID
}

func (f *fleet) poolUID(accountUID, poolID string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	uid, ok := f.pools[accountUID+"/"+resource.Fold(poolID)]
	return uid, ok
}

// open reports whether the node may be given tasks.
func (f *fleet) open(nodeUID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.nodes[nodeUID]
	return m != nil && m.usable
}
