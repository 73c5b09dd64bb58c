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

// begin starts a machine and remembers it, so that its end is told even when
// the node host dies and cannot tell.
func (p *Provider) begin(ctx context.Context, op string, m provider.Machine) error {
	conn, err := p.dial(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	launch := p.launch
	p.mu.Unlock()
	if _, err := exchange(ctx, conn, request{Op: op, Machine: &m}, nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.launch != launch {
		return errHostGone // it answered and died; its machines' end was told before this one was known
	}
	p.known[m.ID] = m.BootID
	return nil
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

// List gives the running machines, sorted by id.
func (p *Provider) List(ctx context.Context) ([]provider.Instance, error) { return p.list(ctx) }

func (p *Provider) list(ctx context.Context) ([]provider.Instance, error) {
	r, err := p.call(ctx, request{Op: opList}, nil)
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
			p.lost()
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

// lost tells the end of every machine of a node host that died.
func (p *Provider) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, boot := range p.known {
		p.exits.put(provider.Instance{ID: id, BootID: boot})
	}
	clear(p.known)
}
