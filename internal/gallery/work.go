package gallery

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Works reports whether Work ends operations of this kind.
func (g *Images) Works(kind string) bool {
	switch kind {
	case OpCreateDisk, OpCreateSnapshot, OpCreateImage, OpCreateGallery, OpCreateDefinition, OpReplicate, OpDelete:
		return true
	}
	return false
}

// Work does what an open operation of this room asks for and ends it. It is
// idempotent: after a crash the next call begins again. An error is one that
// another attempt may not meet; what cannot succeed ends the operation Failed.
func (g *Images) Work(ctx context.Context, op resource.Operation) error {
	rec, err := g.Store.GetResource(ctx, op.ResourceID)
	gone := fault.Is(err, "ResourceNotFound") || err == nil && rec.UID != op.UID
	switch {
	case gone && op.Kind == OpDelete:
		return g.Store.EndOperation(ctx, op.GUID, nil, nil)
	case gone:
		return g.Store.EndOperation(ctx, op.GUID, fault.New("OperationNotAllowed", "The resource was deleted while it was being made."), nil)
	case err != nil:
		return err
	}
	change, err := g.act(ctx, op, rec)
	if err != nil {
		if fault.CodeOf(err) == "" || ctx.Err() != nil {
			return err
		}
		return g.Fail(ctx, op, err)
	}
	if op.Kind == OpDelete {
		return g.Store.EndOperation(ctx, op.GUID, nil, nil)
	}
	return g.Store.EndOperation(ctx, op.GUID, nil, func(rec *resource.Record) error {
		rec.State = resource.Succeeded
		if change == nil {
			return nil
		}
		return change(rec)
	})
}

// Fail ends an operation without success; the resource stays, Failed, until
// somebody deletes or repeats it.
func (g *Images) Fail(ctx context.Context, op resource.Operation, why error) error {
	failure, ok := errors.AsType[*fault.Error](why)
	if !ok {
		failure = fault.New("InternalError", "An internal execution error occurred. Please retry later.").Because(why)
	}
	return g.Store.EndOperation(ctx, op.GUID, failure, func(rec *resource.Record) error {
		rec.State = resource.Failed
		if op.Kind == OpCreateDisk {
			// A machine that waits for its disk tells its own client why.
			return decoded(func(d *Disk) { d.Failure = failure.Message })(rec)
		}
		return nil
	})
}

func (g *Images) act(ctx context.Context, op resource.Operation, rec resource.Record) (func(*resource.Record) error, error) {
	switch op.Kind {
	case OpCreateDisk:
		return g.makeDisk(ctx, rec)
	case OpCreateSnapshot:
		return g.makeSnapshot(ctx, rec)
	case OpCreateImage:
		return g.makeImage(ctx, rec)
	case OpReplicate:
		return g.replicate(ctx, rec)
	case OpDelete:
		return nil, g.remove(ctx, rec)
	}
	return nil, nil // galleries and definitions are rows only
}

// remove deletes a resource's files and role assignments, then its row: whoever
// makes its namesake must not inherit who may use it.
func (g *Images) remove(ctx context.Context, rec resource.Record) error {
	id, err := resource.ParseID(rec.ID)
	if err != nil {
		return err
	}
	if id.Is(TypeDisk) {
		if err := g.Worker.Remove(ctx, g.DiskAt(rec.UID).Path); err != nil {
			return err
		}
	}
	if err := g.Roles.DropScope(ctx, rec.ID); err != nil {
		return err
	}
	return g.Store.DeleteResource(ctx, rec.ID, nil)
}

// decoded makes a record change of a change of the room's part.
func decoded[T any](change func(*T)) func(*resource.Record) error {
	return func(rec *resource.Record) error {
		body, err := resource.Decode[T](*rec)
		if err != nil {
			return err
		}
		change(&body)
		return rec.Encode(body)
	}
}

func (g *Images) makeDisk(ctx context.Context, rec resource.Record) (func(*resource.Record) error, error) {
	d, err := resource.Decode[Disk](rec)
	if err != nil {
		return nil, err
	}
	content, err := g.contentOf(ctx, d.Creation, rec.Location)
	if err != nil {
		return nil, err
	}
	to := g.DiskAt(rec.UID)
	id, err := resource.ParseID(d.Creation.SourceID)
	if d.Creation.Option == Copy && err == nil && id.Is(TypeDisk) {
		err = g.Worker.CopyDisk(ctx, g.DiskAt(d.Creation.SourceUID), to)
	} else {
		err = g.Worker.Clone(ctx, to)
	}
	if err != nil {
		return nil, err
	}
	return decoded(func(d *Disk) { d.Content = content }), nil
}

// contentOf finds the layers a new disk stands on.
func (g *Images) contentOf(ctx context.Context, c Creation, region string) (Content, error) {
	switch c.Option {
	case Copy:
		_, content, err := g.sourceContent(ctx, c.SourceID, c.SourceUID)
		return content, err
	case FromImage:
		o := Origin{ID: c.ImageID}
		if c.Reference != "" {
			ref, err := parseReference(c.Reference)
			if err != nil {
				return Content{}, err
			}
			o = Origin{Reference: &ref}
		}
		original, err := g.Resolve(ctx, o, region)
		if err != nil {
			return Content{}, err
		}
		return g.Fetch(ctx, original)
	}
	return Content{}, nil
}

// sourceContent gives the record and the layers of a disk (without its
// writable part) or snapshot that has not changed its identity.
func (g *Images) sourceContent(ctx context.Context, text, uid string) (resource.Record, Content, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		return resource.Record{}, Content{}, err
	}
	var rec resource.Record
	var content Content
	if id.Is(TypeDisk) {
		var d Disk
		rec, d, err = get[Disk](ctx, g, id)
		content = d.Content
	} else {
		var s Snapshot
		rec, s, err = get[Snapshot](ctx, g, id)
		content = s.Content
	}
	if err == nil && uid != "" && rec.UID != uid {
		err = NotFound(id)
	}
	return rec, content, err
}

// makeSnapshot freezes a disk: its layers and its writable part as one more.
func (g *Images) makeSnapshot(ctx context.Context, rec resource.Record) (func(*resource.Record) error, error) {
	s, err := resource.Decode[Snapshot](rec)
	if err != nil {
		return nil, err
	}
	content, err := g.freeze(ctx, s.Creation.SourceID, s.Creation.SourceUID, false, nil)
	if err != nil {
		return nil, err
	}
	return decoded(func(s *Snapshot) { s.Content = content }), nil
}

func (g *Images) makeImage(ctx context.Context, rec resource.Record) (func(*resource.Record) error, error) {
	i, err := resource.Decode[Image](rec)
	if err != nil {
		return nil, err
	}
	content, err := g.freeze(ctx, i.SourceID, "", i.OSState == Generalized, i.Users)
	if err != nil {
		return nil, err
	}
	return decoded(func(i *Image) { i.Content = content }), nil
}
