package gallery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Collect removes the copies and layers that no record names any more: those of
// deleted versions, images, snapshots and disks, and the folders that repaired
// replicas have left. No machine may run and no operation be under way, for
// what they stand on need not have a record; what is removed wrongly all the
// same is unpacked again at its next use. It gives the number of layers removed.
func (g *Images) Collect(ctx context.Context) (int, error) {
	keep, err := g.named(ctx)
	if err != nil {
		return 0, err
	}
	removed := 0
	folders, err := g.folders()
	if err != nil {
		return 0, err
	}
	for _, at := range folders {
		gone, err := g.copies(at.region, at.folder).Collect(ctx, g.Worker, keep.in(at))
		removed += len(gone)
		if err != nil {
			return removed, err
		}
	}
	_, err = g.Blobs.Collect(keep.all, g.Clock.Now().Time())
	return removed, err
}

// place is a folder of copies.
type place struct{ region, folder string }

// digests says which layers are named, and where.
type digests struct {
	all, shared map[string]bool // shared: in the first folder of any region
	copies      map[place]map[string]bool
}

func (d digests) in(at place) map[string]bool {
	keep := map[string]bool{}
	for digest := range d.copies[at] {
		keep[digest] = true
	}
	if at.folder == firstFolder {
		for digest := range d.shared {
			keep[digest] = true
		}
	}
	return keep
}

func (d digests) share(c Content) {
	for _, l := range c.Stack {
		d.all[l.Digest], d.shared[l.Digest] = true, true
	}
}

// named gathers what records name.
func (g *Images) named(ctx context.Context) (digests, error) {
	d := digests{all: map[string]bool{}, shared: map[string]bool{}, copies: map[place]map[string]bool{}}
	versions, err := list[Version](ctx, g, TypeVersion, "")
	for _, v := range versions {
		for _, l := range v.Body.Content.Stack {
			d.all[l.Digest] = true
			for _, r := range v.Body.Replicas {
				at := place{r.Region, r.folder()}
				if d.copies[at] == nil {
					d.copies[at] = map[string]bool{}
				}
				d.copies[at][l.Digest] = true
			}
		}
	}
	disks, err1 := list[Disk](ctx, g, TypeDisk, "")
	for _, i := range disks {
		d.share(i.Body.Content)
	}
	snapshots, err2 := list[Snapshot](ctx, g, TypeSnapshot, "")
	for _, i := range snapshots {
		d.share(i.Body.Content)
	}
	images, err3 := list[Image](ctx, g, TypeImage, "")
	for _, i := range images {
		d.share(i.Body.Content)
	}
	states, err4 := g.Catalogue.states(ctx)
	for _, s := range states {
		if s.Made != nil {
			d.share(Content{Stack: s.Made.Stack})
		}
	}
	return d, errors.Join(err, err1, err2, err3, err4)
}

// folders lists the folders of copies there are.
func (g *Images) folders() ([]place, error) {
	var out []place
	base := filepath.Join(g.Data, "regions")
	regions, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		entries, err := os.ReadDir(filepath.Join(base, r.Name(), "replicas"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			out = append(out, place{r.Name(), e.Name()})
		}
	}
	return out, nil
}
