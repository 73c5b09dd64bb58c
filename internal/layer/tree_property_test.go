package layer

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// drawTree makes a random tree below dir: every kind of file an upper directory
// can hold, with owners, modes, times, attributes and odd names.
func drawTree(r *rapid.T, t testing.TB, dir string) {
	must := func(err error) {
		if err != nil {
			t.Helper()
			r.Fatal(err)
		}
	}
	name := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "ü", "with space", "-rf", "new\nline", "..x", ".hidden", "\xff\xfe", "name."}),
		rapid.StringMatching(`[a-z]{90,250}`),
	)
	dirs, files, times := []string{"."}, []string{}, map[string]time.Time{}
	taken := map[string]bool{}
	for range rapid.IntRange(0, 25).Draw(r, "entries") {
		p := path.Join(rapid.SampledFrom(dirs).Draw(r, "dir"), name.Draw(r, "name"))
		if taken[p] || len(p) > 1500 {
			continue
		}
		taken[p] = true
		full := filepath.Join(dir, p)
		kinds := []string{"file", "file", "dir", "symlink", "fifo", "whiteout"}
		if len(files) > 0 {
			kinds = append(kinds, "hardlink")
		}
		switch k := rapid.SampledFrom(kinds).Draw(r, "kind"); k {
		case "file":
			must(os.WriteFile(full, rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(r, "text"), 0o600))
			files = append(files, p)
		case "dir":
			must(os.Mkdir(full, 0o700))
			dirs = append(dirs, p)
			if rapid.Bool().Draw(r, "opaque") {
				must(unix.Lsetxattr(full, opaqueXattr, []byte("y"), 0))
			}
		case "symlink":
			must(os.Symlink(rapid.SampledFrom([]string{"/etc/shadow", "../..", "a", "nowhere/at all"}).Draw(r, "target"), full))
		case "fifo":
			must(unix.Mkfifo(full, 0o600))
		case "whiteout":
			must(unix.Mknod(full, unix.S_IFCHR, 0))
			continue
		case "hardlink":
			must(os.Link(filepath.Join(dir, rapid.SampledFrom(files).Draw(r, "first")), full))
			continue
		}
		id := rapid.SampledFrom([]int{0, 1, 1000, 65534, 65535})
		must(os.Lchown(full, id.Draw(r, "uid"), id.Draw(r, "gid")))
		if st, err := os.Lstat(full); err == nil && st.Mode()&os.ModeSymlink == 0 {
			must(unix.Chmod(full, uint32(rapid.IntRange(0, 0o7777).Draw(r, "mode"))))
			if !(st.Mode()&os.ModeNamedPipe != 0) && rapid.Bool().Draw(r, "xattr") {
				must(unix.Lsetxattr(full, "user.color", rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(r, "color"), 0))
			}
		}
		times[full] = time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(r, "mtime"), rapid.Int64Range(0, 1e9-1).Draw(r, "ns"))
	}
	for _, full := range slices.Backward(slices.Sorted(maps.Keys(times))) {
		ts := unix.NsecToTimespec(times[full].UnixNano())
		must(unix.UtimesNanoAt(unix.AT_FDCWD, full, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// tree -> diff -> unpack -> the same tree, verified -> diff -> the same layer;
// and a copy of the disk is the same tree without a shared inode.
func TestTreeRoundTrip(t *testing.T) {
	needRoot(t)
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		defer func() { _ = removeAll(dir) }()
		ctx, w, blobs := t.Context(), NewLocal(Limits{}), Blobs{Dir: filepath.Join(dir, "layers")}
		disk := Disk{Path: filepath.Join(dir, "disk")}
		if err := w.Clone(ctx, disk); err != nil {
			r.Fatal(err)
		}
		upper := filepath.Join(disk.Path, upperDir)
		drawTree(r, t, upper)
		want := view(t, upper)

		l, err := w.Diff(ctx, disk, blobs.Dir, nil)
		if err != nil {
			r.Fatal(err)
		}
		back := Disk{Path: filepath.Join(dir, "back")}
		if err := os.Mkdir(back.Path, 0o755); err != nil {
			r.Fatal(err)
		}
		out := filepath.Join(back.Path, upperDir)
		if err := w.Unpack(ctx, blobs.Path(l.Digest), l, out); err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(want, view(t, out)); d != "" {
			r.Fatalf("unpacked tree differs (-want +got):\n%s", d)
		}
		if err := w.Verify(ctx, blobs.Path(l.Digest), l, out); err != nil {
			r.Fatal(err)
		}
		if again, err := w.Diff(ctx, back, blobs.Dir, nil); err != nil || again != l {
			r.Fatalf("second diff %v (%v), want %v", again, err, l)
		}
		f, err := blobs.Open(l.Digest)
		if err != nil {
			r.Fatal(err)
		}
		defer f.Close()
		if stored, err := blobs.Put(ctx, f); err != nil || stored != l {
			r.Fatalf("import of our own layer %v (%v), want %v", stored, err, l)
		}
		copied := Disk{Path: filepath.Join(dir, "copied")}
		if err := w.CopyDisk(ctx, disk, copied); err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(want, view(t, filepath.Join(copied.Path, upperDir))); d != "" {
			r.Fatalf("copied tree differs (-want +got):\n%s", d)
		}
		noSharedInode(t, upper, filepath.Join(copied.Path, upperDir))
	})
}

// noSharedInode fails when two trees have a file in common.
func noSharedInode(t testing.TB, one, two string) {
	t.Helper()
	inodes := func(dir string) map[uint64]string {
		found := map[uint64]string{}
		err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
			var st unix.Stat_t
			if err == nil {
				err = unix.Lstat(p, &st)
			}
			found[st.Ino] = p
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	first := inodes(one)
	for ino, p := range inodes(two) {
		if first[ino] != "" {
			t.Fatalf("%s and %s are inode %d", first[ino], p, ino)
		}
	}
}

// FuzzUnpack: whatever the bytes, unpack makes the whole tree or nothing, never
// a file outside, and a tree it made is one verify accepts.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, baseItems()...))
	f.Add(gzipped(f, tarOf(f, item{name: "x", text: "x"}, item{name: ".wh.y"})))
	f.Add(zstded(f, tarOf(f, item{name: "d/"}, item{name: "d/.wh..wh..opq"})))
	f.Add(tarOf(f, item{name: "l", typ: '2', link: "../outside"}, item{name: "l", text: "x"}))
	f.Add(tarOf(f, item{name: "l", typ: '2', link: "/tmp"}, item{name: "l/x"}))
	f.Add(tarOf(f, item{name: "f"}, item{name: "h", typ: '1', link: "f"}, item{name: "f", text: "new"}, item{name: "dev/x", typ: '3'}))
	f.Add(sparse(f, "100000"))
	limits := Limits{Bytes: 1 << 20, Entries: 100, RatioFrom: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		needRoot(t)
		dir := t.TempDir()
		inside := filepath.Join(dir, "inside")
		if err := os.Mkdir(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		blobs := Blobs{Dir: filepath.Join(dir, "layers"), Limits: limits}
		l, putErr := blobs.Put(t.Context(), bytes.NewReader(data))
		out, w := filepath.Join(inside, "out"), NewLocal(limits)
		blob := filepath.Join(dir, "blob")
		if err := os.WriteFile(blob, data, 0o600); err != nil {
			t.Fatal(err)
		}
		err := w.Unpack(t.Context(), blob, Layer{}, out)
		if (err == nil) != (putErr == nil) {
			t.Fatalf("import says %v and unpack says %v", putErr, err)
		}
		names, _ := os.ReadDir(inside)
		if want := map[bool]int{true: 1, false: 0}[err == nil]; len(names) != want {
			t.Fatalf("%d folders for error %v", len(names), err)
		}
		if err == nil {
			err = w.Verify(t.Context(), blobs.Path(l.Digest), l, out)
		} else {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if names, _ := os.ReadDir(dir); len(names) > 3 {
			t.Fatal(fmt.Sprint("something was made outside: ", names))
		}
	})
}
