package layer

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"millpond/internal/fault"
)

type kind byte

const (
	kindDir kind = iota + 1
	kindFile
	kindSymlink
	kindHardlink
	kindFifo
	kindWhiteout // Path names what it hides
	kindOpaque   // Path names the directory whose lower contents it hides
)

// entry is one checked entry of a layer's tar. Path is clean and relative,
// "." is the layer's root. Link is a symlink's text, kept as written, or a hard
// link's target as a clean path that came earlier in the same archive.
type entry struct {
	Path     string
	Kind     kind
	Link     string
	Mode     uint32 // permission, setuid, setgid and sticky bits
	UID, GID int
	Size     int64
	ModTime  time.Time
	Xattrs   map[string]string // as written on disk, see xattrsOf
}

// archive reads a layer's tar and lets through only what may be unpacked; the
// rules are here and nowhere else, so that import, unpack and verify agree.
type archive struct {
	*stream
	tr       *tar.Reader
	seen     map[string]kind
	entries  int
	contents int64 // bytes of file contents announced so far
	given    int64 // bytes of file contents read so far
	declared int64 // bytes the layer says it has, 0 = unknown
}

func openArchive(ctx context.Context, r io.Reader, limits Limits, declared int64) (*archive, error) {
	s, err := openStream(ctx, r, limits, declared == 0)
	if err != nil {
		return nil, err
	}
	return &archive{
		stream: s, tr: tar.NewReader(s.tar), declared: declared,
		seen: map[string]kind{".": kindDir},
	}, nil
}

// next returns the next entry that is to be made, or io.EOF; contentsOf gives its
// contents. Device nodes below dev/ are passed over: base images carry them,
// and a machine binds its own.
func (a *archive) next() (*entry, error) {
	for {
		h, err := a.tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, a.end()
		}
		if err != nil {
			return nil, a.readError("", err)
		}
		a.entries++
		if a.entries > a.limits.Entries {
			return nil, invalid(h.Name, "the archive has more than %d entries", a.limits.Entries)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		e, err := a.check(h)
		if err != nil || e != nil {
			return e, err
		}
	}
}

// end is io.EOF, unless sparse files promised far more than the archive carried:
// who skips over contents never meets the holes.
func (a *archive) end() error {
	if a.ratio && a.contents > a.limits.RatioFrom && a.contents/a.limits.Ratio > a.raw.n {
		return invalid("", "the archive unpacks to more than %d times its size", a.limits.Ratio)
	}
	return io.EOF
}

// readError gives what went wrong while reading a place: our own refusals and
// a cancelled context stay what they are, all else is a damaged archive.
func (a *archive) readError(name string, err error) error {
	if fault.CodeOf(err) != "" || a.ctx.Err() != nil {
		return err
	}
	return invalid(name, "the archive cannot be read: %v", err)
}

// contentsOf reads contents of the entry that next gave last.
func (a *archive) contentsOf(e *entry, p []byte) (int, error) {
	n, err := a.tr.Read(p)
	// A sparse file gives far more than the stream carries, so the ratio is
	// judged here too.
	if a.given += int64(n); a.ratio && a.given > a.limits.RatioFrom && a.given/a.limits.Ratio > a.raw.n {
		return n, invalid(e.Path, "the archive unpacks to more than %d times its size", a.limits.Ratio)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.readError(e.Path, err)
	}
	return n, err
}

