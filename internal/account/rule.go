package account

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Limits of tags as Resource Manager has them.
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fault.Property("tags", strconv.Itoa(len(tags)), "A resource has at most 50 tags")
	}
	for k, v := range tags {
		if k == "" || len(k) > maxTagName || len(v) > maxTagValue {
			return fault.Property("tags", clip(k), "A tag has a name of 1 to 512 characters and a value of at most 256")
		}
	}
	return nil
}

// needRegion gives the short name of a region, or the error code with the list
// of what there is.
func needRegion(name, code string) (string, error) {
	if name == "" {
		return "", fault.New("LocationRequired", "The location property is required for this definition.")
	}
	short, _, ok := Region(name)
	if !ok {
		return "", fault.Newf(code, "The provided location '%s' is not available. Locations are the names of Azure's regions, such as westeurope or eastus.", clip(name))
	}
	return short, nil
}

// startDelete marks id Deleting with the operation that will finish it; an
// operation already under way is given instead.
func (a *Accounts) startDelete(ctx context.Context, id resource.ID, location, kind string) (resource.Operation, error) {
	rec, err := a.store.GetResource(ctx, id.String())
	if err != nil {
		return resource.Operation{}, err
	}
	if rec.State == resource.Deleting {
		open, err := a.store.OpenOperations(ctx)
		if err != nil {
			return resource.Operation{}, err
		}
		for _, op := range open {
			if op.UID == rec.UID && op.Kind == kind {
				return op, nil
			}
		}
	}
	now := a.clock.Now()
	op := resource.Operation{
		GUID: uuid.NewString(), ResourceID: rec.ID, UID: rec.UID, Kind: kind,
		Status: resource.InProgress, Location: location, Start: now,
	}
	_, err = a.store.UpdateResource(ctx, rec.ID, &op, func(r *resource.Record) error {
		if r.UID != rec.UID {
			return fault.New("ResourceNotFound", "")
		}
		r.State = resource.Deleting
		return nil
	})
	if err == nil {
		a.wake()
	}
	return op, err
}

// clip keeps what a stranger sent from filling our replies and logs.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
