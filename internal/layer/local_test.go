package layer

import (
	"archive/tar"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

func TestCloneMkdirRemoveRepeat(t *testing.T) {
	p := newPlace(t)
	ctx, w := t.Context(), p.worker
	disk := Disk{Path: filepath.Join(p.dir, "new/parents/disk")}
	for range 2 {
		if err := w.Clone(ctx, disk); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(disk.Path, upperDir, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Clone(ctx, disk); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("a second clone emptied the disk: %v", err)
	}
	for range 2 {
		if err := w.Mkdir(ctx, filepath.Join(p.dir, "x/y/z")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Mkdir(ctx, kept); err == nil {
		t.Error("mkdir over a file succeeds")
	}
	if err := os.MkdirAll(filepath.Join(disk.Path, workDir, "work/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"work/deep", "work"} {
		if err := os.Chmod(filepath.Join(disk.Path, workDir, d), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := w.Remove(ctx, disk.Path); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"/", "", ".", "//", "/x/..", "relative"} {
		if err := w.Remove(ctx, bad); !fault.Is(err, "InvalidPath") {
			t.Errorf("remove %q: %v, want InvalidPath", bad, err)
		}
	}
	if names, _ := os.ReadDir(filepath.Dir(disk.Path)); len(names) != 0 {
		t.Errorf("remove left %v", names)
	}
}

// names lists a layer's entries in order.
func names(t *testing.T, blobs Blobs, l Layer) []string {
	t.Helper()
	r, err := stored{blobs, l}.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var found []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, h.Name)
	}
}

// Diff writes only what a layer can hold, strips what it is told and follows
// no link out of the disk.
func TestDiffStripsAndSkips(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	disk := p.disk(t)
	upper := filepath.Join(disk.Path, upperDir)
	sh(t, upper, `mkdir -p etc/ssh home/user var; echo id > etc/machine-id; echo key > etc/ssh/host_key
		echo c > etc/ssh/config; ln -s / var/all; mknod gone c 0 0; mknod etc/old c 0 0; touch home/user/x`)
	socket, err := net.Listen("unix", filepath.Join(upper, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	l := p.diff(t, disk, "etc/machine-id", "etc/ssh/host_key", "home/user", "etc/old", "not/there")
	got := strings.Join(names(t, p.blobs, l), " ")
	if want := "etc/ etc/ssh/ etc/ssh/config .wh.gone home/ var/ var/all"; got != want {
		t.Errorf("layer holds %q, want %q", got, want)
	}
	for _, bad := range []string{"/etc", "../x", "a/../b", ".", "", "a/", "a/.."} {
		if _, err := p.worker.Diff(t.Context(), disk, p.blobs.Dir, []string{bad}); !fault.Is(err, "InvalidPath") {
			t.Errorf("strip %q: %v, want InvalidPath", bad, err)
		}
	}
}

func TestDiffRefusesWhatNoLayerHolds(t *testing.T) {
	needRoot(t)
	for name, make := range map[string]func(upper string) error{
		"device":        func(u string) error { return unix.Mknod(u+"/null", unix.S_IFCHR, int(unix.Mkdev(1, 3))) },
		"whiteout name": func(u string) error { return os.WriteFile(u+"/.wh.x", nil, 0o600) },
		"too deep":      func(u string) error { return os.MkdirAll(u+strings.Repeat("/d", 300), 0o755) },
		"too large": func(u string) error {
			return errors.Join(os.WriteFile(u+"/x", nil, 0o600), os.Truncate(u+"/x", 65<<30))
		},
	} {
		p := newPlace(t)
		disk := p.disk(t)
		if err := make(filepath.Join(disk.Path, upperDir)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.worker.Diff(t.Context(), disk, p.blobs.Dir, nil); !fault.Is(err, "InvalidDisk") {
			t.Errorf("%s: %v, want InvalidDisk", name, err)
		}
		if left, _ := os.ReadDir(filepath.Join(p.blobs.Dir, blobFolder)); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// Holes stay holes: a machine's data file may be mostly empty.
func TestCopyDiskKeepsHoles(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	disk, to := p.disk(t), Disk{Path: filepath.Join(p.dir, "copy")}
	f, err := os.Create(filepath.Join(disk.Path, upperDir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("end"), 1<<30); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := p.worker.CopyDisk(t.Context(), disk, to); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(to.Path, upperDir, "sparse"), &st); err != nil || st.Size != 1<<30+3 || st.Blocks > 4096 {
		t.Errorf("size %d, %d blocks (%v), want 1 GiB and 3 bytes in few blocks", st.Size, st.Blocks, err)
	}
	if err := p.worker.CopyDisk(t.Context(), Disk{Path: "/nowhere"}, to); err != nil {
		t.Errorf("a copy that is there is not taken as done: %v", err)
	}
}
