package machine

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Kinds of the operations this room begins; schedule ends them.
const (
	OpCreate     = "vms.create"
	OpStart      = "vms.start"
	OpPowerOff   = "vms.powerOff"
	OpDeallocate = "vms.deallocate"
	OpRestart    = "vms.restart"
	OpDelete     = "vms.delete"
)

// Machines is the room: every act on virtual machines.
type Machines struct {
	Store  resource.Store
	Clock  resource.Clock
	Images *gallery.Images
	// Region gives short and display name of a region; ok is false for an
	// unknown one.
	Region func(name string) (short, display string, ok bool)
	// Wake tells the loop that there is something to do; nil is allowed.
	Wake func()
}

var _ gallery.Sources = (*Machines)(nil)

// Change is what a write did. Operation is nil when it ended at once.
type Change struct {
	Item
	Operation *resource.Operation
	Created   bool
}

func (m *Machines) wake() {
	if m.Wake != nil {
		m.Wake()
	}
}

// Put creates a machine and its disk, or changes tags, and the size of one that
// is deallocated.
func (m *Machines) Put(ctx context.Context, s Spec) (Change, error) {
	if s.Location == "" {
		return Change{}, fault.New("LocationRequired", "The location property is required for this definition.").With("target", "location")
	}
	short, _, ok := m.Region(s.Location)
	if !ok {
		return Change{}, fault.Newf("LocationNotAvailableForResourceType",
			"The provided location '%s' is not available for resource type '%s'.", s.Location, TypeVM).With("target", "location")
	}
	s.Location = short
	old, err := m.Get(ctx, s.ID)
	if err != nil && !fault.Is(err, "ResourceNotFound") {
		return Change{}, err
	}
	exists := err == nil
	if err := s.check(!exists); err != nil {
		return Change{}, err
	}
	if exists {
		return m.update(ctx, old, s)
	}
	return m.create(ctx, s)
}

func (m *Machines) create(ctx context.Context, s Spec) (Change, error) {
	now := m.Clock.Now()
	vm := VM{
		VMID: uuid.NewString(), Size: s.Size, ComputerName: s.ComputerName, Network: s.Network, Echo: s.Echo,
		Power: Starting, PowerAt: now,
	}
	if err := m.profile(ctx, &vm, s); err != nil {
		return Change{}, err
	}
	all, err := m.List(ctx, "")
	if err != nil {
		return Change{}, err
	}
	vm.Number = freeNumber(all)
	if err := m.disk(ctx, &vm, s); err != nil {
		return Change{}, err
	}
	rec := resource.Record{
		ID: s.ID.String(), UID: uuid.NewString(), Location: s.Location, Tags: s.Tags,
		State: resource.Creating, Created: now, Modified: now,
	}
	if err := rec.Encode(vm); err != nil {
		return Change{}, err
	}
	op := m.operation(rec, OpCreate, now)
	if err := m.Store.CreateResource(ctx, rec, op); err != nil {
		return Change{}, err
	}
	m.wake()
	return Change{Item{rec, vm}, op, true}, nil
}

// profile resolves the image and the administrator.
func (m *Machines) profile(ctx context.Context, vm *VM, s Spec) error {
	if s.DiskOption == "Attach" {
		return nil
	}
	o, err := m.Images.Resolve(ctx, s.Origin, s.Location)
	if err != nil {
		return err
	}
	vm.Reference, vm.ImageID, vm.ExactVersion, vm.Generation = s.Origin.Reference, s.Origin.ID, o.Exact, o.Gen
	if o.OSType == "Windows" {
		return invalid("imageReference", "The image runs Windows, which no provider of this deployment does.")
	}
	switch {
	case o.State == gallery.Generalized && !s.HasProfile:
		return required("osProfile")
	case o.State == gallery.Specialized && s.HasProfile:
		return invalid("osProfile", "Parameter 'osProfile' is not allowed: the image is specialized.")
	case !s.HasProfile:
		return nil
	}
	if vm.ComputerName == "" {
		vm.ComputerName = s.ID.Name()
	}
	vm.Admin = &Admin{Name: s.AdminName, DisablePassword: s.NoPassword, Keys: s.Keys}
	if s.Password != "" {
		hash, err := identity.HashPassword("adminPassword", s.Password)
		if err != nil {
			return err
		}
		vm.Admin.PasswordHash = hash
	}
	return nil
}

