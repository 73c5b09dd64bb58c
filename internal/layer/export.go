package layer

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"millpond/internal/fault"
)

// hostArch is this machine's architecture as images name it.
const hostArch = runtime.GOARCH

// Labels of an exported image that we fill from its os-release.
const (
	labelTitle   = "org.opencontainers.image.title"
	labelVersion = "org.opencontainers.image.version"
)

// Export writes the stack to dir, which must not exist, as an OCI layout that
// ordinary tools read; its configuration is c, with title and version taken
// from the image's own os-release where c has none. It appears by rename.
// Errors: InvalidImage for a host image, whose programs are not in it.
func (b Blobs) Export(ctx context.Context, stack Stack, c Config, dir string) error {
	for _, l := range stack {
		if l.Host {
			return fault.New("InvalidImage", "An image of the host's own programs is tied to this machine and cannot be exported.")
		}
	}
	img, err := b.image(ctx, stack, c)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return &os.PathError{Op: "export", Path: dir, Err: os.ErrExist}
	}
	part := filepath.Clean(dir) + partSuffix
	if err := removeAll(part); err != nil {
		return err
	}
	p, err := layout.Write(part, empty.Index)
	if err == nil {
		err = p.AppendImage(img)
	}
	if err == nil {
		err = os.Rename(part, dir)
	}
	if err != nil {
		return errors.Join(err, removeAll(part))
	}
	return nil
}

func (b Blobs) image(ctx context.Context, stack Stack, c Config) (v1.Image, error) {
	file := &v1.ConfigFile{Architecture: c.Architecture, OS: c.OS}
	file.RootFS.Type = "layers"
	if file.Architecture == "" {
		file.Architecture = hostArch
	}
	if file.OS == "" {
		file.OS = "linux"
	}
	file.Config.Labels = map[string]string{}
	for k, v := range c.Labels {
		file.Config.Labels[k] = v
	}
	file.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	file.Config.Cmd = []string{"/bin/sh"}
	if rel, err := b.OSRelease(ctx, stack); err == nil {
		if file.Config.Labels[labelTitle] == "" {
			file.Config.Labels[labelTitle] = rel.PrettyName
		}
		if file.Config.Labels[labelVersion] == "" {
			file.Config.Labels[labelVersion] = rel.VersionID
		}
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err := mutate.ConfigFile(base, file)
	if err != nil {
		return nil, err
	}
	var layers []v1.Layer
	for _, l := range stack {
		layers = append(layers, stored{b, l})
	}
	return mutate.AppendLayers(base, layers...)
}

// stored is a blob as go-containerregistry wants a layer.
type stored struct {
	blobs Blobs
	layer Layer
}

func (s stored) Digest() (v1.Hash, error)            { return v1.NewHash(s.layer.Digest) }
func (s stored) DiffID() (v1.Hash, error)            { return v1.NewHash(s.layer.DiffID) }
func (s stored) Size() (int64, error)                { return s.layer.Size, nil }
func (s stored) MediaType() (types.MediaType, error) { return types.MediaType(s.layer.MediaType), nil }

func (s stored) Compressed() (io.ReadCloser, error) { return s.blobs.Open(s.layer.Digest) }

func (s stored) Uncompressed() (io.ReadCloser, error) {
	f, err := s.blobs.Open(s.layer.Digest)
	if err != nil {
		return nil, err
	}
	st, err := openStream(context.Background(), f, s.blobs.Limits.orDefaults(), false)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{st.tar, closeFunc(func() error { st.close(); return f.Close() })}, nil
}

type closeFunc func() error

func (c closeFunc) Close() error { return c() }
