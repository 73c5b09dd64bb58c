package layer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"millpond/internal/fault"
)

// Store is a folder of unpacked layers, Dir/HEX each. A replica of a gallery
// version is one; two stores share no inode, since each unpacks for itself.
// Everything in Dir is made and removed by the worker. Many goroutines may use
// it, and any number of Store values may name the same folder.
type Store struct {
	Dir string
}

// maxLowerNames bounds an overlay's list of lower directories: mount options
// are one page of memory, and upper, work and the flags are in it as well.
const maxLowerNames = 3600

// Ensure unpacks the layers of stack that are not there yet and returns the
// tree of them all. It may be called again, also after a crash half-way.
// Errors: InvalidImage for a stack no machine could mount, fs.ErrNotExist for
// a missing blob, and what Worker.Unpack says.
func (s Store) Ensure(ctx context.Context, worker Worker, blobs Blobs, stack Stack) (Tree, error) {
	tree, err := s.tree(stack)
	if err != nil {
		return Tree{}, err
	}
	made := false
	for _, l := range stack {
		dir := s.path(l.Digest)
		if _, err := os.Lstat(dir); err == nil {
			continue
		}
		if !made {
			if err := worker.Mkdir(ctx, s.Dir); err != nil {
				return Tree{}, err
			}
			made = true
		}
		if err := worker.Unpack(ctx, blobs.Path(l.Digest), l, dir); err != nil {
			return Tree{}, err
		}
	}
	return tree, nil
}

// tree is what Ensure promises. A layer that stands in the stack twice is named
// once, at its upper place: overlayfs refuses a repeated directory, and what
// the lower one adds is hidden by the same contents above it.
func (s Store) tree(stack Stack) (Tree, error) {
	if len(stack) == 0 {
		return Tree{}, fault.New("InvalidImage", "An image needs at least one layer.")
	}
	tree := Tree{Root: s.Dir}
	seen, length := map[string]bool{}, 0
	for i := len(stack) - 1; i >= 0; i-- {
		l := stack[i]
		if !isDigest(l.Digest) {
			return Tree{}, fault.New("InvalidDigest", "A layer is named by sha256: and 64 hexadecimal digits.").With("digest", l.Digest)
		}
		if seen[l.Digest] {
			continue
		}
		seen[l.Digest] = true
		name := filepath.Base(s.path(l.Digest))
		length += len(name) + 1
		tree.Dirs = append(tree.Dirs, name)
		if l.Host {
			tree.Binds = HostBinds()
		}
	}
	if length > maxLowerNames {
		return Tree{}, fault.Newf("InvalidImage", "The image has %d layers; one mount takes at most %d.", len(tree.Dirs), maxLowerNames/65)
	}
	return tree, nil
}

// Verify compares every layer of the stack with its blob, the lowest first:
// *Damage names the first difference. Repair by Forget, then Ensure.
func (s Store) Verify(ctx context.Context, worker Worker, blobs Blobs, stack Stack) error {
	for _, l := range stack {
		if err := worker.Verify(ctx, blobs.Path(l.Digest), l, s.path(l.Digest)); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes the unpacked layers of stack; no machine may be using them.
func (s Store) Forget(ctx context.Context, worker Worker, stack Stack) error {
	var errs []error
	for _, l := range stack {
		if isDigest(l.Digest) {
			errs = append(errs, worker.Remove(ctx, s.path(l.Digest)))
		}
	}
	return errors.Join(errs...)
}

// Collect removes every unpacked layer whose digest is not in keep, and what
// earlier removals and unpackings left half done. Layers that are being
// unpacked must be in keep. It returns the digests removed.
func (s Store) Collect(ctx context.Context, worker Worker, keep map[string]bool) (removed []string, err error) {
	names, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, d := range names {
		name := strings.TrimSuffix(d.Name(), partSuffix)
		gone, isGone := strings.CutSuffix(name, goneSuffix)
		digest := "sha256:" + gone
		if !isDigest(digest) || keep[digest] && !isGone {
			continue
		}
		if err := worker.Remove(ctx, filepath.Join(s.Dir, d.Name())); err != nil {
			return removed, err
		}
		if d.Name() == gone {
			removed = append(removed, digest)
		}
	}
	return removed, nil
}

func (s Store) path(digest string) string {
	return filepath.Join(s.Dir, strings.TrimPrefix(digest, "sha256:"))
}
