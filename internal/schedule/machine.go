package schedule

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/provider"
	"millpond/internal/resource"
)

// SSH is how a virtual machine's SSH port is opened; web/nodeapi satisfies it.
type SSH interface {
	OpenSSH(ctx context.Context, uid string, want int) (host string, port int, err error)
	CloseSSH(uid string)
	// Drop ends the agent's session.
	Drop(uid string)
}

// VMsConfig is what NewVMs wires together.
type VMsConfig struct {
	Machines *machine.Machines
	Provider provider.Provider
	Worker   layer.Worker
	SSH      SSH
	Paths    Paths
	Log      *slog.Logger
}

// VMs ends the operations of virtual machines and keeps those running that
// should be. It satisfies Machines.
type VMs struct {
	VMsConfig
	work  *keyed // key: uid of a machine
	woken chan struct{}
	stop  context.CancelFunc

	mu     sync.Mutex
	starts map[string]int // by uid: starts in a row whose agent was not heard
}

var _ Machines = (*VMs)(nil)

const (
	bootTimeout = 2 * time.Minute // how long an agent may take to be heard
	maxStarts   = 3               // starts in a row without a hello until a machine is given up
)

// NewVMs makes the loop; nothing runs before Run or Pass.
func NewVMs(c VMsConfig) *VMs {
	ctx, stop := context.WithCancel(context.Background())
	v := &VMs{VMsConfig: c, stop: stop, woken: make(chan struct{}, 1), starts: map[string]int{}}
	v.work = newKeyed(ctx, "machines", c.Log, v.one)
	return v
}

// Wake tells that an operation was begun, a disk is ready or an agent spoke.
func (v *VMs) Wake() {
	select {
	case v.woken <- struct{}{}:
	default:
	}
}

// Run passes whenever it is woken and every SweepEvery, until ctx ends. It
// returns when no pass is under way.
func (v *VMs) Run(ctx context.Context) error {
	defer func() {
		v.stop()
		v.work.wait()
	}()
	for {
		if err := v.Pass(ctx); err != nil && ctx.Err() == nil {
			v.Log.Warn("machines pass", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-v.woken:
		case <-v.Machines.Clock.After(SweepEvery):
		}
	}
}

// Pass begins what is open: operations, machines that should run and do not,
// and operations whose machine is gone.
func (v *VMs) Pass(ctx context.Context) error {
	all, err := v.Machines.List(ctx, "")
	if err != nil {
		return err
	}
	rows := map[string]bool{}
	for _, item := range all {
		rows[item.Record.UID] = true
		v.work.wake(item.Record.UID)
	}
	open, err := v.Machines.Store.OpenOperations(ctx)
	if err != nil {
		return err
	}
	for _, op := range open {
		if machine.Owns(op.Kind) && !rows[op.UID] {
			v.work.wake(op.UID)
		}
	}
	return nil
}

// one brings one machine a step on. Steps that must wait (for a disk, for the
// agent) return; whoever ends the wait wakes the loop.
func (v *VMs) one(ctx context.Context, uid string) error {
	ops, err := v.operations(ctx, uid)
	if err != nil {
		return err
	}
	item, err := v.Machines.ByUID(ctx, uid)
	if fault.Is(err, "ResourceNotFound") {
		return v.gone(ctx, ops)
	}
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Kind == machine.OpDelete {
			return v.remove(ctx, item, ops)
		}
	}
	if len(ops) == 0 {
		return v.keep(ctx, item)
	}
	switch op := ops[0]; op.Kind {
	case machine.OpPowerOff:
		return v.halt(ctx, item, op, machine.Stopped)
	case machine.OpDeallocate:
		return v.halt(ctx, item, op, machine.Deallocated)
	default:
		return v.boot(ctx, item, op)
	}
}

// operations are the open ones of a machine, oldest first.
func (v *VMs) operations(ctx context.Context, uid string) ([]resource.Operation, error) {
	open, err := v.Machines.Store.OpenOperations(ctx)
	var mine []resource.Operation
	for _, op := range open {
		if op.UID == uid && machine.Owns(op.Kind) {
			mine = append(mine, op)
		}
	}
	return mine, err
}

// gone ends what was open on a machine whose row is no more: a deletion with
// success, all else without.
func (v *VMs) gone(ctx context.Context, ops []resource.Operation) error {
	for _, op := range ops {
		var failure *fault.Error
		if op.Kind != machine.OpDelete {
			failure = fault.New("OperationNotAllowed", "The virtual machine was deleted.")
		}
		if err := v.Machines.Store.EndOperation(ctx, op.GUID, failure, nil); err != nil {
			return err
		}
	}
	return nil
}

// Hello receives the agent of a virtual machine; known is false when the uid is
// none's.
func (v *VMs) Hello(ctx context.Context, g job.Greeting) (r job.Reception, known bool, err error) {
	item, refused, err := v.Machines.Hello(ctx, g.NodeUID, machine.Agent{
		BootID: g.BootID, Token: g.Token, Version: g.AgentVersion, OSRelease: g.OSRelease,
	})
	if fault.Is(err, "ResourceNotFound") {
		return job.Reception{}, false, nil
	}
	if err != nil || refused != "" {
		return job.Reception{Refused: refused}, true, err
	}
	v.heard(g.NodeUID)
	r = job.Reception{Epoch: item.VM.Epoch, SSHPort: item.VM.SSHPort, OpenSSH: true}
	for _, u := range item.VM.Users() {
		r.Users = append(r.Users, job.Login{Name: u.Name, Admin: u.Admin, PasswordHash: u.PasswordHash, SSHKeys: u.SSHKeys, Login: true})
	}
	return r, true, nil
}

// SSHAt records where a machine is entered.
func (v *VMs) SSHAt(ctx context.Context, uid, host string, port int) error {
	return v.Machines.SSHAt(ctx, uid, host, port)
}

// Exited hears that a machine ended by itself; if it should run it is started
// again on its disk.
func (v *VMs) Exited(_ context.Context, uid, _ string) {
	v.SSH.Drop(uid)
	v.work.wake(uid)
}

// Known gives the uids of all machines.
func (v *VMs) Known(ctx context.Context) (map[string]bool, error) {
	all, err := v.Machines.List(ctx, "")
	known := make(map[string]bool, len(all))
	for _, item := range all {
		known[item.Record.UID] = true
	}
	return known, err
}

func (v *VMs) state(uid string) string { return filepath.Join(v.Paths.Nodes, uid) }
