package account

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Group is a resource group.
type Group struct {
	ID       resource.ID
	Location string
	Tags     map[string]string
	State    string // Succeeded or Deleting
	UID      string
}

// Kinds of the operations a loop must finish.
const (
	KindGroupDelete   = "groups.delete"
	KindAccountDelete = "accounts.delete"
)

// groupName is Resource Manager's rule: letters and digits of any script, and
// _ - . ( ), not ending in a period, at most 90 characters.
var groupName = regexp.MustCompile(`^[-\p{L}\p{Nd}_.()]{0,89}[-\p{L}\p{Nd}_()]$`)

func groupOf(rec resource.Record) (Group, error) {
	id, err := resource.ParseID(rec.ID)
	return Group{ID: id, Location: rec.Location, Tags: rec.Tags, State: rec.State, UID: rec.UID}, err
}

// PutGroup makes a group or changes the tags of one; created tells which. Its
// location cannot change (InvalidResourceGroupLocation).
func (a *Accounts) PutGroup(ctx context.Context, subscription, name, location string, tags map[string]string) (g Group, created bool, err error) {
	if !groupName.MatchString(name) {
		return Group{}, false, fault.Newf("InvalidResourceName", "The provided resource group name '%s' has these invalid characters or length. The name can only be a letter, digit, '-', '.', '(', ')' or '_', at most 90 of them, and cannot end with '.'.", clip(name))
	}
	region, err := needRegion(location, "LocationNotAvailableForResourceGroup")
	if err != nil {
		return Group{}, false, err
	}
	if err := checkTags(tags); err != nil {
		return Group{}, false, err
	}
	sub, err := a.Subscription(ctx, subscription)
	if err != nil {
		return Group{}, false, err
	}
	id := resource.ID{Subscription: sub.ID, ResourceGroup: name}
	now := a.clock.Now()
	rec := resource.Record{ID: id.String(), UID: uuid.NewString(), Location: region, Tags: tags, State: resource.Succeeded, Created: now, Modified: now}
	err = a.store.CreateResource(ctx, rec, nil)
	if err == nil {
		g, err = groupOf(rec)
		return g, true, err
	}
	if !fault.Is(err, "ResourceExists") {
		return Group{}, false, err
	}
	rec, err = a.store.UpdateResource(ctx, id.String(), nil, func(rec *resource.Record) error {
		if rec.Location != region {
			return fault.Newf("InvalidResourceGroupLocation", "Invalid resource group location '%s'. The Resource group already exists in location '%s'.", region, rec.Location)
		}
		if rec.State == resource.Deleting {
			return beingDeleted(name)
		}
		rec.Tags, rec.Modified = tags, now
		return nil
	})
	if err != nil {
		return Group{}, false, err
	}
	g, err = groupOf(rec)
	return g, false, err
}

// TagGroup replaces the tags of a group.
func (a *Accounts) TagGroup(ctx context.Context, subscription, name string, tags map[string]string) (Group, error) {
	g, err := a.Group(ctx, subscription, name)
	if err != nil {
		return Group{}, err
	}
	g, _, err = a.PutGroup(ctx, subscription, name, g.Location, tags)
	return g, err
}

// Group finds a group; ResourceGroupNotFound, SubscriptionNotFound.
func (a *Accounts) Group(ctx context.Context, subscription, name string) (Group, error) {
	if _, err := a.Subscription(ctx, subscription); err != nil {
		return Group{}, err
	}
	rec, err := a.store.GetResource(ctx, resource.ID{Subscription: subscription, ResourceGroup: name}.String())
	if fault.Is(err, "ResourceNotFound") || fault.Is(err, "ResourceGroupNotFound") {
		return Group{}, fault.Newf("ResourceGroupNotFound", "Resource group '%s' could not be found.", clip(name))
	}
	if err != nil {
		return Group{}, err
	}
	return groupOf(rec)
}

// Groups lists the groups of a subscription.
func (a *Accounts) Groups(ctx context.Context, subscription string) ([]Group, error) {
	if _, err := a.Subscription(ctx, subscription); err != nil {
		return nil, err
	}
	recs, err := a.store.ListResources(ctx, resource.Query{Type: TypeGroup, Under: SubscriptionID(subscription)})
	if err != nil {
		return nil, err
	}
	groups := make([]Group, 0, len(recs))
	for _, rec := range recs {
		g, err := groupOf(rec)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// DeleteGroup marks a group Deleting and begins the operation a loop finishes
// with FinishGroupDelete. Asked again, it gives the operation under way.
func (a *Accounts) DeleteGroup(ctx context.Context, subscription, name string) (resource.Operation, error) {
	g, err := a.Group(ctx, subscription, name)
	if err != nil {
		return resource.Operation{}, err
	}
	return a.startDelete(ctx, g.ID, g.Location, KindGroupDelete)
}

// FinishGroupDelete takes one step toward an empty group and, once it is
// empty, deletes it and ends the operation: done. It may be called any number
// of times and after any crash. remove asks the room that owns a resource to
// begin deleting it; it is called again at the next step for what is still
// there, and its refusals (a disk still in use) are returned joined, not fatal.
func (a *Accounts) FinishGroupDelete(ctx context.Context, op resource.Operation, remove func(context.Context, resource.Record) error) (done bool, err error) {
	rec, err := a.store.GetResource(ctx, op.ResourceID)
	if gone(err) || err == nil && rec.UID != op.UID {
		return true, a.store.EndOperation(ctx, op.GUID, nil, nil)
	}
	if err != nil {
		return false, err
	}
	group, err := resource.ParseID(op.ResourceID)
	if err != nil {
		return false, err
	}
	held, err := a.store.ListResources(ctx, resource.Query{Under: group.String()})
	if err != nil {
		return false, err
	}
	var refused []error
	left := 0
	// Backwards: what is nested goes before what holds it, and virtual machines
	// before their disks.
	for _, r := range slices.Backward(held) {
		if strings.EqualFold(r.ID, rec.ID) {
			continue
		}
		left++
		if r.State != resource.Deleting {
			if err := remove(ctx, r); err != nil && !gone(err) {
				refused = append(refused, err)
			}
		}
	}
	if left > 0 {
		return false, errors.Join(refused...)
	}
	if err := a.ids.DropScope(ctx, rec.ID); err != nil {
		return false, err
	}
	return true, a.store.DeleteResource(ctx, rec.ID, &op)
}

// Held lists what lies in a group, or in a subscription when group is "".
func (a *Accounts) Held(ctx context.Context, subscription, group string) ([]resource.Record, error) {
	under := resource.ID{Subscription: subscription, ResourceGroup: group}
	if group != "" {
		if _, err := a.Group(ctx, subscription, group); err != nil {
			return nil, err
		}
	}
	recs, err := a.store.ListResources(ctx, resource.Query{Under: under.String()})
	if err != nil {
		return nil, err
	}
	var held []resource.Record
	for _, rec := range recs {
		if id, err := resource.ParseID(rec.ID); err == nil && id.Provider != "" {
			held = append(held, rec)
		}
	}
	return held, nil
}

func gone(err error) bool {
	return fault.Is(err, "ResourceNotFound") || fault.Is(err, "ResourceGroupNotFound")
}

func beingDeleted(group string) error {
	return fault.Newf("ResourceGroupBeingDeleted", "The resource group '%s' is in deprovisioning state and cannot perform this operation.", clip(group))
}
