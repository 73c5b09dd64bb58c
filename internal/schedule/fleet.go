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
	// claiming is held for reading from an offer to the order that comes of it.
	// Who takes the lock of a node's count, or of which attempts it has, from the
	// rows passes through it first, and so meets no claim half way.
	claiming sync.RWMutex

	mu     sync.Mutex
	nodes  map[string]*member
	byPool map[string]map[string]*member // pool uid -> node uid
	pools  map[string]string             // account uid + folded pool id -> pool uid
}

type member struct {
	offer   job.Offer // Free is kept up to date
	poolUID string
	poolKey string // in fleet.pools
	epoch   int64  // of the hello that entered it
	usable  bool   // by its row
	ready   bool   // its agent has its welcome: an order reaches it
	fill    string
}

func newFleet() *fleet {
	return &fleet{nodes: map[string]*member{}, byPool: map[string]map[string]*member{}, pools: map[string]string{}}
}

// put enters a node whose agent said hello; used is the number of slots taken.
// It is offered from ready on: an order before would reach no session, or the one
// that this hello replaces.
func (f *fleet) put(p *pool.Pool, n *pool.Node, used int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &member{poolUID: n.PoolUID, poolKey: n.AccountUID + "/" + resource.Fold(p.Spec.ID), epoch: n.Epoch,
		usable: n.Usable(), fill: p.Spec.FillType,
		offer: job.Offer{NodeUID: n.UID, NodeID: n.ID, BootID: n.BootID, Free: n.Slots - used, Total: n.Slots}}
	f.nodes[n.UID] = m
	if f.byPool[n.PoolUID] == nil {
		f.byPool[n.PoolUID] = map[string]*member{}
	}
	f.byPool[n.PoolUID][n.UID] = m
	f.pools[m.poolKey] = p.UID
}

// ready says that orders reach the node; it names its pool.
func (f *fleet) ready(nodeUID string) (poolUID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.nodes[nodeUID]
	if m == nil {
		return ""
	}
	m.ready = true
	return m.poolUID
}

// refresh sets what a node's row says of it, if the node is there.
func (f *fleet) refresh(n *pool.Node) (poolUID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.nodes[n.UID]
	if m == nil {
		return ""
	}
	m.usable, m.offer.Free = n.Usable(), n.Slots-n.RunningSlots
	return m.poolUID
}

// passClaims returns when every claim that was under way has sent its orders.
func (f *fleet) passClaims() {
	f.claiming.Lock()
	defer f.claiming.Unlock()
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
	f.remove(f.nodes[nodeUID])
}

// dropEpoch drops the node unless a later hello has entered it again.
func (f *fleet) dropEpoch(nodeUID string, epoch int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.nodes[nodeUID]; m != nil && m.epoch <= epoch {
		f.remove(m)
	}
}

func (f *fleet) remove(m *member) {
	if m == nil {
		return
	}
	delete(f.nodes, m.offer.NodeUID)
	delete(f.byPool[m.poolUID], m.offer.NodeUID)
	if len(f.byPool[m.poolUID]) > 0 {
		return
	}
	delete(f.byPool, m.poolUID)
	if f.pools[m.poolKey] == m.poolUID {
		delete(f.pools, m.poolKey)
	}
}

// offers gives the pool's nodes with free slots, and the pool's fill type.
func (f *fleet) offers(poolUID string) (offers []job.Offer, fill string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.byPool[poolUID] {
		if m.usable && m.ready && m.offer.Free > 0 {
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
