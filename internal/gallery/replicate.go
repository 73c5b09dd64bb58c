package gallery

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// replicate freezes a version's source once, then unpacks every replica that
// is wanted and not there. Each is recorded as it becomes whole, so that the
// progress is seen and a restart goes on where it was.
func (g *Images) replicate(ctx context.Context, rec resource.Record) (func(*resource.Record) error, error) {
	v, err := resource.Decode[Version](rec)
	if err != nil {
		return nil, err
	}
	if len(v.Content.Stack) == 0 {
		if v.Content, err = g.contentOfVersion(ctx, v); err != nil {
			return nil, err
		}
		if len(v.Content.Stack) == 0 {
			return nil, fault.Newf("InvalidParameter", "The source '%s' holds no operating system: it descends from no image.", v.SourceID)
		}
		content := v.Content
		if _, err := g.Store.UpdateResource(ctx, rec.ID, nil, decoded(func(v *Version) { v.Content = content })); err != nil {
			return nil, err
		}
	}
	failed, err := g.unpackReplicas(ctx, rec, v)
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, fault.Newf("ReplicationFailed", "The version '%s' could not be replicated to every region: %v", nameOf(rec), failed).Because(failed)
	}
	size := v.Content.SizeGB(30)
	return decoded(func(v *Version) { v.SizeGB = size }), nil
}

// replicasAtOnce bounds unpacking: one processor reads, the other writes.
const replicasAtOnce = 2

// unpackReplicas makes what is not there yet; failed is why one of them could
// not be made, err what another attempt may not meet.
func (g *Images) unpackReplicas(ctx context.Context, rec resource.Record, v Version) (failed, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(replicasAtOnce)
	for _, r := range v.Replicas {
		if r.State != ReplicaPending {
			continue // a damaged one is there, and RepairReplicas makes it anew
		}
		group.Go(func() error {
			_, err := g.ensure(ctx, r.Region, r.folder(), v.Content.Stack)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.State, r.Detail = ReplicaReady, ""
			if err != nil {
				r.State, r.Detail = ReplicaFailed, "could not be made: "+err.Error()
				mu.Lock()
				failed = err
				mu.Unlock()
			}
			return g.markReplica(ctx, rec, r)
		})
	}
	err = group.Wait()
	return failed, err
}

func (g *Images) contentOfVersion(ctx context.Context, v Version) (Content, error) {
	if v.SourceDisk != "" {
		return g.freeze(ctx, v.SourceDisk, "", v.Sweep, v.Users)
	}
	id, err := resource.ParseID(v.SourceID)
	if err != nil {
		return Content{}, err
	}
	if id.Is(TypeImage) {
		_, img, err := get[Image](ctx, g, id)
		return img.Content, err
	}
	_, other, err := get[Version](ctx, g, id)
	return other.Content, err
}

// parseReference reads the stored form publisher:offer:sku:version.
func parseReference(text string) (Reference, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return Reference{}, invalid("imageReference", "The image reference '%s' is not valid.", text)
	}
	return Reference{parts[0], parts[1], parts[2], parts[3]}, nil
}
