package schedule

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/machine"
	"millpond/internal/provider"
	"millpond/internal/resource"
)

// boot is create, start and restart: once the disk is ready the machine is
// started, once its agent was heard its SSH port is opened, and then the
// operation has succeeded.
func (v *VMs) boot(ctx context.Context, item machine.Item, op resource.Operation) error {
	fail := func(failure *fault.Error) error {
		if err := v.halted(ctx, item); err != nil {
			return err
		}
		return v.Machines.End(ctx, op, failure, machine.Stopped)
	}
	disk, failure, err := v.disk(ctx, item)
	if err != nil {
		return err
	}
	if failure != nil {
		return fail(failure)
	}
	if disk.Record.State != resource.Succeeded {
		return nil // its own operation wakes us when it ends
	}
	up, err := v.runs(ctx, item)
	if err != nil {
		return err
	}
	if !up || item.VM.BootFor != op.GUID {
		if !v.mayStart(item.Record.UID) {
			return fail(fault.Newf("OSProvisioningInternalError", "The VM '%s' ended again and again before its agent was heard of.", nameOf(item)))
		}
		if item, err = v.start(ctx, item, disk, op.GUID); err != nil {
			return v.notStarted(ctx, item, err, fail)
		}
	}
	if !item.VM.Up() {
		if v.Machines.Clock.Now() > item.VM.BootAt.Add(resource.SpanOf(bootTimeout)) {
			return fail(fault.Newf("OSProvisioningTimedOut", "OS Provisioning for VM '%s' did not finish in the allotted time.", nameOf(item)))
		}
		return nil
	}
	host, port, err := v.SSH.OpenSSH(ctx, item.Record.UID, item.VM.SSHPort)
	if err != nil {
		return err
	}
	if err := v.Machines.SSHAt(ctx, item.Record.UID, host, port); err != nil {
		return err
	}
	v.heard(item.Record.UID)
	return v.Machines.End(ctx, op, nil, machine.Running)
}

// keep starts a machine again that should run and does not: the server or the
// node host was restarted, or the machine ended by itself.
func (v *VMs) keep(ctx context.Context, item machine.Item) error {
	if item.VM.Power != machine.Running || item.Record.State == resource.Deleting {
		return nil
	}
	up, err := v.runs(ctx, item)
	if err != nil || up {
		return err
	}
	disk, failure, err := v.disk(ctx, item)
	if err != nil {
		return err
	}
	// Without its disk it cannot run; the next request for it says so.
	whole := failure == nil && disk.Record.State == resource.Succeeded
	switch {
	case whole && v.mayStart(item.Record.UID):
		_, err = v.start(ctx, item, disk, "")
	case whole:
		v.Log.Warn("machine given up", "machine", item.Record.ID)
		err = v.Machines.Halted(ctx, item, machine.Stopped)
	}
	return err
}

// mayStart counts a start and reports whether it should be tried.
func (v *VMs) mayStart(uid string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.starts[uid] >= maxStarts {
		delete(v.starts, uid)
		return false
	}
	v.starts[uid]++
	return true
}

// heard forgets the starts of a machine that has come up.
func (v *VMs) heard(uid string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.starts, uid)
}

// disk finds the machine's disk; failure says that it will never be whole.
func (v *VMs) disk(ctx context.Context, item machine.Item) (d machineDisk, failure *fault.Error, err error) {
	d, err = diskOf(ctx, v.Machines.Images, item.VM.OSDisk.ID)
	if fault.Is(err, "ResourceNotFound") {
		return d, fault.Newf("OperationNotAllowed", "The OS disk '%s' does not exist any more.", item.VM.OSDisk.ID), nil
	}
	if err == nil && d.Record.State == resource.Failed {
		failure = fault.Newf("OperationNotAllowed", "The OS disk '%s' could not be made. %s", d.Record.ID, d.Body.Failure)
	}
	return d, failure, err
}

// start boots the machine under a new boot id; an older start of it ends.
func (v *VMs) start(ctx context.Context, item machine.Item, disk machineDisk, operation string) (machine.Item, error) {
	tree, err := v.Machines.Images.TreeOf(ctx, disk)
	if err != nil {
		return item, err
	}
	if err := v.Worker.Mkdir(ctx, v.state(item.Record.UID)); err != nil {
		return item, err
	}
	if err := v.Provider.Destroy(ctx, item.Record.UID); err != nil {
		return item, err
	}
	boot, token := secret(16), secret(32)
	if item, err = v.Machines.Booting(ctx, item, boot, token, operation); err != nil {
		return item, err
	}
	cores, memory, _ := machine.CoresAndMemory(item.VM.Size)
	hostname := item.VM.ComputerName
	if hostname == "" {
		hostname = nameOf(item)
	}
	err = v.Provider.Create(ctx, provider.Machine{
		ID: item.Record.UID, BootID: boot, Token: token, Role: "vm", Hostname: hostname, IP: item.VM.IP(),
		Tree: tree, Disk: v.Machines.Images.DiskAt(disk.Record.UID), State: v.state(item.Record.UID),
		Size: provider.Size{Cores: cores, MemoryMiB: memory},
	})
	return item, err
}

// notStarted ends the operation for errors that will come again, and lets the
// loop try some more times for the others.
func (v *VMs) notStarted(ctx context.Context, item machine.Item, err error, fail func(*fault.Error) error) error {
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, provider.ErrLost) {
		v.heard(item.Record.UID) // no fault of the machine's
		return err
	}
	failure, ok := errors.AsType[*fault.Error](err)
	v.mu.Lock()
	again := !ok && v.starts[item.Record.UID] < maxStarts
	v.mu.Unlock()
	if again {
		return err
	}
	v.heard(item.Record.UID)
	if !ok {
		v.Log.Error("machine does not start", "machine", item.Record.ID, "error", err)
		failure = fault.Newf("AllocationFailed", "The VM '%s' could not be started: %v", nameOf(item), err)
	}
	return fail(failure)
}

// runs reports whether the machine's present start is still running.
func (v *VMs) runs(ctx context.Context, item machine.Item) (bool, error) {
	if item.VM.BootID == "" {
		return false, nil
	}
	running, err := v.Provider.List(ctx)
	for _, i := range running {
		if i.ID == item.Record.UID && i.BootID == item.VM.BootID {
			return true, err
		}
	}
	return false, err
}

// halt is power off and deallocate; the disk stays.
func (v *VMs) halt(ctx context.Context, item machine.Item, op resource.Operation, state string) error {
	if err := v.halted(ctx, item); err != nil {
		return err
	}
	return v.Machines.End(ctx, op, nil, state)
}

// halted leaves nothing of the machine running.
func (v *VMs) halted(ctx context.Context, item machine.Item) error {
	v.SSH.CloseSSH(item.Record.UID)
	v.SSH.Drop(item.Record.UID)
	if err := v.Provider.Destroy(ctx, item.Record.UID); err != nil {
		return err
	}
	return v.Machines.Halted(ctx, item, "")
}
