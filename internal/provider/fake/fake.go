package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"millpond/internal/provider"
)

// Op names a call for Before.
type Op string

// The calls of a provider that Before can meet.
const (
	Create  Op = "create"
	Destroy Op = "destroy"
	Reboot  Op = "reboot"
	List    Op = "list"
)

// Config is how a fake behaves. The zero value is a provider where everything
// works at once.
type Config struct {
	// World holds the machines; give the same one to a second provider to play
	// a restart of the server. A new one if nil.
	World *World
	// Capabilities replaces what the fake declares, if Name is set.
	Capabilities provider.Capabilities
	// Before runs before a call takes effect, outside all locks: it may block
	// until it pleases or ctx ends, and an error makes the call fail with it.
	// For Destroy m has only its ID, for List nothing.
	Before func(ctx context.Context, op Op, m provider.Machine) error
	// OnStart and OnStop see each start and each end of a machine, in order for
	// one machine, outside all locks.
	OnStart func(m provider.Machine)
	OnStop  func(m provider.Instance)
}

// World is the machines, which outlive any one Provider.
type World struct {
	mu       sync.Mutex
	machines map[string]provider.Machine
	turns    map[string]*turn
	watchers map[*Provider]struct{}
}

// NewWorld makes an empty world.
func NewWorld() *World {
	return &World{
		machines: map[string]provider.Machine{},
		turns:    map[string]*turn{},
		watchers: map[*Provider]struct{}{},
	}
}

// Provider is provider.Provider over a World.
type Provider struct {
	config Config
	world  *World
	exits  chan provider.Instance

	mu     sync.Mutex
	queue  []provider.Instance
	wake   chan struct{}
	end    chan struct{}
	closed bool
}

var _ provider.Provider = (*Provider)(nil)

// New opens a fake.
func New(config Config) *Provider {
	if config.World == nil {
		config.World = NewWorld()
	}
	if config.Capabilities.Name == "" {
		config.Capabilities = provider.Capabilities{
			Name: "fake", OutlivesUs: true, OS: []string{"linux"}, Parallel: 64,
			Limits: "no limits: there is no machine",
		}
	}
	p := &Provider{
		config: config, world: config.World, exits: make(chan provider.Instance),
		wake: make(chan struct{}, 1), end: make(chan struct{}),
	}
	p.world.mu.Lock()
	p.world.watchers[p] = struct{}{}
	p.world.mu.Unlock()
	go p.pump()
	return p
}

// Capabilities gives what Config said.
func (p *Provider) Capabilities() provider.Capabilities { return p.config.Capabilities }

// before is the common start of every call.
func (p *Provider) before(ctx context.Context, op Op, m provider.Machine) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return errors.New("fake: provider is closed")
	}
	if p.config.Before != nil {
		if err := p.config.Before(ctx, op, m); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Create starts m. It fails as a real one would for a machine without a disk.
func (p *Provider) Create(ctx context.Context, m provider.Machine) error {
	if err := check(m); err != nil {
		return err
	}
	defer p.world.take(m.ID)()
	if err := p.before(ctx, Create, m); err != nil {
		return err
	}
	if running, ok := p.world.find(m.ID); ok {
		if running.BootID == m.BootID {
			return nil
		}
		return fmt.Errorf("machine %s runs already, as boot %s", m.ID, running.BootID)
	}
	p.start(m)
	return nil
}

// Reboot starts m anew.
func (p *Provider) Reboot(ctx context.Context, m provider.Machine) error {
	if err := check(m); err != nil {
		return err
	}
	defer p.world.take(m.ID)()
	if err := p.before(ctx, Reboot, m); err != nil {
		return err
	}
	if running, ok := p.world.find(m.ID); ok && running.BootID == m.BootID {
		return nil
	}
	p.finish(m.ID)
	p.start(m)
	return nil
}

// Destroy ends the machine id.
func (p *Provider) Destroy(ctx context.Context, id string) error {
	defer p.world.take(id)()
	if err := p.before(ctx, Destroy, provider.Machine{ID: id}); err != nil {
		return err
	}
	p.finish(id)
	return nil
}

// List gives the running machines, sorted by id.
func (p *Provider) List(ctx context.Context) ([]provider.Instance, error) {
	if err := p.before(ctx, List, provider.Machine{}); err != nil {
		return nil, err
	}
	return p.world.list(), nil
}

// Exit makes a machine end by itself, as a crash of its agent would.
func (p *Provider) Exit(id string) {
	defer p.world.take(id)()
	if m, ok := p.finish(id); ok {
		p.world.tell(provider.Instance{ID: m.ID, BootID: m.BootID})
	}
}

func check(m provider.Machine) error {
	if m.ID == "" || m.BootID == "" || len(m.Tree.Dirs) == 0 || m.Disk.Path == "" {
		return fmt.Errorf("machine %q lacks an id, a boot id, a tree or a disk", m.ID)
	}
	return nil
}

func (p *Provider) start(m provider.Machine) {
	p.world.mu.Lock()
	p.world.machines[m.ID] = m
	p.world.mu.Unlock()
	if p.config.OnStart != nil {
		p.config.OnStart(m)
	}
}

func (p *Provider) finish(id string) (provider.Machine, bool) {
	p.world.mu.Lock()
	m, ok := p.world.machines[id]
	delete(p.world.machines, id)
	p.world.mu.Unlock()
	if ok && p.config.OnStop != nil {
		p.config.OnStop(provider.Instance{ID: m.ID, BootID: m.BootID})
	}
	return m, ok
}

func (w *World) find(id string) (provider.Machine, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.machines[id]
	return m, ok
}

func (w *World) list() []provider.Instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]provider.Instance, 0, len(w.machines))
	for _, m := range w.machines {
		list = append(list, provider.Instance{ID: m.ID, BootID: m.BootID})
	}
	slices.SortFunc(list, func(a, b provider.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list
}
