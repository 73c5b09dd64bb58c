package armapi

import (
	"strings"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/machine"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// Compute holds the rooms behind Microsoft.Compute's routes.
type Compute struct {
	Images   *gallery.Images
	Machines *machine.Machines
}

const (
	computeNamespace = "Microsoft.Compute"
	computeOfSub     = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute"
	computeOfGroup   = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute"
)

// computeRoutes is every row of Microsoft.Compute but the polling of its
// operations.
func (a *API) computeRoutes() []web.Route {
	var all []web.Route
	for _, rows := range [][]web.Route{
		a.diskRoutes(), a.snapshotRoutes(), a.imageRoutes(), a.galleryRoutes(), a.definitionRoutes(), a.versionRoutes(),
		a.machineRoutes(), a.sizeRoutes(), a.catalogueRoutes(),
	} {
		all = append(all, rows...)
	}
	return all
}

// output is the body of a finished operation's resource, for polls that carry
// it (disks and snapshots); nil is none.
func (a *API) output(c *web.Call, op resource.Operation) (any, error) {
	id, err := resource.ParseID(op.ResourceID)
	if err != nil {
		return nil, err
	}
	var body any
	switch {
	case id.Is(gallery.TypeDisk):
		item, e := a.Compute.Images.GetDisk(c.Context(), id)
		body, err = diskBody(item), e
	case id.Is(gallery.TypeSnapshot):
		item, e := a.Compute.Images.GetSnapshot(c.Context(), id)
		body, err = snapshotBody(item), e
	}
	if fault.Is(err, "ResourceNotFound") {
		return nil, nil // what was deleted has no body
	}
	return body, err
}

// idOf is the id a path names: pairs of type and the capture that holds the
// name.
func idOf(c *web.Call, pairs ...string) resource.ID {
	id := resource.ID{Subscription: c.Param("subscriptionId"), ResourceGroup: c.Param("resourceGroupName")}.In(computeNamespace)
	for i := 0; i+1 < len(pairs); i += 2 {
		id = id.Child(pairs[i], c.Param(pairs[i+1]))
	}
	return id
}

// under is the scope of a list: the group in the path, or the subscription.
func under(c *web.Call) string {
	id := resource.ID{Subscription: c.Param("subscriptionId"), ResourceGroup: c.Param("resourceGroupName")}
	return id.String()
}

// linked asks for what the caller needs on the resources a request refers to:
// writing here gives no right to copy from there.
func (a *API) linked(c *web.Call, ids ...string) error {
	for _, text := range ids {
		if text == "" {
			continue
		}
		id, err := resource.ParseID(text)
		if err != nil {
			return err
		}
		action := id.Type() + "/read"
		if id.Is(gallery.TypeDisk) || id.Is(gallery.TypeSnapshot) {
			action = id.Type() + "/beginGetAccess/action"
		}
		ok, err := a.Identity.Allowed(c.Context(), c.Principal, action, id.String())
		if err != nil {
			return err
		}
		if !ok {
			return fault.Newf("LinkedAccessCheckFailed", "The client has permission to perform action '%s' on scope '%s', however the linked scope '%s' does not allow it action '%s'.",
				c.Route.Action, scopeOf(c.Request.URL.Path), id, action)
		}
	}
	return nil
}

// written answers PUT of galleries, definitions, versions, images and machines:
// 201 for a new one, 200 for a change, with an operation to poll unless all is
// done.
func (a *API) written(c *web.Call, f family, created bool, op *resource.Operation, body any) web.Reply {
	status := 200
	if created {
		status = 201
	}
	if op == nil {
		return web.Reply{Status: status, Body: body}
	}
	return a.accepted(c, status, f, *op, body)
}

// deleted answers DELETE and actions: 202 with the operation, or what is said
// when there was nothing to do.
func (a *API) deleted(c *web.Call, f family, op *resource.Operation, err error, nothing int) (web.Reply, error) {
	if err != nil {
		return web.Reply{}, err
	}
	if op == nil {
		return web.Reply{Status: nothing}, nil
	}
	return a.accepted(c, 202, f, *op, nil), nil
}

// remove is DELETE of anything of the gallery room.
func (a *API) remove(f family, pairs ...string) web.Handler {
	return func(c *web.Call) (web.Reply, error) {
		op, err := a.Compute.Images.Delete(c.Context(), idOf(c, pairs...))
		return a.deleted(c, f, op, err, 204)
	}
}

// listed is a list's body; group names in it are upper case (facts/wire.md 3.1).
func listed[T, B any](items []T, err error, body func(T) B, id func(B) **string) (web.Reply, error) {
	if err != nil {
		return web.Reply{}, err
	}
	out := make([]B, 0, len(items))
	for _, item := range items {
		b := body(item)
		if at := id(b); at != nil && *at != nil {
			upper := upperGroup(**at)
			*at = &upper
		}
		out = append(out, b)
	}
	return values(out), nil
}

func upperGroup(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) > 4 {
		parts[4] = strings.ToUpper(parts[4])
	}
	return strings.Join(parts, "/")
}

// word gives "" for an enum that was not sent.
func word[T ~string](v *T) string {
	if v == nil {
		return ""
	}
	return string(*v)
}

// maybe leaves empty values out of replies.
func maybe[T ~string](s string) *T {
	if s == "" {
		return nil
	}
	return new(T(s))
}

func number(n int) *int32 { return new(int32(n)) } //nolint:gosec // sizes and counts of this face are small

func count(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

func yes(b *bool) bool { return b != nil && *b }

func instant(t resource.Ticks) *web.Compute {
	if t == 0 {
		return nil
	}
	return new(web.Compute(t))
}

func ticks(t *web.Compute) resource.Ticks {
	if t == nil {
		return 0
	}
	return resource.Ticks(*t)
}

// lastName is the name in an id as it is stored.
func lastName(rec resource.Record) *string {
	return new(rec.ID[strings.LastIndexByte(rec.ID, '/')+1:])
}

func subResource(id string) *SubResource {
	if id == "" {
		return nil
	}
	return &SubResource{ID: &id}
}