// copyContents writes the contents of e, which next gave last, to out.
func (a *archive) copyContents(out io.Writer, e *entry, buf []byte) error {
	for {
		n, err := a.contentsOf(e, buf)
		if _, err := out.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (a *archive) check(h *tar.Header) (*entry, error) {
	p, err := a.cleanPath(h.Name)
	if err != nil {
		return nil, err
	}
	e := &entry{
		Path: p, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid,
		Size: h.Size, ModTime: h.ModTime, Xattrs: xattrsOf(h),
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Kind = kindDir
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Kind = kindFile
	case tar.TypeSymlink:
		e.Kind, e.Link = kindSymlink, h.Linkname
	case tar.TypeLink:
		e.Kind = kindHardlink
	case tar.TypeFifo:
		e.Kind = kindFifo
	case tar.TypeChar, tar.TypeBlock:
		if strings.HasPrefix(p, "dev/") {
			return nil, nil
		}
		return nil, invalid(h.Name, "the archive has a device node outside dev/")
	default:
		return nil, invalid(h.Name, "the archive has an entry of unknown type %q", h.Typeflag)
	}
	if base := path.Base(p); strings.HasPrefix(base, whiteoutPrefix) {
		return a.checkWhiteout(h, e, base)
	}
	return e, a.admit(h, e)
}

// admit holds e to what came before it and to the limits, and remembers it.
func (a *archive) admit(h *tar.Header, e *entry) error {
	if h.Uid < 0 || h.Uid > maxID || h.Gid < 0 || h.Gid > maxID {
		return invalid(h.Name, "the entry's owner %d:%d is outside 0 to %d, the ids a machine has", h.Uid, h.Gid, maxID)
	}
	if err := a.admitParents(h.Name, e.Path); err != nil {
		return err
	}
	was := a.seen[e.Path]
	if was == kindDir && e.Kind != kindDir {
		return invalid(h.Name, "the entry stands where the archive already has a directory")
	}
	switch e.Kind {
	case kindFile:
		if h.Size < 0 {
			return invalid(h.Name, "the entry has a negative size")
		}
		limit, why := a.limits.Bytes, "the archive's files hold more than %d bytes"
		if a.declared > 0 {
			limit, why = a.declared, "the layer's files hold more than the %d bytes it declares"
		}
		if h.Size > limit-a.contents {
			return invalid(h.Name, why, limit)
		}
		a.contents += h.Size
	case kindSymlink:
		if h.Linkname == "" || len(h.Linkname) > a.limits.Path || strings.ContainsRune(h.Linkname, 0) {
			return invalid(h.Name, "the symbolic link's target is empty or too long")
		}
	case kindHardlink:
		target, err := a.cleanPath(h.Linkname)
		if err != nil {
			return invalid(h.Name, "the hard link's target %q is absolute or leaves the archive", h.Linkname)
		}
		switch a.seen[target] {
		case 0:
			return invalid(h.Name, "the hard link's target %q does not come before it in the archive", h.Linkname)
		case kindDir:
			return invalid(h.Name, "the hard link's target %q is a directory", h.Linkname)
		}
		if target == e.Path {
			return invalid(h.Name, "the hard link points to itself")
		}
		e.Link, e.Size = target, 0
	}
	a.seen[e.Path] = e.Kind
	return nil
}

// admitParents wants every ancestor to be a directory of this archive; absent
// ones are made by unpack and from then on are directories. A symbolic link as
// an ancestor is never followed.
func (a *archive) admitParents(name, p string) error {
	dir := path.Dir(p)
	for d := dir; ; d = path.Dir(d) {
		switch a.seen[d] {
		case kindDir:
		case 0:
			continue
		case kindSymlink:
			return invalid(name, "the entry lies below the symbolic link %q", d)
		default:
			return invalid(name, "the entry lies below %q, which is not a directory", d)
		}
		break
	}
	for d := dir; a.seen[d] == 0; d = path.Dir(d) {
		a.seen[d] = kindDir
	}
	return nil
}

// cleanPath turns an entry's name into a clean relative path or refuses it.
func (a *archive) cleanPath(name string) (string, error) {
	switch {
	case name == "":
		return "", invalid(name, "the archive has an entry without a name")
	case len(name) > a.limits.Path:
		return "", invalid(name[:64]+"...", "the entry's path is longer than %d bytes", a.limits.Path)
	case strings.HasPrefix(name, "/"):
		return "", invalid(name, "the entry's path is absolute")
	case strings.ContainsRune(name, 0):
		return "", invalid(name, "the entry's path has a zero byte")
	}
	depth := 0
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", invalid(name, "the entry's path has \"..\"")
		case len(part) > 255:
			return "", invalid(name[:64]+"...", "a name in the entry's path is longer than 255 bytes")
		case part != "" && part != ".":
			depth++
		}
	}
	if depth > a.limits.Depth {
		return "", invalid(name[:min(len(name), 64)]+"...", "the entry lies deeper than %d directories", a.limits.Depth)
	}
	return path.Clean(name), nil
}
