package machine

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
)

// Start boots a machine that is stopped or deallocated.
func (m *Machines) Start(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	return m.act(ctx, id, "start", OpStart, func(vm *VM) bool {
		if vm.Power == Running {
			return false
		}
		m.power(vm, Starting)
		return true
	})
}

// PowerOff stops a machine; on Azure it goes on being billed.
func (m *Machines) PowerOff(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	return m.act(ctx, id, "powerOff", OpPowerOff, func(vm *VM) bool {
		if vm.Power == Stopped || vm.Power == Deallocated {
			return false
		}
		m.power(vm, Stopping)
		return true
	})
}

// Deallocate stops a machine and gives its place back; the disk stays.
func (m *Machines) Deallocate(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	return m.act(ctx, id, "deallocate", OpDeallocate, func(vm *VM) bool {
		if vm.Power == Deallocated {
			return false
		}
		m.power(vm, Deallocating)
		return true
	})
}

// Restart boots a running machine anew.
func (m *Machines) Restart(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	op, err := m.act(ctx, id, "restart", OpRestart, func(vm *VM) bool {
		if vm.Power != Running {
			return false
		}
		m.power(vm, Starting)
		return true
	})
	if err == nil && op == nil {
		return nil, fault.Newf("OperationNotAllowed", "Operation 'restart' is not allowed on VM '%s' since the VM is not running.", id.Name())
	}
	return op, err
}

// Generalize marks a machine's disk as made for copies: from then on it cannot
// start, and captures leave out what is this one machine's.
func (m *Machines) Generalize(ctx context.Context, id resource.ID) error {
	item, err := m.Get(ctx, id)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, item.Record, nil, func(rec *resource.Record, vm *VM) error {
		if err := settled(rec); err != nil {
			return err
		}
		if vm.Power != Stopped && vm.Power != Deallocated {
			return fault.Newf("OperationNotAllowed", "Operation 'generalize' is not allowed on VM '%s' since the VM is running. Deallocate it first.", id.Name())
		}
		vm.Generalized = true
		return nil
	})
	return err
}

// Delete begins a machine's deletion, whatever state it is in. nil without an
// error says that there is none.
func (m *Machines) Delete(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	item, err := m.Get(ctx, id)
	if fault.Is(err, "ResourceNotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	op := m.operation(item.Record, OpDelete, m.Clock.Now())
	_, err = m.change(ctx, item.Record, op, func(rec *resource.Record, vm *VM) error {
		if rec.State == resource.Deleting {
			return settled(rec)
		}
		rec.State = resource.Deleting
		m.power(vm, Deallocating)
		return nil
	})
	if fault.Is(err, "ResourceNotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.wake()
	return op, nil
}

// act begins an operation on a settled machine. begin reports whether there is
// anything to do; when not, the operation is nil: it is done already.
func (m *Machines) act(ctx context.Context, id resource.ID, name, kind string, begin func(*VM) bool) (*resource.Operation, error) {
	item, err := m.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	op := m.operation(item.Record, kind, m.Clock.Now())
	nothing := fault.New("NothingToDo", "")
	_, err = m.change(ctx, item.Record, op, func(rec *resource.Record, vm *VM) error {
		if err := settled(rec); err != nil {
			return err
		}
		if vm.Generalized && (kind == OpStart || kind == OpRestart) {
			return fault.Newf("OperationNotAllowed", "Operation '%s' is not allowed on VM '%s' since the VM is generalized.", name, id.Name())
		}
		if !begin(vm) {
			return nothing
		}
		rec.State = resource.Updating
		return nil
	})
	if fault.Is(err, nothing.Code) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.wake()
	return op, nil
}

func (m *Machines) power(vm *VM, state string) {
	vm.Power, vm.PowerAt = state, m.Clock.Now()
}

// settled refuses an act while another is under way.
func settled(rec *resource.Record) error {
	switch rec.State {
	case resource.Succeeded, resource.Failed, resource.Canceled:
		return nil
	case resource.Deleting:
		return fault.Newf("OperationNotAllowed", "The VM '%s' is being deleted.", rec.ID)
	}
	return fault.Newf("AnotherOperationInProgress", "Another operation is in progress on the VM '%s'. Retry when it has ended.", rec.ID)
}

// Get reads one machine.
func (m *Machines) Get(ctx context.Context, id resource.ID) (Item, error) {
	rec, err := m.Store.GetResource(ctx, id.String())
	if fault.Is(err, "ResourceNotFound") {
		return Item{}, gallery.NotFound(id)
	}
	if err != nil {
		return Item{}, err
	}
	return itemOf(rec)
}

// List lists the machines below a subscription or group; "" is all there are.
func (m *Machines) List(ctx context.Context, under string) ([]Item, error) {
	records, err := m.Store.ListResources(ctx, resource.Query{Type: TypeVM, Under: under})
	if err != nil {
		return nil, err
	}
	items := make([]Item, len(records))
	for i, rec := range records {
		if items[i], err = itemOf(rec); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func itemOf(rec resource.Record) (Item, error) {
	vm, err := resource.Decode[VM](rec)
	return Item{rec, vm}, err
}

// change updates a machine that is still the one rec describes.
func (m *Machines) change(ctx context.Context, rec resource.Record, op *resource.Operation, change func(*resource.Record, *VM) error) (Item, error) {
	now, err := m.Store.UpdateResource(ctx, rec.ID, op, func(now *resource.Record) error {
		if now.UID != rec.UID {
			return fault.New("ResourceNotFound", "The virtual machine was deleted.")
		}
		return changing(change)(now)
	})
	if err != nil {
		return Item{}, err
	}
	return itemOf(now)
}

// changing makes a change of a record of a change of a machine.
func changing(change func(*resource.Record, *VM) error) func(*resource.Record) error {
	return func(rec *resource.Record) error {
		vm, err := resource.Decode[VM](*rec)
		if err != nil {
			return err
		}
		if err := change(rec, &vm); err != nil {
			return err
		}
		return rec.Encode(vm)
	}
}

// SourceVM satisfies gallery.Sources.
func (m *Machines) SourceVM(ctx context.Context, text string) (gallery.SourceVM, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		return gallery.SourceVM{}, err
	}
	item, err := m.Get(ctx, id)
	if err != nil {
		return gallery.SourceVM{}, err
	}
	s := gallery.SourceVM{
		ID: item.Record.ID, Location: item.Record.Location, OSDisk: item.VM.OSDisk.ID,
		Generalized: item.VM.Generalized, Running: item.VM.Power != Stopped && item.VM.Power != Deallocated,
	}
	for _, u := range item.VM.Users() {
		s.Users = append(s.Users, u.Name)
	}
	return s, nil
}
