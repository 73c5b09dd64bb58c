package local

import (
	"context"
	"io"

	"millpond/internal/layer"
)

// worker is layer.Worker across the node host's socket. Paths must be below
// the data folder's Folders: nothing else is in the node host's sight.
type worker struct{ p *Provider }

var _ layer.Worker = worker{}

func (w worker) do(ctx context.Context, req request) error {
	_, err := w.p.call(ctx, req, nil)
	return err
}

func (w worker) Unpack(ctx context.Context, blob string, l layer.Layer, dir string) error {
	return w.do(ctx, request{Op: opUnpack, Blob: blob, Layer: l, Dir: dir})
}

func (w worker) Clone(ctx context.Context, disk layer.Disk) error {
	return w.do(ctx, request{Op: opClone, Disk: disk})
}

func (w worker) Diff(ctx context.Context, disk layer.Disk, blobs string, strip []string) (layer.Layer, error) {
	r, err := w.p.call(ctx, request{Op: opDiff, Disk: disk, Blob: blobs, Strip: strip}, nil)
	return r.Layer, err
}

func (w worker) CopyDisk(ctx context.Context, from, to layer.Disk) error {
	return w.do(ctx, request{Op: opCopyDisk, Disk: from, To: to})
}

func (w worker) Verify(ctx context.Context, blob string, l layer.Layer, dir string) error {
	return w.do(ctx, request{Op: opVerify, Blob: blob, Layer: l, Dir: dir})
}

func (w worker) Mkdir(ctx context.Context, dir string) error {
	return w.do(ctx, request{Op: opMkdir, Dir: dir})
}

func (w worker) Remove(ctx context.Context, dir string) error {
	return w.do(ctx, request{Op: opRemove, Dir: dir})
}

func (w worker) Bootstrap(ctx context.Context, suite, blobs string, log io.Writer) (layer.Layer, error) {
	r, err := w.p.call(ctx, request{Op: opBootstrap, Suite: suite, Blob: blobs}, func(r reply) {
		if log != nil && len(r.Log) > 0 {
			_, _ = log.Write(r.Log) // the work does not depend on who listens
		}
	})
	return r.Layer, err
}
