package gallery

import (
	"context"
	"regexp"
	"strconv"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Kinds of the operations this room begins; Work ends them.
const (
	OpCreateDisk       = "disks.create"
	OpCreateSnapshot   = "snapshots.create"
	OpCreateImage      = "images.create"
	OpCreateGallery    = "galleries.create"
	OpCreateDefinition = "definitions.create"
	OpReplicate        = "versions.replicate"
	OpDelete           = "compute.delete"
)

func itoa(n int) string { return strconv.Itoa(n) }

// put is the shared way of PUT: make the resource with the operation that ends
// it, or change the one that is there.
type put[T any] struct {
	id       resource.ID
	location string // short name
	tags     map[string]string
	kind     string // operation of a creation
	create   func() (T, error)
	// update changes an existing one; it is pure. Its operation's kind is
	// updateKind, and the change is done at once when that is empty.
	update     func(old T) (T, error)
	updateKind string
}

func write[T any](ctx context.Context, g *Images, p put[T]) (Change[T], error) {
	for {
		change, err := p.change(ctx, g)
		if !fault.Is(err, "ResourceNotFound") {
			return change, err
		}
		change, err = p.make(ctx, g)
		if !fault.Is(err, "ResourceExists") {
			return change, err
		}
	}
}

func (p *put[T]) make(ctx context.Context, g *Images) (Change[T], error) {
	body, err := p.create()
	if err != nil {
		return Change[T]{}, err
	}
	now := g.Clock.Now()
	rec := resource.Record{
		ID: p.id.String(), UID: newUID(), Location: p.location, Tags: p.tags,
		State: resource.Creating, Created: now, Modified: now,
	}
	if err := rec.Encode(body); err != nil {
		return Change[T]{}, err
	}
	op := g.operation(rec, p.kind, now)
	if err := g.Store.CreateResource(ctx, rec, op); err != nil {
		return Change[T]{}, err
	}
	g.Wake()
	return Change[T]{Item[T]{rec, body}, op, true}, nil
}

func (p *put[T]) change(ctx context.Context, g *Images) (Change[T], error) {
	rec, err := g.Store.GetResource(ctx, p.id.String())
	if err != nil {
		return Change[T]{}, err
	}
	if resource.Fold(rec.Location) != resource.Fold(p.location) {
		return Change[T]{}, fault.Newf("InvalidResourceLocation", "The resource '%s' already exists in location '%s' in resource group '%s'. "+
			"A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
			p.id.Name(), rec.Location, p.id.ResourceGroup, p.location)
	}
	now := g.Clock.Now()
	var op *resource.Operation
	if p.updateKind != "" {
		op = g.operation(rec, p.updateKind, now)
	}
	var body T
	rec, err = g.Store.UpdateResource(ctx, rec.ID, op, func(rec *resource.Record) error {
		if err := settled(p.id, rec); err != nil {
			return err
		}
		old, err := resource.Decode[T](*rec)
		if err != nil {
			return err
		}
		if body, err = p.update(old); err != nil {
			return err
		}
		rec.Tags, rec.Modified = p.tags, max(now, rec.Modified+1)
		if op != nil {
			rec.State = resource.Updating
		}
		return rec.Encode(body)
	})
	if err != nil {
		return Change[T]{}, err
	}
	if op != nil {
		g.Wake()
	}
	return Change[T]{Item[T]{rec, body}, op, false}, nil
}

// settled refuses a write while another one is under way.
func settled(id resource.ID, rec *resource.Record) error {
	switch rec.State {
	case resource.Succeeded, resource.Failed, resource.Canceled:
		return nil
	case resource.Deleting:
		return fault.Newf("Conflict", "The resource '%s' is being deleted.", id.Name())
	default:
		return fault.Newf("AnotherOperationInProgress", "Another operation is in progress on the resource '%s': it is %s. Retry when it has ended.",
			id.Name(), rec.State)
	}
}

func (g *Images) operation(rec resource.Record, kind string, now resource.Ticks) *resource.Operation {
	return &resource.Operation{
		GUID: newUID(), ResourceID: rec.ID, UID: rec.UID, Kind: kind,
		Status: resource.InProgress, Location: rec.Location, Start: now,
	}
}

// Delete begins the deletion of any resource of this room. A missing one is no
// error and gives nil: DELETE of what is gone is 204.
func (g *Images) Delete(ctx context.Context, id resource.ID) (*resource.Operation, error) {
	rec, err := g.Store.GetResource(ctx, id.String())
	if fault.Is(err, "ResourceNotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := g.deletable(ctx, id, rec); err != nil {
		return nil, err
	}
	op := g.operation(rec, OpDelete, g.Clock.Now())
	_, err = g.Store.UpdateResource(ctx, rec.ID, op, func(rec *resource.Record) error {
		if err := settled(id, rec); err != nil {
			return err
		}
		rec.State = resource.Deleting
		return nil
	})
	if fault.Is(err, "ResourceNotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g.Wake()
	return op, nil
}

// deletable holds the rules of deletion: no children, not attached.
func (g *Images) deletable(ctx context.Context, id resource.ID, rec resource.Record) error {
	child := map[string]string{resource.Fold(TypeGallery): TypeDefinition, resource.Fold(TypeDefinition): TypeVersion}[resource.Fold(id.Type())]
	if child != "" {
		below, err := g.Store.ListResources(ctx, resource.Query{Type: child, Under: rec.ID})
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return fault.New("CannotDeleteResource", "Can not delete resource before nested resources are deleted.")
		}
	}
	if id.Is(TypeDisk) {
		disk, err := resource.Decode[Disk](rec)
		if err != nil {
			return err
		}
		// A machine that never came to be holds nothing.
		if disk.ManagedBy != "" && g.stands(ctx, disk.ManagedBy) {
			return fault.Newf("OperationNotAllowed", "Disk %s is attached to VM %s.", id.Name(), disk.ManagedBy)
		}
	}
	return nil
}

func (g *Images) stands(ctx context.Context, machine string) bool {
	if g.Sources == nil {
		return true
	}
	_, err := g.Sources.SourceVM(ctx, machine)
	return !fault.Is(err, "ResourceNotFound")
}

var (
	plainName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$`)
	galleryName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.]{0,78}[A-Za-z0-9])?$`)
)

// checkName is the rule for names of disks, snapshots, images and definitions.
func checkName(target, name string) error {
	if plainName.MatchString(name) {
		return nil
	}
	return invalid(target, "The entity name '%s' is invalid according to its validation rule: %s.", name, plainName)
}
