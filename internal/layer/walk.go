package layer

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

// node is one file met by walk: name in the open directory dir.
type node struct {
	dir  int
	name string
	path string // clean, relative to the walk's start
	st   unix.Stat_t
}

func (n *node) typ() uint32 { return n.st.Mode & unix.S_IFMT }

// isWhiteout reports overlayfs's own mark of a deleted lower file.
func (n *node) isWhiteout() bool { return n.typ() == unix.S_IFCHR && n.st.Rdev == 0 }

// open opens the file itself: no link is followed, no fifo waited for.
func (n *node) open() (int, error) {
	fd, err := unix.Openat(n.dir, n.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: n.path, Err: err}
	}
	return fd, nil
}

// readlink gives a symbolic link's text.
func (n *node) readlink() (string, error) {
	buf := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(n.dir, n.name, buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: n.path, Err: err}
	}
	return string(buf[:size]), nil
}

// xattrs gives all attributes the caller may see; only files and directories
// can have one that we keep.
func (n *node) xattrs() (map[string]string, error) {
	if t := n.typ(); t != unix.S_IFREG && t != unix.S_IFDIR {
		return nil, nil
	}
	fd, err := n.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return listXattrs(fd)
}

func listXattrs(fd int) (map[string]string, error) {
	buf := make([]byte, 1024)
	size, err := unix.Flistxattr(fd, buf)
	if errors.Is(err, unix.ERANGE) {
		buf = make([]byte, 1<<16) // XATTR_LIST_MAX
		size, err = unix.Flistxattr(fd, buf)
	}
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil || size == 0 {
		return nil, err
	}
	found := map[string]string{}
	value := make([]byte, 1<<16) // XATTR_SIZE_MAX
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:size]), "\x00"), "\x00") {
		n, err := unix.Fgetxattr(fd, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[name] = string(value[:n])
	}
	return found, nil
}

// errSkip, returned by a visit of a directory, leaves out what is below it.
var errSkip = errors.New("layer: skip")

// walk visits everything below the open directory fd, in the bytewise order of
// names, directories before what they hold; it follows no link. What a layer
// could not hold (see Limits) is an error.
func walk(ctx context.Context, fd int, limits Limits, visit func(*node) error) error {
	return walkDir(ctx, fd, ".", 1, limits, visit)
}

func walkDir(ctx context.Context, fd int, dir string, depth int, limits Limits, visit func(*node) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := readNames(fd)
	if err != nil {
		return &os.PathError{Op: "read", Path: dir, Err: err}
	}
	for _, name := range names {
		n := &node{dir: fd, name: name, path: path.Join(dir, name)}
		if len(n.path) > limits.Path || depth > limits.Depth {
			return fault.New("InvalidDisk", "A path is too long or too deep for a layer.").With("path", n.path[:min(len(n.path), 128)])
		}
		err := unix.Fstatat(fd, name, &n.st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since the directory was read
		}
		if err != nil {
			return &os.PathError{Op: "stat", Path: n.path, Err: err}
		}
		if err := visit(n); errors.Is(err, errSkip) {
			continue
		} else if err != nil {
			return err
		}
		if n.typ() != unix.S_IFDIR {
			continue
		}
		if err := walkInto(ctx, n, depth, limits, visit); err != nil {
			return err
		}
	}
	return nil
}

func walkInto(ctx context.Context, n *node, depth int, limits Limits, visit func(*node) error) error {
	sub, err := n.open()
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	return walkDir(ctx, sub, n.path, depth+1, limits, visit)
}

func readNames(fd int) ([]string, error) {
	own, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(own), ".")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// openDir opens a directory by path to walk it.
func openDir(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return fd, nil
}
