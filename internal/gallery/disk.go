package gallery

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Options of creation (creationData.createOption).
const (
	FromImage = "FromImage"
	Copy      = "Copy"
	Empty     = "Empty"
)

// Disk is a Microsoft.Compute disk as stored: a tree it stands on and a
// writable folder, disks/UID.
type Disk struct {
	SKU        string   `json:"sku"`
	OSType     string   `json:"osType,omitempty"`
	Generation string   `json:"generation,omitempty"`
	Creation   Creation `json:"creation"`
	SizeGB     int      `json:"sizeGb"`
	ManagedBy  string   `json:"managedBy,omitempty"` // id of the machine it is attached to
	Zones      []string `json:"zones,omitempty"`
	Content    Content  `json:"content"`           // below the writable part
	Failure    string   `json:"failure,omitempty"` // why it could not be made
}

// Creation says what a disk or snapshot was made from.
type Creation struct {
	Option    string `json:"option"`
	Reference string `json:"reference,omitempty"` // publisher:offer:sku:version of a Marketplace-style image
	ImageID   string `json:"imageId,omitempty"`   // gallery version or managed image
	SourceID  string `json:"sourceId,omitempty"`
	SourceUID string `json:"sourceUid,omitempty"`
}

// DiskSpec is what PUT asks for.
type DiskSpec struct {
	ID         resource.ID
	Location   string
	Tags       map[string]string
	SKU        string
	OSType     string
	Generation string
	Option     string
	Origin     Origin // FromImage
	SourceID   string // Copy: a disk or snapshot
	SizeGB     int    // 0 = the source's
	Zones      []string
	Reserved   string // id of the machine that is made with this disk; only machine sets it
}

// PutDisk creates a disk, or changes the size, SKU and tags of one.
func (g *Images) PutDisk(ctx context.Context, s DiskSpec) (Change[Disk], error) {
	location, err := g.region(s.Location, TypeDisk)
	if err != nil {
		return Change[Disk]{}, err
	}
	if err := checkName("diskName", s.ID.Name()); err != nil {
		return Change[Disk]{}, err
	}
	if s.SizeGB < 0 || s.SizeGB > 32767 {
		return Change[Disk]{}, invalid("disk.diskSizeGB", "The value '%d' of parameter 'disk.diskSizeGB' is out of range. It must be from 1 to 32767.", s.SizeGB)
	}
	return write(ctx, g, put[Disk]{
		id: s.ID, location: location, tags: s.Tags, kind: OpCreateDisk,
		create: func() (Disk, error) { return g.newDisk(ctx, s, location) },
		update: func(old Disk) (Disk, error) {
			if s.SizeGB != 0 && s.SizeGB < old.SizeGB {
				return old, invalid("disk.diskSizeGB", "The new disk size %d GB is smaller than the present size %d GB: disks cannot be shrunk.", s.SizeGB, old.SizeGB)
			}
			if s.SizeGB != 0 {
				old.SizeGB = s.SizeGB
			}
			if s.SKU != "" {
				old.SKU = s.SKU
			}
			return old, nil
		},
	})
}

func (g *Images) newDisk(ctx context.Context, s DiskSpec, location string) (Disk, error) {
	d := Disk{SKU: s.SKU, OSType: s.OSType, Generation: s.Generation, SizeGB: s.SizeGB, Zones: s.Zones, ManagedBy: s.Reserved}
	if d.SKU == "" {
		d.SKU = "Standard_LRS"
	}
	option, err := oneOf("disk.creationData.createOption", s.Option, Empty, Copy, FromImage)
	if err != nil {
		return d, err
	}
	d.Creation.Option = option
	switch option {
	case Empty:
		if s.SizeGB == 0 {
			return d, required("disk.diskSizeGB")
		}
	case Copy:
		src, err := g.source(ctx, "disk.creationData.sourceResourceId", s.SourceID, location)
		if err != nil {
			return d, err
		}
		d.Creation.SourceID, d.Creation.SourceUID = src.id, src.uid
		d.OSType, d.Generation = firstOf(d.OSType, src.osType), firstOf(d.Generation, src.gen)
		d.SizeGB = max(d.SizeGB, src.sizeGB)
	case FromImage:
		o, err := g.Resolve(ctx, s.Origin, location)
		if err != nil {
			return d, err
		}
		d.Creation.ImageID = o.ID
		if o.Reference != nil {
			l := o.Lineage
			d.Creation.Reference = l.Publisher + ":" + l.Offer + ":" + l.SKU + ":" + o.Exact
		}
		d.OSType, d.Generation = o.OSType, firstOf(d.Generation, o.Gen)
		d.SizeGB = max(d.SizeGB, o.SizeGB)
	}
	return d, nil
}

// GetDisk reads one disk.
func (g *Images) GetDisk(ctx context.Context, id resource.ID) (Item[Disk], error) {
	rec, d, err := get[Disk](ctx, g, id)
	return Item[Disk]{rec, d}, err
}

// ListDisks lists the disks below a subscription or group.
func (g *Images) ListDisks(ctx context.Context, under string) ([]Item[Disk], error) {
	return list[Disk](ctx, g, TypeDisk, under)
}

// Attach marks a disk as a machine's, or free again when machine is "". It is
// refused while the disk belongs to another machine.
func (g *Images) Attach(ctx context.Context, diskID, machine string) error {
	_, err := g.Store.UpdateResource(ctx, diskID, nil, func(rec *resource.Record) error {
		d, err := resource.Decode[Disk](*rec)
		if err != nil {
			return err
		}
		if machine != "" && d.ManagedBy != "" && !strings.EqualFold(d.ManagedBy, machine) {
			return fault.Newf("DiskInUse", "Disk %s is attached to VM %s.", rec.ID, d.ManagedBy).With("target", "osDisk")
		}
		d.ManagedBy = machine
		return rec.Encode(d)
	})
	return err
}

// source is a disk or snapshot somebody wants to copy.
type source struct {
	id, uid, osType, gen string
	sizeGB               int
}

func (g *Images) source(ctx context.Context, target, text, location string) (source, error) {
	if text == "" {
		return source{}, required(target)
	}
	id, err := resource.ParseID(text)
	if err != nil {
		return source{}, err
	}
	var rec resource.Record
	var out source
	switch {
	case id.Is(TypeDisk):
		var d Disk
		if rec, d, err = get[Disk](ctx, g, id); err == nil {
			out = source{osType: d.OSType, gen: d.Generation, sizeGB: d.SizeGB}
		}
	case id.Is(TypeSnapshot):
		var s Snapshot
		if rec, s, err = get[Snapshot](ctx, g, id); err == nil {
			out = source{osType: s.OSType, gen: s.Generation, sizeGB: s.SizeGB}
		}
	default:
		err = invalid(target, "The value '%s' of parameter '%s' must be the id of a disk or of a snapshot.", text, target)
	}
	if err != nil {
		return source{}, err
	}
	if rec.State != resource.Succeeded {
		return source{}, notReady(id, rec.State)
	}
	if location != "" && resource.Fold(rec.Location) != resource.Fold(location) {
		return source{}, invalid(target, "The source '%s' is in location '%s' and the target in '%s': they must be in the same location.", rec.ID, rec.Location, location)
	}
	out.id, out.uid = rec.ID, rec.UID
	return out, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
