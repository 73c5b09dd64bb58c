package schedule

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/machine"
	"millpond/internal/resource"
)

type machineDisk = gallery.Item[gallery.Disk]

func diskOf(ctx context.Context, rooms *gallery.Images, text string) (machineDisk, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		return machineDisk{}, err
	}
	return rooms.GetDisk(ctx, id)
}

// remove takes a machine away: what runs, its folders, its disk or the hold on
// it, then the row, then the operations. Every step may be repeated.
func (v *VMs) remove(ctx context.Context, item machine.Item, ops []resource.Operation) error {
	if err := v.halted(ctx, item); err != nil {
		return err
	}
	if err := v.Worker.Remove(ctx, v.state(item.Record.UID)); err != nil {
		return err
	}
	if err := v.letGo(ctx, item); err != nil {
		return err
	}
	if err := v.Machines.Images.Roles.DropScope(ctx, item.Record.ID); err != nil {
		return err
	}
	if err := v.Machines.Store.DeleteResource(ctx, item.Record.ID, nil); err != nil {
		return err
	}
	return v.gone(ctx, ops)
}

// letGo frees the machine's disk, or deletes it with the machine where the
// request that made it said so.
func (v *VMs) letGo(ctx context.Context, item machine.Item) error {
	disk, err := diskOf(ctx, v.Machines.Images, item.VM.OSDisk.ID)
	if fault.Is(err, "ResourceNotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	if !sameID(disk.Body.ManagedBy, item.Record.ID) {
		return nil
	}
	if err := v.Machines.Images.Attach(ctx, disk.Record.ID, ""); err != nil {
		return err
	}
	if item.VM.OSDisk.DeleteOption != "Delete" {
		return nil
	}
	id, err := resource.ParseID(disk.Record.ID)
	if err != nil {
		return err
	}
	_, err = v.Machines.Images.Delete(ctx, id)
	return err
}

func sameID(a, b string) bool { return resource.Fold(a) == resource.Fold(b) }

func nameOf(item machine.Item) string {
	id, err := resource.ParseID(item.Record.ID)
	if err != nil {
		return item.Record.UID
	}
	return id.Name()
}
