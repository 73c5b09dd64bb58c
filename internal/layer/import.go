package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"millpond/internal/fault"
)

// Config is what an image says about itself beside its layers.
type Config struct {
	Architecture string            `json:"architecture"` // Go's name: amd64, arm64
	OS           string            `json:"os"`           // linux
	Labels       map[string]string `json:"labels,omitempty"`
}

// Import stores the layers of an image found at name: an OCI layout (a folder
// or a tar of one), a tar as "docker save" writes it, or a plain root file
// system as a tar (gzip, zstd or uncompressed), which becomes one layer. Layers
// already stored are read again and kept once. Errors: InvalidImage and
// InvalidArchive; an archive at fault names the entry. Layers stored before an
// error are left to Collect.
func (b Blobs) Import(ctx context.Context, name string) (Stack, Config, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, Config{}, err
	}
	if st.IsDir() {
		return b.importLayout(ctx, name)
	}
	form, err := b.formOf(ctx, name)
	if err != nil {
		return nil, Config{}, err
	}
	switch form {
	case formLayout:
		return b.importLayoutTar(ctx, name)
	case formSaved:
		img, err := tarball.Image(func() (io.ReadCloser, error) { return openTar(name) }, nil)
		if err != nil {
			return nil, Config{}, badImage(err)
		}
		return b.importImage(ctx, img, v1.Layer.Uncompressed)
	case formRoot:
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, Config{}, err
	}
	defer f.Close()
	l, err := b.Put(ctx, f)
	if err != nil {
		return nil, Config{}, err
	}
	return Stack{l}, Config{Architecture: hostArch, OS: "linux"}, nil
}

func badImage(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return fault.Newf("InvalidImage", "The image cannot be read: %v", err)
}

// Forms of a tar that may be imported.
type form int

const (
	formRoot   form = iota // a root file system
	formLayout             // an OCI layout
	formSaved              // docker save; newer ones are an OCI layout as well
)

// formOf looks at names only and stops at the first that no image archive has.
func (b Blobs) formOf(ctx context.Context, name string) (form, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s, err := openStream(ctx, f, b.Limits.orDefaults(), true)
	if err != nil {
		return 0, err
	}
	defer s.close()
	found := formRoot
	for tr := tar.NewReader(s.tar); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return 0, badArchive(err)
		}
		if err := b.checkPart(h, 0); err != nil {
			return 0, err
		}
		switch p := path.Clean(h.Name); {
		case p == "oci-layout":
			return formLayout, nil
		case p == "manifest.json":
			found = formSaved
		case !imageFile(p):
			return formRoot, nil
		}
	}
}

func badArchive(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return invalid("", "the archive cannot be read: %v", err)
}

// imageFile reports whether a name may stand in an archive of an image.
func imageFile(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	switch first {
	case ".", "blobs", "index.json", "manifest.json", "repositories":
		return true
	}
	hex, _, _ := strings.Cut(strings.TrimPrefix(first, "sha256:"), ".")
	return isDigest("sha256:" + hex)
}

// openTar opens a tar that may be gzipped, for a reader that wants it plain.
func openTar(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(f)
	if head, _ := in.Peek(2); !bytes.HasPrefix(head, magicGzip) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// importLayoutTar lays the files of a layout out beside the blobs, only those a
// layout consists of, and imports from there.
func (b Blobs) importLayoutTar(ctx context.Context, name string) (Stack, Config, error) {
	if err := mkdirs(b.Dir); err != nil {
		return nil, Config{}, err
	}
	dir, err := os.MkdirTemp(b.Dir, ".import-")
	if err != nil {
		return nil, Config{}, err
	}
	defer func() { _ = removeAll(dir) }()
	f, err := os.Open(name)
	if err != nil {
		return nil, Config{}, err
	}
	defer f.Close()
	s, err := openStream(ctx, f, b.Limits.orDefaults(), true)
	if err != nil {
		return nil, Config{}, err
	}
	defer s.close()
	var total int64
	for tr := tar.NewReader(s.tar); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return b.importLayout(ctx, dir)
		}
		if err != nil {
			return nil, Config{}, badArchive(err)
		}
		if err := b.checkPart(h, total); err != nil {
			return nil, Config{}, err
		}
		total += h.Size
		p := path.Clean(h.Name)
		hex, isBlob := strings.CutPrefix(p, "blobs/sha256/")
		if h.Typeflag != tar.TypeReg || p != "oci-layout" && p != "index.json" && !(isBlob && isDigest("sha256:"+hex)) {
			continue
		}
		if err := writeFile(filepath.Join(dir, p), tr); err != nil {
			return nil, Config{}, badArchive(err)
		}
	}
}

