package gallery

import (
	"context"

	"millpond/internal/resource"
)

// Snapshot is a frozen disk: the disk's layers and, on top, its writable part
// as it was when the operation ran.
type Snapshot struct {
	SKU         string   `json:"sku"`
	OSType      string   `json:"osType,omitempty"`
	Generation  string   `json:"generation,omitempty"`
	Creation    Creation `json:"creation"`
	SizeGB      int      `json:"sizeGb"`
	Incremental bool     `json:"incremental,omitempty"`
	Content     Content  `json:"content"`
}

// SnapshotSpec is what PUT asks for.
type SnapshotSpec struct {
	ID          resource.ID
	Location    string
	Tags        map[string]string
	SKU         string
	OSType      string
	Generation  string
	Option      string // Copy
	SourceID    string // a disk or snapshot
	Incremental bool
}

// PutSnapshot freezes a disk (or copies a snapshot); for one that exists only
// tags and SKU may change.
func (g *Images) PutSnapshot(ctx context.Context, s SnapshotSpec) (Change[Snapshot], error) {
	location, err := g.region(s.Location, TypeSnapshot)
	if err != nil {
		return Change[Snapshot]{}, err
	}
	if err := checkName("snapshotName", s.ID.Name()); err != nil {
		return Change[Snapshot]{}, err
	}
	return write(ctx, g, put[Snapshot]{
		id: s.ID, location: location, tags: s.Tags, kind: OpCreateSnapshot,
		create: func() (Snapshot, error) { return g.newSnapshot(ctx, s, location) },
		update: func(old Snapshot) (Snapshot, error) {
			if s.SourceID != "" && resource.Fold(s.SourceID) != resource.Fold(old.Creation.SourceID) {
				return old, changed("snapshot.creationData.sourceResourceId")
			}
			if s.SKU != "" {
				old.SKU = s.SKU
			}
			return old, nil
		},
	})
}

func (g *Images) newSnapshot(ctx context.Context, s SnapshotSpec, location string) (Snapshot, error) {
	n := Snapshot{SKU: s.SKU, OSType: s.OSType, Generation: s.Generation, Incremental: s.Incremental}
	if n.SKU == "" {
		n.SKU = "Standard_LRS"
	}
	var err error
	if n.Creation.Option, err = oneOf("snapshot.creationData.createOption", s.Option, Copy); err != nil {
		return n, err
	}
	src, err := g.source(ctx, "snapshot.creationData.sourceResourceId", s.SourceID, location)
	if err != nil {
		return n, err
	}
	n.Creation.SourceID, n.Creation.SourceUID = src.id, src.uid
	n.OSType, n.Generation, n.SizeGB = firstOf(n.OSType, src.osType), firstOf(n.Generation, src.gen), src.sizeGB
	return n, nil
}

// GetSnapshot reads one snapshot.
func (g *Images) GetSnapshot(ctx context.Context, id resource.ID) (Item[Snapshot], error) {
	rec, s, err := get[Snapshot](ctx, g, id)
	return Item[Snapshot]{rec, s}, err
}

// ListSnapshots lists the snapshots below a subscription or group.
func (g *Images) ListSnapshots(ctx context.Context, under string) ([]Item[Snapshot], error) {
	return list[Snapshot](ctx, g, TypeSnapshot, under)
}
