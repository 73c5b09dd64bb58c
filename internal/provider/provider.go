package provider

import (
	"context"
	"errors"

	"millpond/internal/layer"
)

// Machine is what a provider turns into a running machine with the agent
// inside. ID is unique for all time (a node's or virtual machine's uid).
type Machine struct {
	ID       string
	BootID   string // proves in the agent's hello that it speaks for this start
	Token    string // secret of this start
	Role     string // wire.RoleNode or wire.RoleVM
	Hostname string
	IP       string
	Tree     layer.Tree // read-only root
	Disk     layer.Disk // writable part; made before Create, never touched by it
	State    string     // folder for journal and tasks; made before Create
	Size     Size
}

// Size is what a machine may use.
type Size struct {
	Cores     int
	MemoryMiB int
}

// Instance is one running machine as List finds it, or one that ended as Exits
// tells it.
type Instance struct {
	ID     string
	BootID string
	// Lost: what the machine ran on ended, which says nothing of the machine.
	Lost bool
}

// ErrLost is a call whose machines' host ended under it: nothing of what was
// asked is left, and the next call may succeed.
var ErrLost = errors.New("the machines' host ended during the request")

// Capabilities are a provider's declared differences; providertest reads them.
type Capabilities struct {
	Name         string
	OutlivesUs   bool     // machines go on when the server is killed
	LimitsCPU    bool     // Size.Cores is enforced
	LimitsMemory bool     // Size.MemoryMiB is enforced
	Limits       string   // how, or why not, for doctor and docs
	OS           []string // "linux"
	MaxMachines  int      // 0 = unknown
	Parallel     int      // Create calls worth having under way at once
}

// Provider gives machines. Create and Destroy are idempotent by ID: creating a
// machine that runs with the same BootID and destroying one that is not there
// both succeed. Neither touches the disk: stop is Destroy, start is Create with
// the same disk, reimage is Destroy, a fresh clone, Create. After a restart of
// the server List is the truth. All methods may be called at once.
type Provider interface {
	Capabilities() Capabilities
	// Create returns when the machine's first process runs; the agent's hello
	// comes later. On error nothing of the machine is left.
	Create(ctx context.Context, m Machine) error
	// Destroy returns when no process, mount or cgroup of the machine is left.
	Destroy(ctx context.Context, id string) error
	// Reboot stops the machine and starts it again from the same disk under m's
	// new BootID and Token.
	Reboot(ctx context.Context, m Machine) error
	List(ctx context.Context) ([]Instance, error)
	// Exits delivers a machine that ended by itself or was lost. Close closes it.
	Exits() <-chan Instance
	// Close releases the provider. Machines stop unless keep is true and
	// Capabilities().OutlivesUs.
	Close(keep bool) error
}