// disk makes or attaches the machine's disk, which carries the machine's id
// before the machine exists: a crash in between leaves a disk that a repeated
// request takes up again.
func (m *Machines) disk(ctx context.Context, vm *VM, s Spec) error {
	vm.OSDisk = OSDisk{Option: s.DiskOption, Caching: s.Caching, StorageType: s.StorageType, DeleteOption: s.DeleteOption, Name: s.DiskName}
	if vm.OSDisk.Caching == "" {
		vm.OSDisk.Caching = "ReadWrite"
	}
	if vm.OSDisk.DeleteOption == "" {
		vm.OSDisk.DeleteOption = "Detach"
	}
	if s.DiskOption == "Attach" {
		id, err := resource.ParseID(s.DiskID)
		if err != nil {
			return err
		}
		d, err := m.Images.GetDisk(ctx, id)
		if err != nil {
			return err
		}
		if d.Body.OSType == "" {
			return invalid("osDisk.managedDisk.id", "The disk '%s' holds no operating system.", d.Record.ID)
		}
		vm.OSDisk.ID, vm.OSDisk.Name, vm.OSDisk.OSType, vm.OSDisk.SizeGB = d.Record.ID, id.Name(), d.Body.OSType, d.Body.SizeGB
		vm.OSDisk.StorageType = d.Body.SKU
		return m.Images.Attach(ctx, d.Record.ID, s.ID.String())
	}
	if vm.OSDisk.Name == "" {
		vm.OSDisk.Name = s.ID.Name() + "_OsDisk_1_" + strings.ReplaceAll(vm.VMID, "-", "")
	}
	id := s.ID.Group().In(s.ID.Provider).Child("disks", vm.OSDisk.Name)
	if old, err := m.Images.GetDisk(ctx, id); err == nil && !strings.EqualFold(old.Body.ManagedBy, s.ID.String()) {
		return fault.Newf("Conflict", "Disk '%s' already exists in resource group %s. Only CreateOption.Attach is supported.",
			id.Name(), id.ResourceGroup).With("target", "osDisk.name")
	} else if err == nil {
		vm.OSDisk.ID, vm.OSDisk.OSType, vm.OSDisk.SizeGB, vm.OSDisk.StorageType = old.Record.ID, old.Body.OSType, old.Body.SizeGB, old.Body.SKU
		return nil
	}
	made, err := m.Images.PutDisk(ctx, gallery.DiskSpec{
		ID: id, Location: s.Location, SKU: s.StorageType, Option: gallery.FromImage, Origin: s.Origin,
		SizeGB: s.DiskGB, Reserved: s.ID.String(),
	})
	if err != nil {
		return err
	}
	vm.OSDisk.ID, vm.OSDisk.OSType, vm.OSDisk.SizeGB, vm.OSDisk.StorageType = made.Record.ID, made.Body.OSType, made.Body.SizeGB, made.Body.SKU
	return nil
}

func (m *Machines) update(ctx context.Context, old Item, s Spec) (Change, error) {
	if resource.Fold(old.Record.Location) != resource.Fold(s.Location) {
		return Change{}, fault.Newf("InvalidResourceLocation", "The resource '%s' already exists in location '%s' in resource group '%s'. "+
			"A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
			s.ID.Name(), old.Record.Location, s.ID.ResourceGroup, s.Location)
	}
	item, err := m.change(ctx, old.Record, nil, func(rec *resource.Record, vm *VM) error {
		if err := settled(rec); err != nil {
			return err
		}
		if s.Size != "" && !strings.EqualFold(vm.Size, s.Size) {
			if vm.Power != Deallocated {
				return fault.Newf("OperationNotAllowed", "The size of VM '%s' can be changed only while it is deallocated.", s.ID.Name())
			}
			vm.Size = s.Size
		}
		if vm.Admin != nil && s.AdminName != "" && s.AdminName != vm.Admin.Name {
			return fault.New("PropertyChangeNotAllowed", "Changing property 'osProfile.adminUsername' is not allowed.").With("target", "osProfile.adminUsername")
		}
		rec.Tags, rec.Modified = s.Tags, m.Clock.Now()
		if s.Network != nil {
			vm.Network = s.Network
		}
		return nil
	})
	return Change{Item: item}, err
}

// freeNumber is the smallest number no machine has.
func freeNumber(all []Item) int {
	used := map[int]bool{}
	for _, i := range all {
		used[i.VM.Number] = true
	}
	n := 0
	for used[n] {
		n++
	}
	return n
}

func (m *Machines) operation(rec resource.Record, kind string, now resource.Ticks) *resource.Operation {
	return &resource.Operation{
		GUID: uuid.NewString(), ResourceID: rec.ID, UID: rec.UID, Kind: kind,
		Status: resource.InProgress, Location: rec.Location, Start: now,
	}
}

// Owns reports whether operations of the kind are this room's.
func Owns(kind string) bool {
	switch kind {
	case OpCreate, OpStart, OpPowerOff, OpDeallocate, OpRestart, OpDelete:
		return true
	}
	return false
}
