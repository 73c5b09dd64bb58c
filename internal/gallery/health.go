package gallery

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/layer"
	"millpond/internal/resource"
)

// Damage is what verification found in one replica.
type Damage struct {
	VersionID string
	Region    string // short name
	Index     int
	Path      string
	Reason    string
}

// VerifyReplicas compares every unpacked copy of every version with its blobs
// and takes the damaged ones out of service, so that the others serve. It gives
// the damage it found; RepairReplicas makes those copies anew.
func (g *Images) VerifyReplicas(ctx context.Context) ([]Damage, error) {
	var found []Damage
	err := g.eachReplica(ctx, ReplicaReady, func(item Item[Version], r Replica) error {
		err := g.copies(r.Region, r.folder()).Verify(ctx, g.Worker, g.Blobs, item.Body.Content.Stack)
		damage, ok := errors.AsType[*layer.Damage](err)
		if !ok {
			return err
		}
		found = append(found, Damage{item.Record.ID, r.Region, r.Index, damage.Path, damage.Reason})
		r.State, r.Detail = ReplicaDamaged, "damaged: "+damage.Path+": "+damage.Reason
		return g.markReplica(ctx, item.Record, r)
	})
	if len(found) > 0 {
		g.Wake() // their repair
	}
	return found, err
}

// RepairReplicas unpacks the copies that verification found damaged anew from
// their blobs and puts them back into service; it gives how many.
func (g *Images) RepairReplicas(ctx context.Context) (int, error) {
	repaired := 0
	err := g.eachReplica(ctx, ReplicaDamaged, func(item Item[Version], r Replica) error {
		r.Repairs++
		if _, err := g.ensure(ctx, r.Region, r.folder(), item.Body.Content.Stack); err != nil {
			return err
		}
		repaired++
		r.State, r.Detail = ReplicaReady, ""
		return g.markReplica(ctx, item.Record, r)
	})
	return repaired, err
}

func (g *Images) eachReplica(ctx context.Context, state string, do func(Item[Version], Replica) error) error {
	versions, err := list[Version](ctx, g, TypeVersion, "")
	if err != nil {
		return err
	}
	for _, item := range versions {
		for _, r := range item.Body.Replicas {
			if r.State != state {
				continue
			}
			if err := do(item, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// markReplica records the state of one replica; a version that changed
// meanwhile (deleted, fewer replicas) is left alone.
func (g *Images) markReplica(ctx context.Context, rec resource.Record, r Replica) error {
	_, err := g.Store.UpdateResource(ctx, rec.ID, nil, func(now *resource.Record) error {
		if now.UID != rec.UID {
			return nil
		}
		v, err := resource.Decode[Version](*now)
		if err != nil {
			return err
		}
		for i := range v.Replicas {
			if v.Replicas[i].Region == r.Region && v.Replicas[i].Index == r.Index {
				v.Replicas[i] = r
			}
		}
		return now.Encode(v)
	})
	if fault.Is(err, "ResourceNotFound") {
		return nil
	}
	return err
}
