package gallery

import (
	"context"
	"io"

	"millpond/internal/layer"
)

// importBase makes the layers of a base image from its source.
func (g *Images) importBase(ctx context.Context, src Source) (layer.Stack, error) {
	switch src.Kind {
	case SourceHost:
		l, err := layer.HostLayer(ctx, g.Blobs)
		return layer.Stack{l}, err
	case SourceBootstrap:
		l, err := g.Worker.Bootstrap(ctx, src.Arg, g.Blobs.Dir, io.Discard)
		return layer.Stack{l}, err
	}
	stack, _, err := g.Blobs.Import(ctx, src.Arg)
	return stack, err
}
