package local

import (
	"context"

	"millpond/internal/provider"
)

// Create starts m; see provider.Provider.
func (p *Provider) Create(ctx context.Context, m provider.Machine) error {
	return p.begin(ctx, opCreate, m)
}

// Reboot ends the machine and starts it from the same disk.
func (p *Provider) Reboot(ctx context.Context, m provider.Machine) error {
	return p.begin(ctx, opReboot, m)
}

// begin starts a machine.
func (p *Provider) begin(ctx context.Context, op string, m provider.Machine) error {
	_, err := p.learn(ctx, request{Op: op, Machine: &m}, func(reply) []provider.Instance {
		return []provider.Instance{{ID: m.ID, BootID: m.BootID}}
	})
	return err
}

// learn makes a request and remembers the machines that run by its answer, so
// that their end is told even when the node host dies and cannot tell.
func (p *Provider) learn(ctx context.Context, req request, running func(reply) []provider.Instance) (reply, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return reply{}, err
	}
	p.mu.Lock()
	launch := p.launch
	p.mu.Unlock()
	r, err := exchange(ctx, conn, req, nil)
	if err != nil {
		return r, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.launch != launch {
		return r, errHostGone // it answered and died; its machines' end was told before these were known
	}
	for _, m := range running(r) {
		p.known[m.ID] = m.BootID
	}
	return r, nil
}

// Destroy ends the machine; one that is not there is no error.
func (p *Provider) Destroy(ctx context.Context, id string) error {
	if _, err := p.call(ctx, request{Op: opDestroy, ID: id}, nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
	return nil
}

// List gives the running machines, sorted by id. Who relies on it hears of the
// end of each: one that a killed server had begun may have come after our Open.
func (p *Provider) List(ctx context.Context) ([]provider.Instance, error) {
	r, err := p.learn(ctx, request{Op: opList}, func(r reply) []provider.Instance { return r.Instances })
	return r.Instances, err
}

// Exits delivers machines that ended by themselves or with their node host.
// It is closed by Close.
func (p *Provider) Exits() <-chan provider.Instance { return p.exits.out }

// watch hears of exits, and brings a node host that died back.
func (p *Provider) watch(ctx context.Context, ready chan<- error) {
	defer close(p.watched)
	for {
		conn, err := p.dial(ctx)
		if err == nil {
			_, err = exchange(ctx, conn, request{Op: opWatch}, func(r reply) {
				if r.Exit != nil {
					p.ended(*r.Exit)
				} else if ready != nil {
					ready <- nil
					ready = nil
				}
			})
		}
		if ready != nil {
			ready <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		// The next dial starts another; when it cannot, the machines are gone all the same.
		p.config.Log.Warn("the node host is gone", "cause", err)
		if conn == nil {
			p.lost(false)
		}
		if !pause(ctx, retryEvery) {
			return
		}
	}
}

func (p *Provider) ended(m provider.Instance) {
	p.mu.Lock()
	if p.known[m.ID] == m.BootID {
		delete(p.known, m.ID)
	}
	p.mu.Unlock()
	p.exits.put(m)
}

// lost tells the end of every machine of a node host that died. With next a new
// launch begins in the same breath, before its socket is there: who is connected
// to it knows its number, and an answer of the old one that is still being read
// finds another number than its own, or is among what is told here.
func (p *Provider) lost(next bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next {
		p.launch++
	}
	for id, boot := range p.known {
		p.exits.put(provider.Instance{ID: id, BootID: boot, Lost: true})
	}
	clear(p.known)
}
