package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

// Config is what Open needs. DataDir, Millpond and Agent have no default.
type Config struct {
	DataDir  string
	RunDir   string   // sockets; RunDirFor(DataDir) if empty
	Millpond string   // this program, which can `node-host`
	Agent    string   // millpond-node, statically linked
	Folders  []string // below DataDir, all that Worker and machines use; Folders if nil
	Limits   Limits
	// TasksTmpfs keeps task folders in memory: faster, and lost at a reboot.
	TasksTmpfs bool
	Log        *slog.Logger // slog.Default() if nil
}

// Folders are the parts of a data folder that belong to machines' users.
var Folders = []string{"nodes", "disks", "regions", "layers"}

// Provider is provider.Provider for this computer.
type Provider struct {
	config Config
	ids    idMap
	name   string // of our control groups
	exits  *outbox

	starting sync.Mutex // one launch at a time

	mu      sync.Mutex
	known   map[string]string // id -> boot, of machines of the present node host
	launch  int               // counts node hosts
	cgroups cgroups
	closed  bool
	watched chan struct{} // closed when the watching goroutine has ended
	stop    context.CancelFunc
}

var _ provider.Provider = (*Provider)(nil)

// Open finds the data folder's node host, or starts it, and watches over it.
func Open(ctx context.Context, config Config) (*Provider, error) {
	if config.DataDir == "" || config.Millpond == "" || config.Agent == "" {
		return nil, errors.New("local: Config lacks DataDir, Millpond or Agent")
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	if abs, err := filepath.Abs(config.DataDir); err == nil {
		config.DataDir = abs // links stay: callers' paths have them too
	}
	if config.RunDir == "" {
		config.RunDir = RunDirFor(config.DataDir)
	}
	if config.Folders == nil {
		config.Folders = Folders
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	ids, err := loadIDMap(config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	p := &Provider{
		config: config, ids: ids, name: "millpond-" + short(config.DataDir),
		exits: newOutbox(), known: map[string]string{}, watched: make(chan struct{}),
	}
	if err := p.makeFolders(); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	if err := p.open(ctx); err != nil {
		p.exits.close()
		return nil, errors.Join(err, p.forgetFailed())
	}
	return p, nil
}

func (p *Provider) open(ctx context.Context) error {
	if err := p.revive(ctx); err != nil {
		return err
	}
	if err := p.renew(ctx); err != nil {
		return err
	}
	watching, stop := context.WithCancel(context.Background())
	p.stop = stop
	ready := make(chan error, 1)
	go p.watch(watching, ready)
	select {
	case err := <-ready:
		if err != nil {
			stop()
			return err
		}
	case <-ctx.Done():
		stop()
		return ctx.Err()
	}
	_, err := p.List(ctx) // learns what runs
	if err != nil {
		stop()
	}
	return err
}

// forgetFailed removes what an Open that failed made, unless a node host lives
// by it.
func (p *Provider) forgetFailed() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	lock, err := p.lock(ctx)
	if lock == nil {
		return err
	}
	defer lock.Close()
	return errors.Join(removeCgroups(p.name, p.ids), os.RemoveAll(p.config.RunDir),
		os.RemoveAll(filepath.Join(p.config.DataDir, hostRecord)))
}

// makeFolders makes what machines' users own files in. Root gives it to their
// root; an ordinary user keeps it, being in the map himself.
func (p *Provider) makeFolders() error {
	for _, name := range append([]string{tmpFolder}, p.config.Folders...) {
		dir := filepath.Join(p.config.DataDir, name)
		mode := os.FileMode(0o711)
		if name == tmpFolder {
			mode = 0o777 | os.ModeSticky // apt's user works in it
		}
		if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if p.ids.Owner < 0 {
			if err := os.Chown(dir, p.ids.First, p.ids.First); err != nil {
				return err
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.config.DataDir, tmpFolder, keepName), nil, 0o644)
}

// Capabilities says what this computer can enforce.
func (p *Provider) Capabilities() provider.Capabilities {
	p.mu.Lock()
	defer p.mu.Unlock()
	return provider.Capabilities{
		Name: "local", OutlivesUs: true,
		LimitsCPU: p.cgroups.LimitCPU, LimitsMemory: p.cgroups.LimitMemory, Limits: p.cgroups.Text,
		OS: []string{"linux"}, Parallel: 4,
	}
}

// Worker does layer's work in the node host.
func (p *Provider) Worker() layer.Worker { return worker{p} }

// Sockets is the folder machines see; the gateway's socket belongs into it
// under the name Gateway, let in by Admit.
func (p *Provider) Sockets() string { return filepath.Join(p.config.RunDir, agentsDir) }

// Gateway is the name of the gateway's socket in Sockets.
func (p *Provider) Gateway() string { return gatewayName }

// Admit lets the machines' root, and of the machines nobody else, use the
// socket at path.
func (p *Provider) Admit(path string) error {
	if p.ids.Owner < 0 {
		if err := os.Chown(path, p.ids.First, p.ids.First); err != nil {
			return fmt.Errorf("local: %w", err)
		}
	}
	return os.Chmod(path, 0o600)
}
