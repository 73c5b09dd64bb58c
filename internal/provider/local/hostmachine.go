package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"millpond/internal/provider"
)

// machine is one running machine of the table.
type machine struct {
	id, boot string
	process  *process
	wanted   bool          // its end was asked for; guarded by host.mu
	gone     chan struct{} // closed when its groups are removed and the table forgot it
}

// turn makes requests for one id wait for each other.
type turn struct {
	sync.Mutex
	users int
}

// take waits for the id's turn and returns what gives it back.
func (h *host) take(id string) func() {
	h.mu.Lock()
	t := h.turns[id]
	if t == nil {
		t = &turn{}
		h.turns[id] = t
	}
	t.users++
	h.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(h.turns, id)
		}
	}
}

func (h *host) find(id string) *machine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machines[id]
}

func (h *host) list() []provider.Instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]provider.Instance, 0, len(h.machines))
	for _, m := range h.machines {
		if !m.wanted {
			list = append(list, provider.Instance{ID: m.id, BootID: m.boot})
		}
	}
	slices.SortFunc(list, func(a, b provider.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (h *host) create(ctx context.Context, m provider.Machine) error {
	if err := check(m); err != nil {
		return err
	}
	defer h.take(m.ID)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if running := h.find(m.ID); running != nil {
		if running.boot == m.BootID {
			return nil
		}
		return fmt.Errorf("machine %s runs already, as boot %s", m.ID, running.boot)
	}
	return h.start(ctx, m)
}

func (h *host) reboot(ctx context.Context, m provider.Machine) error {
	if err := check(m); err != nil {
		return err
	}
	defer h.take(m.ID)()
	running := h.find(m.ID)
	if running != nil && running.boot == m.BootID {
		return nil // said twice
	}
	if err := h.end(ctx, running); err != nil {
		return err
	}
	return h.start(ctx, m)
}

func (h *host) destroy(ctx context.Context, id string) error {
	defer h.take(id)()
	return h.end(ctx, h.find(id))
}

// check refuses what would become a wrong path or group name.
func check(m provider.Machine) error {
	if m.ID == "" || len(m.ID) > 200 || strings.ContainsAny(m.ID, "/\x00\n") {
		return fmt.Errorf("machine id %q: want 1 to 200 letters without a slash", m.ID)
	}
	switch {
	case m.BootID == "":
		return errors.New("machine " + m.ID + ": bootId is empty")
	case m.Tree.Root == "" || len(m.Tree.Dirs) == 0:
		return errors.New("machine " + m.ID + ": tree is empty")
	case m.Disk.Path == "" || m.State == "":
		return errors.New("machine " + m.ID + ": disk or state folder is missing")
	}
	return nil
}

// start starts m and puts it into the table. On error nothing is left. The
// caller has the id's turn.
func (h *host) start(ctx context.Context, m provider.Machine) error {
	p, err := h.spawn(ctx, m)
	if err != nil {
		return errors.Join(err, h.groups.remove(m.ID))
	}
	running := &machine{id: m.ID, boot: m.BootID, process: p, gone: make(chan struct{})}
	h.mu.Lock()
	h.machines[m.ID] = running
	h.mu.Unlock()
	go h.follow(running)
	return nil
}

// follow waits for the machine's end, whoever caused it, and clears up.
func (h *host) follow(m *machine) {
	<-m.process.ended
	if err := h.groups.remove(m.id); err != nil {
		h.log.Error("machine left a control group", "machine", m.id, "error", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.machines, m.id)
	if !m.wanted {
		h.log.Info("machine ended by itself", "machine", m.id, "boot", m.boot)
		h.tell(provider.Instance{ID: m.id, BootID: m.boot})
	}
	close(m.gone)
}

// end kills a machine and waits until nothing of it is left; nil is no machine.
func (h *host) end(ctx context.Context, m *machine) error {
	if m == nil {
		return nil
	}
	h.mu.Lock()
	m.wanted = true
	h.mu.Unlock()
	// Its agent goes first, or it would report tasks killed with it as failed.
	if err := m.process.kill(); err != nil {
		return fmt.Errorf("kill machine %s: %w", m.id, err)
	}
	h.groups.kill(m.id)
	select {
	case <-m.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("machine %s is killed and not yet gone: %w", m.id, ctx.Err())
	}
}

// endAll ends every machine, all at once.
func (h *host) endAll() {
	h.mu.Lock()
	all := make([]*machine, 0, len(h.machines))
	for _, m := range h.machines {
		all = append(all, m)
	}
	h.mu.Unlock()
	var ends sync.WaitGroup
	for _, m := range all {
		ends.Go(func() {
			if err := h.end(context.Background(), m); err != nil {
				h.log.Error("stopping", "error", err)
			}
		})
	}
	ends.Wait()
}
