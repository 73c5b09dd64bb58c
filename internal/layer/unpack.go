package layer

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

// Unpack writes the layer's blob into dir, which appears complete, by rename,
// or not at all, whenever this process dies (after a power cut ask Verify); a
// dir that is there is taken as done. The blob's digest and
// diff id must be l's. Errors: InvalidArchive naming the entry, DigestMismatch,
// or what the file system said.
//
// Owners, modes, whole-second modification times, hard links and attributes are
// kept. security.* attributes the kernel refuses here are dropped: file
// capabilities of an image then have no effect, which also is what a user
// namespace would make of most of them.
func (w *Local) Unpack(ctx context.Context, blob string, l Layer, dir string) error {
	dir = filepath.Clean(dir)
	defer w.locks.lock(dir)()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	f, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	part := dir + partSuffix
	if err := removeAll(part); err != nil {
		return err
	}
	if err := mkdirs(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	if err := unpack(ctx, f, l, w.limits, part); err != nil {
		return errors.Join(err, removeAll(part))
	}
	return os.Rename(part, dir)
}

func unpack(ctx context.Context, blob io.Reader, l Layer, limits Limits, dir string) error {
	a, err := openArchive(ctx, blob, limits, l.Unpacked)
	if err != nil {
		return err
	}
	defer a.close()
	c, err := confine(dir)
	if err != nil {
		return err
	}
	defer c.close()
	u := &unpacker{archive: a, confined: c, buf: make([]byte, 1<<18)}
	if err := unix.Fchmodat(unix.AT_FDCWD, dir, 0o755, 0); err != nil {
		return err
	}
	for {
		e, err := a.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := u.put(e); err != nil {
			return entryError(e, err)
		}
	}
	if err := a.drain(); err != nil {
		return err
	}
	if err := a.match(l); err != nil {
		return err
	}
	return u.finish()
}

// entryError names the entry in an error of the file system. A name the kernel
// finds too long, and the like, stay ordinary errors: they may be the disk's.
func entryError(e *entry, err error) error {
	if fault.CodeOf(err) != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &os.PathError{Op: "unpack", Path: e.Path, Err: err}
}

type unpacker struct {
	*archive
	*confined
	buf    []byte
	dirs   []*entry // whose times are set last: making children moves them
	hidden []*entry // whiteouts, made last: they hide lower layers, never this one
}

func (u *unpacker) put(e *entry) error {
	switch e.Kind {
	case kindWhiteout, kindOpaque:
		u.hidden = append(u.hidden, e)
		return nil
	case kindDir:
		return u.putDir(e)
	}
	fd, base, err := u.parent(e.Path)
	if err != nil {
		return err
	}
	switch e.Kind {
	case kindFile:
		return u.putFile(fd, base, e)
	case kindHardlink:
		return u.putLink(fd, base, e)
	case kindSymlink:
		err = replace(fd, base, func() error { return unix.Symlinkat(e.Link, fd, base) })
	case kindFifo:
		err = replace(fd, base, func() error { return unix.Mknodat(fd, base, unix.S_IFIFO|0o600, 0) })
	}
	if err != nil {
		return err
	}
	return u.finishNode(fd, base, e)
}

func (u *unpacker) putDir(e *entry) error {
	u.dirs = append(u.dirs, e)
	fd, base := u.root, "."
	if e.Path != "." {
		var err error
		if fd, base, err = u.parent(e.Path); err != nil {
			return err
		}
		switch err := unix.Mkdirat(fd, base, 0o700); {
		case errors.Is(err, unix.EEXIST):
			var st unix.Stat_t
			if err := unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
			if st.Mode&unix.S_IFMT == unix.S_IFDIR {
				break
			}
			if err := replace(fd, base, func() error { return unix.Mkdirat(fd, base, 0o700) }); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return u.finishNode(fd, base, e)
}

func (u *unpacker) putFile(fd int, base string, e *entry) error {
	out := -1
	err := replace(fd, base, func() (err error) {
		out, err = unix.Openat(fd, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = u.copyContents(fdWriter(out), e, u.buf)
	if err == nil {
		err = unix.Fchown(out, e.UID, e.GID)
	}
	if err == nil {
		err = unix.Fchmod(out, e.Mode)
	}
	if err == nil {
		err = setXattrs(e, func(name string, value []byte) error { return unix.Fsetxattr(out, name, value, 0) })
	}
	if e2 := unix.Close(out); err == nil {
		err = e2
	}
	if err != nil {
		return err
	}
	return setTime(fd, base, e)
}

// fdWriter writes to a descriptor without the runtime's poller, which has
// nothing to do for files and costs more than a small file's write.
type fdWriter int

func (fd fdWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(int(fd), p[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func (u *unpacker) putLink(fd int, base string, e *entry) error {
	// The target's parent comes from the small cache too, which may close fd.
	own, err := unix.Dup(fd)
	if err != nil {
		return err
	}
	defer unix.Close(own)
	from, name, err := u.parent(e.Link)
	if err != nil {
		return err
	}
	return replace(own, base, func() error { return unix.Linkat(from, name, own, base, 0) })
}

// finishNode gives owner, mode, attributes and time to what is not a file. The
// owner comes first: changing it drops setuid bits and capabilities.
func (u *unpacker) finishNode(fd int, base string, e *entry) error {
	if err := unix.Fchownat(fd, base, e.UID, e.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if e.Kind != kindSymlink {
		// Nobody else works here, and what base is was just made by us.
		if err := unix.Fchmodat(fd, base, e.Mode, 0); err != nil {
			return err
		}
	}
	if e.Kind == kindDir {
		return u.dirXattrs(e)
	}
	return setTime(fd, base, e)
}

func (u *unpacker) dirXattrs(e *entry) error {
	if len(e.Xattrs) == 0 {
		return nil
	}
	return u.withDir(e.Path, func(dir int) error {
		return setXattrs(e, func(name string, value []byte) error { return unix.Fsetxattr(dir, name, value, 0) })
	})
}

// withDir opens a directory of the tree for reading, which attributes need.
func (u *unpacker) withDir(p string, do func(fd int) error) error {
	at, err := u.dir(p)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

func setXattrs(e *entry, set func(string, []byte) error) error {
	for name, value := range e.Xattrs {
		err := set(name, []byte(value))
		refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL)
		if err != nil && !(refused && !strings.HasPrefix(name, "user.")) {
			return err
		}
	}
	return nil
}

func setTime(fd int, base string, e *entry) error {
	t := unix.Timespec{Sec: e.ModTime.Unix()}
	return unix.UtimesNanoAt(fd, base, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// finish makes the whiteouts, then sets the directories' times, the deepest
// need not come first because setting a time moves no other.
func (u *unpacker) finish() error {
	for _, e := range u.hidden {
		if err := u.hide(e); err != nil {
			return entryError(e, err)
		}
	}
	for _, e := range u.dirs {
		fd, base := u.root, "."
		var err error
		if e.Path != "." {
			fd, base, err = u.parent(e.Path)
		}
		if err == nil {
			err = setTime(fd, base, e)
		}
		if err != nil {
			return entryError(e, err)
		}
	}
	return nil
}

// hide makes a whiteout as overlayfs does itself. What the same layer brings
// under that name stays: a directory then hides its lower namesake's contents.
func (u *unpacker) hide(e *entry) error {
	if e.Kind == kindWhiteout {
		switch u.seen[e.Path] {
		case 0:
			fd, base, err := u.parent(e.Path)
			if err != nil {
				return err
			}
			return replace(fd, base, func() error { return unix.Mknodat(fd, base, unix.S_IFCHR, 0) })
		case kindDir:
		default:
			return nil
		}
	}
	return u.withDir(e.Path, func(fd int) error { return unix.Fsetxattr(fd, opaqueXattr, []byte("y"), 0) })
}
