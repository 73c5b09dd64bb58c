package machine

import (
	"context"
	"crypto/subtle"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// ByUID finds a machine by the uid its agent carries; ResourceNotFound.
func (m *Machines) ByUID(ctx context.Context, uid string) (Item, error) {
	all, err := m.List(ctx, "")
	if err != nil {
		return Item{}, err
	}
	for _, item := range all {
		if item.Record.UID == uid {
			return item, nil
		}
	}
	return Item{}, fault.New("ResourceNotFound", "No virtual machine has this uid.")
}

// Agent is what a machine's agent says of itself when it connects.
type Agent struct {
	BootID    string
	Token     string
	Version   string
	OSRelease string // sha256 of /etc/os-release inside the machine
	OSName    string
}

// Hello checks that an agent speaks for the machine's present start, records
// that it is up, and gives the machine as it is then. refused, when not "", is
// why the agent must exit. A uid that is no machine's is ResourceNotFound.
func (m *Machines) Hello(ctx context.Context, uid string, a Agent) (item Item, refused string, err error) {
	if item, err = m.ByUID(ctx, uid); err != nil {
		return Item{}, "", err
	}
	item, err = m.change(ctx, item.Record, nil, func(_ *resource.Record, vm *VM) error {
		refused = ""
		switch {
		case a.BootID == "" || vm.BootID != a.BootID:
			refused = "this start of the virtual machine is over"
			return nil
		case subtle.ConstantTimeCompare([]byte(HashToken(a.Token)), []byte(vm.TokenHash)) != 1:
			refused = "the token is not this start's"
			return nil
		}
		vm.Epoch++
		vm.AgentBoot, vm.AgentAt, vm.AgentVer = a.BootID, m.Clock.Now(), a.Version
		vm.OSRelease, vm.OSName = a.OSRelease, a.OSName
		return nil
	})
	if err == nil && refused == "" {
		m.wake()
	}
	return item, refused, err
}

// SSHAt records where the machine's SSH server is reached, as clients see it.
func (m *Machines) SSHAt(ctx context.Context, uid, host string, port int) error {
	item, err := m.ByUID(ctx, uid)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, item.Record, nil, func(_ *resource.Record, vm *VM) error {
		vm.SSHHost, vm.SSHPort = host, port
		return nil
	})
	m.wake()
	return err
}

// Booting records a new start before the provider is asked for it, so that an
// agent that is faster than our bookkeeping is known. operation is the GUID of
// the one it is begun for, "" when the machine is only brought back.
func (m *Machines) Booting(ctx context.Context, item Item, bootID, token, operation string) (Item, error) {
	now := m.Clock.Now()
	return m.change(ctx, item.Record, nil, func(_ *resource.Record, vm *VM) error {
		vm.BootID, vm.TokenHash, vm.BootAt, vm.BootFor = bootID, HashToken(token), now, operation
		return nil
	})
}

// Halted records that nothing of the machine runs any more. state is the power
// it has now, "" when an operation is yet to say.
func (m *Machines) Halted(ctx context.Context, item Item, state string) error {
	_, err := m.change(ctx, item.Record, nil, func(_ *resource.Record, vm *VM) error {
		vm.BootID, vm.TokenHash, vm.BootFor = "", "", ""
		if state != "" {
			m.power(vm, state)
		}
		return nil
	})
	return err
}

// End ends an operation on a machine; state is the power it reached. With a
// failure the machine is Failed and stays as it is otherwise.
func (m *Machines) End(ctx context.Context, op resource.Operation, failure *fault.Error, state string) error {
	err := m.Store.EndOperation(ctx, op.GUID, failure, changing(func(rec *resource.Record, vm *VM) error {
		rec.State = resource.Succeeded
		if failure != nil {
			rec.State = resource.Failed
		}
		if state != "" {
			m.power(vm, state)
		}
		return nil
	}))
	return err
}
