package gallery

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// States of an image's operating system.
const (
	Generalized = "Generalized"
	Specialized = "Specialized"
)

// Image is a managed image as stored.
type Image struct {
	SourceVM    string   `json:"sourceVm,omitempty"`
	OSType      string   `json:"osType"`
	OSState     string   `json:"osState"`
	Generation  string   `json:"generation"`
	SourceID    string   `json:"sourceId"`   // snapshot or disk of the operating system
	SourceKind  string   `json:"sourceKind"` // snapshot or managedDisk, as it was given
	Caching     string   `json:"caching"`
	StorageType string   `json:"storageType"`
	SizeGB      int      `json:"sizeGb"`
	Zones       bool     `json:"zones,omitempty"` // zoneResilient
	Users       []string `json:"users,omitempty"` // of the source machine, left out
	Content     Content  `json:"content"`
}

// ImageSpec is what PUT asks for: SourceVM, or SourceID with OSType and OSState.
type ImageSpec struct {
	ID            resource.ID
	Location      string
	Tags          map[string]string
	Generation    string
	SourceVM      string
	OSType        string
	OSState       string
	SourceID      string
	SourceKind    string // snapshot or managedDisk
	Caching       string
	StorageType   string
	ZoneResilient bool
}

// PutImage makes a managed image from a generalized machine or from a snapshot
// or disk; of one that exists only the tags change.
func (g *Images) PutImage(ctx context.Context, s ImageSpec) (Change[Image], error) {
	location, err := g.region(s.Location, TypeImage)
	if err != nil {
		return Change[Image]{}, err
	}
	if err := checkName("imageName", s.ID.Name()); err != nil {
		return Change[Image]{}, err
	}
	return write(ctx, g, put[Image]{
		id: s.ID, location: location, tags: s.Tags, kind: OpCreateImage,
		create: func() (Image, error) { return g.newImage(ctx, s, location) },
		update: func(old Image) (Image, error) {
			switch {
			case s.SourceVM != "" && resource.Fold(s.SourceVM) != resource.Fold(old.SourceVM):
				return old, changed("sourceVirtualMachine")
			case s.SourceID != "" && resource.Fold(s.SourceID) != resource.Fold(old.SourceID):
				return old, changed("osDisk.snapshot")
			}
			return old, nil
		},
	})
}

func (g *Images) newImage(ctx context.Context, s ImageSpec, location string) (Image, error) {
	n := Image{Zones: s.ZoneResilient}
	var p fault.Problems
	opt := func(target, value, fallback string, allowed ...string) string {
		v, err := oneOf(target, firstOf(value, fallback), allowed...)
		p.Add(err)
		return v
	}
	n.Caching = opt("image.storageProfile.osDisk.caching", s.Caching, "None", "None", "ReadOnly", "ReadWrite")
	n.StorageType = opt("image.storageProfile.osDisk.storageAccountType", s.StorageType, "Standard_LRS",
		"Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_ZRS", "PremiumV2_LRS", "UltraSSD_LRS")
	n.Generation = opt("image.hyperVGeneration", s.Generation, "V1", "V1", "V2")
	if s.SourceVM == "" {
		n.OSType = opt("image.storageProfile.osDisk.osType", s.OSType, "", "Linux", "Windows")
		n.OSState = opt("image.storageProfile.osDisk.osState", s.OSState, "", Generalized, Specialized)
	}
	if err := p.Joined(); err != nil {
		return n, err
	}
	switch {
	case s.SourceVM != "" && s.SourceID != "":
		return n, invalid("image.sourceVirtualMachine", "Parameters 'sourceVirtualMachine' and 'storageProfile.osDisk' exclude each other.")
	case s.SourceVM != "":
		return g.imageOfMachine(ctx, n, s, location)
	case s.SourceID == "":
		return n, required("image.storageProfile.osDisk")
	}
	src, err := g.source(ctx, "image.storageProfile.osDisk."+s.SourceKind, s.SourceID, location)
	if err != nil {
		return n, err
	}
	n.SourceID, n.SourceKind, n.SizeGB = src.id, s.SourceKind, src.sizeGB
	if src.osType == "" {
		return n, invalid("image.storageProfile.osDisk", "The source '%s' holds no operating system: it descends from no image.", src.id)
	}
	if src.osType != n.OSType {
		return n, invalid("image.storageProfile.osDisk.osType", "The osType '%s' does not match the osType '%s' of the source '%s'.", n.OSType, src.osType, src.id)
	}
	return n, nil
}

// imageOfMachine captures a machine's OS disk: stopped and generalized only.
func (g *Images) imageOfMachine(ctx context.Context, n Image, s ImageSpec, location string) (Image, error) {
	id, err := resource.ParseID(s.SourceVM)
	if err != nil {
		return n, err
	}
	vm, err := g.Sources.SourceVM(ctx, id.String())
	if fault.Is(err, "ResourceNotFound") {
		return n, NotFound(id)
	}
	if err != nil {
		return n, err
	}
	if resource.Fold(vm.Location) != resource.Fold(location) {
		return n, invalid("image.location", "The virtual machine '%s' is in location '%s' and the image in '%s': they must be in the same location.", vm.ID, vm.Location, location)
	}
	if !vm.Generalized {
		return n, fault.Newf("OperationNotAllowed", "Operation 'Capture' is not allowed on VM '%s' since the VM is not generalized.", id.Name()).With("target", "vm")
	}
	src, err := g.source(ctx, "image.sourceVirtualMachine", vm.OSDisk, location)
	if err != nil {
		return n, err
	}
	n.SourceVM, n.SourceID, n.SourceKind, n.SizeGB = vm.ID, src.id, "managedDisk", src.sizeGB
	n.OSType, n.OSState, n.Users = src.osType, Generalized, vm.Users
	return n, nil
}

// GetImage reads one managed image.
func (g *Images) GetImage(ctx context.Context, id resource.ID) (Item[Image], error) {
	rec, i, err := get[Image](ctx, g, id)
	return Item[Image]{rec, i}, err
}

// ListImages lists the managed images below a subscription or group.
func (g *Images) ListImages(ctx context.Context, under string) ([]Item[Image], error) {
	return list[Image](ctx, g, TypeImage, under)
}

// changed is Azure's refusal to alter what is fixed at creation.
func changed(property string) *fault.Error {
	return fault.Newf("PropertyChangeNotAllowed", "Changing property '%s' is not allowed.", property).With("target", property)
}