func writeFile(name string, r io.Reader) error {
	if err := mkdirs(filepath.Dir(name)); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func (b Blobs) importLayout(ctx context.Context, dir string) (Stack, Config, error) {
	p, err := layout.FromPath(dir)
	if err != nil {
		return nil, Config{}, fault.Newf("InvalidImage", "The folder is not an OCI layout: %v", err)
	}
	if err := smallFile(filepath.Join(dir, "index.json")); err != nil {
		return nil, Config{}, err
	}
	index, err := p.ImageIndex()
	if err != nil {
		return nil, Config{}, badImage(err)
	}
	found, err := images(index, dir, nil, 0)
	if err != nil {
		return nil, Config{}, badImage(err)
	}
	if len(found) != 1 {
		return nil, Config{}, fault.Newf("InvalidImage", "The layout holds %d images for linux/%s; exactly one can be imported.", len(found), hostArch)
	}
	m, err := found[0].Manifest()
	if err != nil {
		return nil, Config{}, badImage(err)
	}
	if err := smallBlob(dir, m.Config.Digest); err != nil {
		return nil, Config{}, err
	}
	return b.importImage(ctx, found[0], v1.Layer.Compressed)
}

// images collects the images of an index that this machine can run; dir is the
// layout's folder.
func images(index v1.ImageIndex, dir string, found []v1.Image, depth int) ([]v1.Image, error) {
	if depth > 4 {
		return nil, errors.New("indexes are nested too deep")
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if p := d.Platform; p != nil && (p.OS != "linux" || p.Architecture != hostArch) {
			continue
		}
		if d.MediaType.IsIndex() || d.MediaType.IsImage() {
			if err := smallBlob(dir, d.Digest); err != nil {
				return nil, err
			}
		}
		switch {
		case d.MediaType.IsIndex():
			sub, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			if found, err = images(sub, dir, found, depth+1); err != nil {
				return nil, err
			}
		case d.MediaType.IsImage():
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			found = append(found, img)
		}
	}
	return found, nil
}

// importImage stores the layers as open gives them and holds each to the digest
// or diff id the manifest promised.
func (b Blobs) importImage(ctx context.Context, img v1.Image, open func(v1.Layer) (io.ReadCloser, error)) (Stack, Config, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, Config{}, badImage(err)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, Config{}, badImage(err)
	}
	if file.OS != "linux" || file.Architecture != hostArch {
		return nil, Config{}, fault.Newf("InvalidImage", "The image is for %s/%s; this machine runs linux/%s.", file.OS, file.Architecture, hostArch)
	}
	if len(layers) == 0 || len(layers) != len(file.RootFS.DiffIDs) {
		return nil, Config{}, fault.Newf("InvalidImage", "The image has %d layers and %d diff ids.", len(layers), len(file.RootFS.DiffIDs))
	}
	var stack Stack
	for i, from := range layers {
		mt, err := from.MediaType()
		if err != nil {
			return nil, Config{}, badImage(err)
		}
		if !mt.IsDistributable() {
			return nil, Config{}, fault.Newf("InvalidImage", "Layer %d (%s) is kept elsewhere and not part of the image.", i, mt)
		}
		r, err := open(from)
		if err != nil {
			return nil, Config{}, badImage(err)
		}
		l, err := b.Put(ctx, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, Config{}, err
		}
		if want := file.RootFS.DiffIDs[i].String(); l.DiffID != want {
			return nil, Config{}, fault.Newf("InvalidImage", "Layer %d is %s and not %s.", i, l.DiffID, want)
		}
		stack = append(stack, l)
	}
	return stack, Config{Architecture: file.Architecture, OS: file.OS, Labels: file.Config.Labels}, nil
}
