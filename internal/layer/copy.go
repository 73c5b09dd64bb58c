package layer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CopyDisk makes to a copy of from's writable part: same owners, modes, times
// to the nanosecond, hard links and attributes, no inode shared. It appears by
// rename; a disk that is there is taken as done. The machine of from should not
// run. Sockets and overlayfs's private marks, which name inodes of from's tree,
// are left out.
func (w *Local) CopyDisk(ctx context.Context, from, to Disk) error {
	dir := filepath.Clean(to.Path)
	defer w.locks.lock(dir)()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	src, err := openDir(filepath.Join(from.Path, upperDir))
	if err != nil {
		return err
	}
	defer unix.Close(src)
	part := Disk{Path: dir + partSuffix}
	if err := removeAll(part.Path); err != nil {
		return err
	}
	err = w.Clone(ctx, part)
	if err == nil {
		err = copyTree(ctx, src, filepath.Join(part.Path, upperDir), w.limits)
	}
	if err == nil {
		err = os.Rename(part.Path, dir)
	}
	if err != nil {
		return errors.Join(err, removeAll(part.Path))
	}
	return nil
}

type copier struct {
	to    *confined
	links map[uint64]string
	dirs  []*node
}

func copyTree(ctx context.Context, src int, dir string, limits Limits) error {
	to, err := confine(dir)
	if err != nil {
		return err
	}
	defer to.close()
	c := &copier{to: to, links: map[uint64]string{}}
	err = walk(ctx, src, limits, func(n *node) error {
		if err := c.add(n); err != nil {
			return &os.PathError{Op: "copy", Path: n.path, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range c.dirs {
		fd, base, err := to.parent(n.path)
		if err == nil {
			err = copyTimes(fd, base, n)
		}
		if err != nil {
			return &os.PathError{Op: "copy", Path: n.path, Err: err}
		}
	}
	return nil
}

func (c *copier) add(n *node) error {
	if n.typ() == unix.S_IFSOCK {
		return nil
	}
	fd, base, err := c.to.parent(n.path)
	if err != nil {
		return err
	}
	switch n.typ() {
	case unix.S_IFDIR:
		c.dirs = append(c.dirs, n)
		if err := unix.Mkdirat(fd, base, 0o700); err != nil {
			return err
		}
	default:
		if n.st.Nlink > 1 {
			if first, ok := c.links[n.st.Ino]; ok {
				return c.link(first, n.path)
			}
			c.links[n.st.Ino] = n.path
		}
		if err := c.create(fd, base, n); err != nil {
			return err
		}
	}
	if err := unix.Fchownat(fd, base, int(n.st.Uid), int(n.st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if n.typ() != unix.S_IFLNK && !n.isWhiteout() {
		if err := unix.Fchmodat(fd, base, n.st.Mode&0o7777, 0); err != nil {
			return err
		}
		if err := copyXattrs(fd, base, n); err != nil {
			return err
		}
	}
	return copyTimes(fd, base, n)
}

func (c *copier) link(first, again string) error {
	// Both parents are held at once: the second look-up may close the first.
	fd, base, err := c.to.parent(first)
	if err != nil {
		return err
	}
	own, err := unix.Dup(fd)
	if err != nil {
		return err
	}
	defer unix.Close(own)
	fd, name, err := c.to.parent(again)
	if err != nil {
		return err
	}
	return unix.Linkat(own, base, fd, name, 0)
}

func (c *copier) create(fd int, base string, n *node) error {
	switch n.typ() {
	case unix.S_IFREG:
		in, err := n.open()
		if err != nil {
			return err
		}
		defer unix.Close(in)
		out, err := unix.Openat(fd, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(copyBytes(out, in), unix.Close(out))
	case unix.S_IFLNK:
		link, err := n.readlink()
		if err != nil {
			return err
		}
		return unix.Symlinkat(link, fd, base)
	}
	return unix.Mknodat(fd, base, n.st.Mode, int(n.st.Rdev))
}

// copyBytes copies inside the kernel, sharing blocks where the file system can
// and leaving holes where the source has them: a data file of a machine may be
// mostly hole.
func copyBytes(out, in int) error {
	var pos int64
	for {
		start, err := unix.Seek(in, pos, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(in, start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(out, in, start, end); err != nil {
			return err
		}
		pos = end
	}
	size, err := unix.Seek(in, 0, unix.SEEK_END)
	if err != nil {
		return err
	}
	return unix.Ftruncate(out, size)
}

func copyRange(out, in int, pos, end int64) error {
	to := pos
	for pos < end {
		n, err := unix.CopyFileRange(in, &pos, out, &to, int(min(end-pos, 1<<30)), 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			return copyPlain(out, in, pos, end)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
	return nil
}

// copyPlain copies through memory, where the kernel cannot copy by itself.
func copyPlain(out, in int, pos, end int64) error {
	buf := make([]byte, 1<<18)
	for pos < end {
		n, err := unix.Pread(in, buf[:min(end-pos, int64(len(buf)))], pos)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for p := buf[:n]; len(p) > 0; {
			m, err := unix.Pwrite(out, p, pos)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			m = max(m, 0)
			p, pos = p[m:], pos+int64(m)
		}
	}
	return nil
}

func copyXattrs(fd int, base string, n *node) error {
	found, err := n.xattrs()
	if err != nil || len(found) == 0 {
		return err
	}
	out, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	for name, value := range found {
		private := strings.HasPrefix(name, overlayPrefix) && name != opaqueXattr &&
			!strings.HasPrefix(name, overlayPrefix+"overlay.")
		if private {
			continue
		}
		err := unix.Fsetxattr(out, name, []byte(value), 0)
		if err != nil && strings.HasPrefix(name, "user.") {
			return err
		}
	}
	return nil
}

func copyTimes(fd int, base string, n *node) error {
	return unix.UtimesNanoAt(fd, base, []unix.Timespec{n.st.Atim, n.st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}
