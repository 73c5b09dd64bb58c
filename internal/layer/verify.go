package layer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Verify reads the blob again and compares every file of dir with it: type,
// contents, size, mode, owner, times, link target, attributes, whiteouts, and
// that nothing is missing or extra. The first difference in the order of paths
// is a *Damage error; a blob that is not l is a DigestMismatch instead.
func (w *Local) Verify(ctx context.Context, blob string, l Layer, dir string) error {
	f, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	want, err := expect(ctx, f, l, w.limits)
	if err != nil {
		return err
	}
	fd, err := openDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return &Damage{Path: dir, Reason: "is not there"}
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return want.compare(ctx, fd, w.limits)
}

// expected is what unpacking an archive gives, by path.
type expected struct {
	files map[string]*wanted
	late  []*Damage // times of directories: told only when nothing better is
	buf   []byte
}

// wanted is one file; names that are hard links of one another share it.
type wanted struct {
	entry  *entry // nil for a directory the archive only implies
	sum    [sha256.Size]byte
	opaque bool
	inode  uint64 // of the first name met on disk
}

func expect(ctx context.Context, r io.Reader, l Layer, limits Limits) (*expected, error) {
	a, err := openArchive(ctx, r, limits, l.Unpacked)
	if err != nil {
		return nil, err
	}
	defer a.close()
	x := &expected{files: map[string]*wanted{}, buf: make([]byte, 1<<18)}
	var hidden []*entry
	for {
		e, err := a.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case kindWhiteout, kindOpaque:
			hidden = append(hidden, e)
		case kindHardlink:
			x.files[e.Path] = x.files[e.Link]
		case kindFile:
			wf := &wanted{entry: e}
			sum := sha256.New()
			if err := a.copyContents(sum, e, x.buf); err != nil {
				return nil, err
			}
			sum.Sum(wf.sum[:0])
			x.files[e.Path] = wf
		default:
			x.files[e.Path] = &wanted{entry: e}
		}
	}
	if err := a.drain(); err != nil {
		return nil, err
	}
	if err := a.match(l); err != nil {
		return nil, err
	}
	for p, k := range a.seen {
		if k == kindDir && x.files[p] == nil {
			x.files[p] = &wanted{}
		}
	}
	for _, e := range hidden {
		x.hide(e)
	}
	return x, nil
}

// hide mirrors unpacker.hide.
func (x *expected) hide(e *entry) {
	there := x.files[e.Path]
	switch {
	case there == nil && e.Kind == kindWhiteout:
		x.files[e.Path] = &wanted{entry: e}
	case there != nil && there.isDir():
		there.opaque = true
	}
}

func (f *wanted) isDir() bool { return f.entry == nil || f.entry.Kind == kindDir }

func (x *expected) compare(ctx context.Context, fd int, limits Limits) error {
	met := map[string]bool{}
	root := &node{dir: fd, name: ".", path: "."}
	if err := unix.Fstat(fd, &root.st); err != nil {
		return err
	}
	visit := func(n *node) error {
		want := x.files[n.path]
		if want == nil {
			return &Damage{Path: n.path, Reason: "is not in the layer"}
		}
		met[n.path] = true
		return x.file(n, want)
	}
	if err := visit(root); err != nil {
		return err
	}
	if err := walk(ctx, fd, limits, visit); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(x.files)) {
		if !met[p] {
			return &Damage{Path: p, Reason: "is missing"}
		}
	}
	if len(x.late) > 0 {
		return x.late[0]
	}
	return nil
}

var fileType = map[kind]uint32{
	kindDir: unix.S_IFDIR, kindFile: unix.S_IFREG, kindSymlink: unix.S_IFLNK,
	kindFifo: unix.S_IFIFO, kindWhiteout: unix.S_IFCHR,
}

func (x *expected) file(n *node, want *wanted) error {
	differs := func(what string, got, is any) *Damage {
		return &Damage{Path: n.path, Reason: fmt.Sprintf("%s is %v and not %v", what, got, is)}
	}
	e := want.entry
	if e == nil {
		e = &entry{Path: n.path, Kind: kindDir, Mode: 0o755}
	}
	if n.typ() != fileType[e.Kind] || n.typ() == unix.S_IFCHR && !n.isWhiteout() {
		return &Damage{Path: n.path, Reason: "is another type of file"}
	}
	if e.Kind == kindWhiteout {
		return nil
	}
	if mode := n.st.Mode & 0o7777; mode != e.Mode && e.Kind != kindSymlink {
		return differs("mode", fmt.Sprintf("%04o", mode), fmt.Sprintf("%04o", e.Mode))
	}
	if int(n.st.Uid) != e.UID || int(n.st.Gid) != e.GID {
		return differs("owner", fmt.Sprint(n.st.Uid, ":", n.st.Gid), fmt.Sprint(e.UID, ":", e.GID))
	}
	if want.inode == 0 {
		want.inode = n.st.Ino
	} else if want.inode != n.st.Ino {
		return &Damage{Path: n.path, Reason: "is no longer a hard link of its namesake"}
	}
	switch e.Kind {
	case kindFile:
		if n.st.Size != e.Size {
			return differs("size", n.st.Size, e.Size)
		}
		sum, err := x.sum(n)
		if err != nil {
			return err
		}
		if sum != want.sum {
			return differs("content", fmt.Sprintf("sha256:%x", sum), fmt.Sprintf("sha256:%x", want.sum))
		}
	case kindSymlink:
		link, err := n.readlink()
		if err != nil {
			return err
		}
		if link != e.Link {
			return differs("link target", link, e.Link)
		}
	}
	if err := sameXattrs(n, e, want.opaque); err != nil {
		return err
	}
	if want.entry != nil && (n.st.Mtim.Sec != e.ModTime.Unix() || n.st.Mtim.Nsec != 0) {
		late := differs("modification time", n.st.Mtim.Sec, e.ModTime.Unix())
		if e.Kind != kindDir {
			return late
		}
		x.late = append(x.late, late)
	}
	return nil
}

func (x *expected) sum(n *node) (sum [sha256.Size]byte, err error) {
	fd, err := n.open()
	if err != nil {
		return sum, err
	}
	defer unix.Close(fd)
	h := sha256.New()
	for {
		size, err := unix.Read(fd, x.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return sum, &os.PathError{Op: "read", Path: n.path, Err: err}
		}
		if size == 0 {
			h.Sum(sum[:0])
			return sum, nil
		}
		h.Write(x.buf[:size])
	}
}

// sameXattrs compares the attributes in user.*, where nothing is ever refused;
// the others may have been dropped at unpacking, but may not have changed.
func sameXattrs(n *node, e *entry, opaque bool) error {
	got, err := n.xattrs()
	if err != nil {
		return err
	}
	want := e.Xattrs
	if opaque {
		want = maps.Clone(want)
		if want == nil {
			want = map[string]string{}
		}
		want[opaqueXattr] = "y"
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, there := got[name]
		if (there || strings.HasPrefix(name, "user.")) && value != want[name] {
			return &Damage{Path: n.path, Reason: "attribute " + name + " differs"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		_, kept := xattrOnDisk(name)
		if _, there := want[name]; kept && !there {
			return &Damage{Path: n.path, Reason: "attribute " + name + " is not in the layer"}
		}
	}
	return nil
}
