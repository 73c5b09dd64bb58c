package gallery

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/layer"
	"millpond/internal/resource"
)

// TreeFor gives the tree the n-th node of a pool boots from: nodes take turns
// over the region's whole replicas, so that none carries them all. Marketplace-
// style and managed images have one copy per region. The error ends in the
// pool's resize errors and says what to do.
func (g *Images) TreeFor(ctx context.Context, r Resolved, region string, n int) (layer.Tree, error) {
	if r.Catalogue != "" {
		c, err := g.baseContent(ctx, r.Catalogue)
		if err != nil {
			return layer.Tree{}, err
		}
		return g.unpack(ctx, c, region, firstFolder)
	}
	id, err := resource.ParseID(r.VersionID)
	if err != nil {
		return layer.Tree{}, err
	}
	if id.Is(TypeImage) {
		rec, img, err := get[Image](ctx, g, id)
		if err == nil && rec.UID != r.VersionUID {
			err = NotFound(id)
		}
		if err != nil {
			return layer.Tree{}, err
		}
		return g.unpack(ctx, img.Content, region, firstFolder)
	}
	rec, v, err := get[Version](ctx, g, id)
	if err == nil && rec.UID != r.VersionUID {
		err = NotFound(id)
	}
	if err != nil {
		return layer.Tree{}, err
	}
	ready := v.ready(region)
	if len(ready) == 0 {
		return layer.Tree{}, fault.Newf("ImageUnavailable", "The image version %s has no whole replica in region %s. "+
			"Replicate it there again, or wait for its repair.", rec.ID, g.display(region))
	}
	return g.unpack(ctx, v.Content, region, ready[n%len(ready)].folder())
}

// TreeOf gives the tree below a disk's writable part.
func (g *Images) TreeOf(ctx context.Context, d Item[Disk]) (layer.Tree, error) {
	return g.unpack(ctx, d.Body.Content, d.Record.Location, firstFolder)
}

func (g *Images) unpack(ctx context.Context, c Content, region, folder string) (layer.Tree, error) {
	if len(c.Stack) == 0 {
		return layer.Tree{}, fault.New("OperationNotAllowed", "The disk holds no operating system: it descends from no image.")
	}
	return g.ensure(ctx, region, folder, c.Stack)
}
