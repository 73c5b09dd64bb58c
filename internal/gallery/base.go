package gallery

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/layer"
)

// Base gives the layers of a catalogue entry, making them at their first use;
// host says that they stand on this machine's own /usr. The error names what
// to do when the image cannot be had here.
func (g *Images) Base(ctx context.Context, key string) (stack layer.Stack, host bool, err error) {
	c, err := g.baseContent(ctx, key)
	for _, l := range c.Stack {
		host = host || l.Host
	}
	return c.Stack, host, err
}

func (g *Images) baseContent(ctx context.Context, key string) (Content, error) {
	c := g.Catalogue
	e, ok := c.Entry(key)
	if !ok {
		return Content{}, fault.Newf("PlatformImageNotFound", "The catalogue has no image %s.", key)
	}
	content := Content{Lineage: lineageOf(e)}
	state, err := c.state(ctx, e.Key())
	if err != nil {
		return Content{}, err
	}
	if content.Stack = g.madeStack(e, state); content.Stack != nil {
		return content, nil
	}
	// Made one at a time: a second caller finds what the first has made.
	c.making.Lock()
	defer c.making.Unlock()
	if state, err = c.state(ctx, e.Key()); err != nil {
		return Content{}, err
	}
	if content.Stack = g.madeStack(e, state); content.Stack != nil {
		return content, nil
	}
	text, _ := state.source(e)
	if l := c.listed(e, state); !l.Verified {
		return Content{}, fault.Newf("ImageUnavailable", "The image %s:%s:%s cannot be made on this machine: %s. "+
			"Give it a source with --alias %s:%s:%s=SOURCE or `millpond image import`, where SOURCE is a tar, an OCI layout folder, debootstrap:SUITE or host.",
			e.Publisher, e.Offer, e.SKU, l.Missing, e.Publisher, e.Offer, e.SKU)
	}
	src, err := ParseSource(text)
	if err != nil {
		return Content{}, err
	}
	if content.Stack, err = g.makeBase(ctx, e, src); err != nil {
		return Content{}, err
	}
	now := c.clock.Now()
	return content, c.change(ctx, e.Key(), func(s *entryState) {
		s.Made = &made{Source: text, Stack: content.Stack, At: now}
	})
}

// Import gives an entry a source and makes its base from it now, anew when it
// was made from the same source before. A source that cannot be used changes
// nothing.
func (g *Images) Import(ctx context.Context, ref Reference, source Source) error {
	c := g.Catalogue
	e, err := c.aliasable(ref)
	if err != nil {
		return err
	}
	c.making.Lock()
	defer c.making.Unlock()
	stack, err := g.makeBase(ctx, e, source)
	if err != nil {
		return err
	}
	now := c.clock.Now()
	return c.change(ctx, e.Key(), func(s *entryState) {
		s.Alias = source.String()
		s.Made = &made{Source: s.Alias, Stack: stack, At: now}
	})
}

func (g *Images) makeBase(ctx context.Context, e Entry, source Source) (layer.Stack, error) {
	stack, err := g.importBase(ctx, source)
	if err != nil {
		return nil, fault.Newf("ImageUnavailable", "The base of image %s:%s:%s could not be made from %s: %v",
			e.Publisher, e.Offer, e.SKU, source, err).Because(err)
	}
	return stack, nil
}

// madeStack is the layers of an entry that was made from its present source and
// whose blobs are still there.
func (g *Images) madeStack(e Entry, s entryState) layer.Stack {
	if _, isMade := s.source(e); !isMade {
		return nil
	}
	for _, l := range s.Made.Stack {
		if !g.Blobs.Has(l.Digest) {
			return nil
		}
	}
	return s.Made.Stack
}
