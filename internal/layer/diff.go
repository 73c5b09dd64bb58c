package layer

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

// Diff makes a layer of what a disk has above its tree. The same disk gives the
// same archive: names in bytewise order, whole-second times, no user names.
// Sockets are left out, as every archiver does; a device node, which no machine
// can make, and names that would read as whiteouts are InvalidDisk errors. The
// disk's root directory itself is not part of it: a machine's / is always 0755.
func (w *Local) Diff(ctx context.Context, disk Disk, blobs string, strip []string) (Layer, error) {
	stripped := map[string]bool{}
	for _, p := range strip {
		if p == "." || p != path.Clean(p) || path.IsAbs(p) || strings.HasPrefix(p, "../") || p == ".." {
			return Layer{}, fault.New("InvalidPath", "A path to leave out must be clean and relative.").With("path", p)
		}
		stripped[p] = true
	}
	upper, err := openDir(filepath.Join(disk.Path, upperDir))
	if err != nil {
		return Layer{}, err
	}
	defer unix.Close(upper)
	out, err := newLayerWriter(blobs)
	if err != nil {
		return Layer{}, err
	}
	d := &differ{tw: tar.NewWriter(out), limits: w.limits, links: map[uint64]string{}, buf: make([]byte, 1<<18)}
	err = walk(ctx, upper, w.limits, func(n *node) error {
		if stripped[n.path] {
			return errSkip
		}
		return d.add(n)
	})
	if err == nil {
		err = d.tw.Close()
	}
	if err != nil {
		out.drop()
		return Layer{}, err
	}
	return out.commit(d.unpacked)
}

type differ struct {
	tw       *tar.Writer
	limits   Limits
	links    map[uint64]string // inode -> first name, for files with several
	unpacked int64
	buf      []byte
}

func (d *differ) add(n *node) error {
	if n.isWhiteout() {
		return d.tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg,
			Name:     path.Join(path.Dir(n.path), whiteoutPrefix+n.name),
			ModTime:  time.Unix(0, 0),
		})
	}
	if strings.HasPrefix(n.name, whiteoutPrefix) {
		return fault.New("InvalidDisk", "A name that begins with .wh. cannot be kept in a layer, where it means a deletion.").With("path", n.path)
	}
	h := &tar.Header{
		Name: n.path, Mode: int64(n.st.Mode & 0o7777), Uid: int(n.st.Uid), Gid: int(n.st.Gid),
		ModTime: time.Unix(n.st.Mtim.Sec, 0),
	}
	switch n.typ() {
	case unix.S_IFDIR:
		return d.addDir(n, h)
	case unix.S_IFREG:
		return d.addFile(n, h)
	case unix.S_IFLNK:
		link, err := n.readlink()
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, link
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFSOCK:
		return nil
	default:
		return fault.New("InvalidDisk", "A device node cannot be kept in a layer.").With("path", n.path)
	}
	if first, again := d.linked(n); again {
		h.Typeflag, h.Linkname = tar.TypeLink, first
	}
	return d.tw.WriteHeader(h)
}

// linked gives the name under which a file with several names was written.
func (d *differ) linked(n *node) (first string, again bool) {
	if n.st.Nlink < 2 {
		return "", false
	}
	first, again = d.links[n.st.Ino]
	if !again {
		d.links[n.st.Ino] = n.path
	}
	return first, again
}

func (d *differ) addDir(n *node, h *tar.Header) error {
	xattrs, err := n.xattrs()
	if err != nil {
		return err
	}
	h.Typeflag, h.Name = tar.TypeDir, n.path+"/"
	setPAX(h, xattrs)
	if err := d.tw.WriteHeader(h); err != nil || xattrs[opaqueXattr] != "y" {
		return err
	}
	return d.tw.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path.Join(n.path, opaqueName), ModTime: time.Unix(0, 0),
	})
}

func (d *differ) addFile(n *node, h *tar.Header) error {
	if first, again := d.linked(n); again {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return d.tw.WriteHeader(h)
	}
	fd, err := n.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	xattrs, err := listXattrs(fd)
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, n.st.Size
	if h.Size > d.limits.Bytes-d.unpacked {
		return fault.Newf("InvalidDisk", "The disk holds more than %d bytes.", d.limits.Bytes).With("path", n.path)
	}
	d.unpacked += h.Size
	setPAX(h, xattrs)
	if err := d.tw.WriteHeader(h); err != nil {
		return err
	}
	return d.copy(fd, h.Size)
}

// copy writes exactly size bytes: a file that grows meanwhile is cut and one
// that shrinks is filled with zeros, as the header already stands.
func (d *differ) copy(fd int, size int64) error {
	for size > 0 {
		p := d.buf[:min(size, int64(len(d.buf)))]
		n, err := unix.Read(fd, p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			_, err := io.CopyN(d.tw, zeros{}, size)
			return err
		}
		if _, err := d.tw.Write(p[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func setPAX(h *tar.Header, xattrs map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		kept, ok := xattrInTar(name)
		if !ok {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[paxXattr+kept] = xattrs[name]
	}
}
