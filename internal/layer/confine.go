package layer

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// confined does file work below one directory and cannot leave it: parents are
// resolved by the kernel with RESOLVE_BENEATH and without following any
// symbolic link, and the last name is only used relative to its parent. It is
// the second wall; archive's checks are the first. One goroutine at a time.
type confined struct {
	root  int
	dirs  map[string]int // open parents; entries of a tar come by directory
	order []string
}

// openDirs is how many parents are kept open.
const openDirs = 64

func confine(dir string) (*confined, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &confined{root: fd, dirs: map[string]int{}}, nil
}

func (c *confined) close() {
	for _, fd := range c.dirs {
		_ = unix.Close(fd)
	}
	_ = unix.Close(c.root)
}

// parent gives the directory that holds p, made when absent, and p's last name.
// The descriptor stays confined's and is valid until the next call.
func (c *confined) parent(p string) (fd int, base string, err error) {
	dir, base := path.Split(p)
	fd, err = c.dir(path.Clean(dir))
	return fd, base, err
}

func (c *confined) dir(p string) (int, error) {
	if p == "." {
		return c.root, nil
	}
	if fd, ok := c.dirs[p]; ok {
		return fd, nil
	}
	fd, err := c.open(p)
	if errors.Is(err, unix.ENOENT) {
		if err = c.implied(p); err == nil {
			fd, err = c.open(p)
		}
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: p, Err: err}
	}
	if len(c.order) == openDirs {
		_ = unix.Close(c.dirs[c.order[0]])
		delete(c.dirs, c.order[0])
		c.order = c.order[1:]
	}
	c.dirs[p], c.order = fd, append(c.order, p)
	return fd, nil
}

func (c *confined) open(p string) (int, error) {
	for {
		fd, err := unix.Openat2(c.root, p, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS |
				unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		})
		// EAGAIN: the kernel saw a rename somewhere and cannot vouch for "..".
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

// implied makes a directory the archive has no entry for (yet): root's, 0755,
// with a fixed time so that two replicas come out equal.
func (c *confined) implied(p string) error {
	fd, base, err := c.parent(p)
	if err != nil {
		return err
	}
	if err := unix.Mkdirat(fd, base, 0o755); err != nil {
		return err
	}
	if err := unix.Fchmodat(fd, base, 0o755, 0); err != nil {
		return err
	}
	if err := unix.Fchownat(fd, base, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.UtimesNanoAt(fd, base, make([]unix.Timespec, 2), unix.AT_SYMLINK_NOFOLLOW)
}

// make runs create; if the name is taken by a non-directory, that goes first: a
// later entry of an archive replaces an earlier one.
func replace(fd int, base string, create func() error) error {
	err := create()
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Unlinkat(fd, base, 0); err != nil {
		return err
	}
	return create()
}
