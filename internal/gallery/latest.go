package gallery

import (
	"context"
	"slices"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// sortVersions puts versions in the order of their numbers: 1.9.0 comes before
// 1.10.0.
func sortVersions(items []Item[Version]) {
	slices.SortStableFunc(items, func(a, b Item[Version]) int {
		x, _ := parseVersion(nameOf(a.Record))
		y, _ := parseVersion(nameOf(b.Record))
		return slices.Compare(x[:], y[:])
	})
}

// usable reports whether machines of a region can be made from a version now:
// it was published and has a whole replica there. A version whose replication
// is being changed goes on serving.
func usable(rec resource.Record, v Version, region string) bool {
	return (rec.State == resource.Succeeded || rec.State == resource.Updating) && len(v.ready(region)) > 0
}

// version finds the version an id means: exactly one, or for a definition's id
// and for versions/latest the newest that is not excluded and usable in
// region. region "" asks for no replica.
func (g *Images) version(ctx context.Context, id resource.ID, region string) (resource.Record, Version, Definition, error) {
	fail := func(err error) (resource.Record, Version, Definition, error) {
		return resource.Record{}, Version{}, Definition{}, err
	}
	latest := id.Is(TypeDefinition)
	definition := id
	if !latest {
		if !id.Is(TypeVersion) {
			return fail(invalid("imageReference.id", "The image id '%s' must be that of a gallery image, a gallery image version or a managed image.", id))
		}
		definition, latest = id.Parent(), strings.EqualFold(id.Name(), "latest")
	}
	def, err := g.GetDefinition(ctx, definition)
	if err != nil {
		return fail(err)
	}
	if !latest {
		rec, v, err := get[Version](ctx, g, id)
		if err != nil {
			return fail(err)
		}
		if region == "" && rec.State != resource.Succeeded || region != "" && !usable(rec, v, region) {
			return fail(g.unusable(rec, v, region))
		}
		return rec, v, def.Body, nil
	}
	all, err := g.ListVersions(ctx, definition.String())
	if err != nil {
		return fail(err)
	}
	for _, item := range slices.Backward(all) {
		if item.Body.excluded(region) {
			continue
		}
		if region == "" && item.Record.State == resource.Succeeded || region != "" && usable(item.Record, item.Body, region) {
			return item.Record, item.Body, def.Body, nil
		}
	}
	return fail(fault.Newf("GalleryImageNotFound", "The gallery image %s is not available in %s region. "+
		"It has no version that is published, not excluded from latest, and has a replica there.", definition, g.display(region)))
}

// excluded reports whether latest in region must pass over the version.
func (v Version) excluded(region string) bool {
	if v.Excluded {
		return true
	}
	for _, r := range v.Regions {
		if r.Short == region && r.Excluded {
			return true
		}
	}
	return false
}

func (g *Images) unusable(rec resource.Record, v Version, region string) *fault.Error {
	if rec.State == resource.Failed || rec.State == resource.Creating || rec.State == resource.Deleting {
		return fault.Newf("Conflict", "The gallery image version '%s' is in provisioning state '%s'.", rec.ID, rec.State)
	}
	var where []string
	for _, r := range v.Regions {
		where = append(where, r.Name)
	}
	return fault.Newf("GalleryImageNotFound", "The gallery image %s is not available in %s region. Please contact image owner to replicate to this region, or change your requested region. It is replicated to: %s.",
		rec.ID, g.display(region), strings.Join(where, ", "))
}

func (g *Images) display(region string) string {
	if _, display, ok := g.Region(region); ok {
		return display
	}
	return region
}
