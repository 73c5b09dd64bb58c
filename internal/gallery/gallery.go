package gallery

import (
	"context"
	"strings"

	"millpond/internal/resource"
)

// Gallery is a Microsoft.Compute gallery as stored.
type Gallery struct {
	Description string `json:"description,omitempty"`
	UniqueName  string `json:"uniqueName"`
}

// GallerySpec is what PUT asks for.
type GallerySpec struct {
	ID          resource.ID
	Location    string
	Tags        map[string]string
	Description string
}

// PutGallery creates a gallery or changes its description and tags.
func (g *Images) PutGallery(ctx context.Context, s GallerySpec) (Change[Gallery], error) {
	location, err := g.region(s.Location, TypeGallery)
	if err != nil {
		return Change[Gallery]{}, err
	}
	if !galleryName.MatchString(s.ID.Name()) {
		return Change[Gallery]{}, invalid("galleryName", "The entity name 'galleryName' is invalid according to its validation rule: %s.", galleryName)
	}
	return write(ctx, g, put[Gallery]{
		id: s.ID, location: location, tags: s.Tags, kind: OpCreateGallery,
		create: func() (Gallery, error) {
			return Gallery{Description: s.Description, UniqueName: s.ID.Subscription + "-" + strings.ToUpper(s.ID.Name())}, nil
		},
		update: func(old Gallery) (Gallery, error) {
			old.Description = s.Description
			return old, nil
		},
	})
}

// GetGallery reads one gallery.
func (g *Images) GetGallery(ctx context.Context, id resource.ID) (Item[Gallery], error) {
	rec, b, err := get[Gallery](ctx, g, id)
	return Item[Gallery]{rec, b}, err
}

// ListGalleries lists the galleries below a subscription or group.
func (g *Images) ListGalleries(ctx context.Context, under string) ([]Item[Gallery], error) {
	return list[Gallery](ctx, g, TypeGallery, under)
}
