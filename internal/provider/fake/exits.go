package fake

import (
	"sync"

	"millpond/internal/provider"
)

// turn makes calls for one machine wait for each other.
type turn struct {
	sync.Mutex
	users int
}

func (w *World) take(id string) (giveBack func()) {
	w.mu.Lock()
	t := w.turns[id]
	if t == nil {
		t = &turn{}
		w.turns[id] = t
	}
	t.users++
	w.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(w.turns, id)
		}
	}
}

// tell gives an exit to every open provider of the world.
func (w *World) tell(m provider.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.watchers {
		p.mu.Lock()
		p.queue = append(p.queue, m)
		p.mu.Unlock()
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// Exits delivers machines that ended by Exit; Close closes it.
func (p *Provider) Exits() <-chan provider.Instance { return p.exits }

func (p *Provider) pump() {
	defer close(p.exits)
	for {
		p.mu.Lock()
		batch := p.queue
		p.queue = nil
		p.mu.Unlock()
		for _, m := range batch {
			select {
			case p.exits <- m:
			case <-p.end:
				return
			}
		}
		select {
		case <-p.wake:
		case <-p.end:
			return
		}
	}
}

// Close ends all machines, or with keep leaves them in the World.
func (p *Provider) Close(keep bool) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.end)
	p.mu.Unlock()
	p.world.mu.Lock()
	delete(p.world.watchers, p)
	p.world.mu.Unlock()
	if keep && p.config.Capabilities.OutlivesUs {
		return nil
	}
	for _, m := range p.world.list() {
		giveBack := p.world.take(m.ID)
		p.finish(m.ID)
		giveBack()
	}
	return nil
}
