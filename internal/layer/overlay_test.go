package layer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// place is where a test works: blobs, a store and a worker.
type place struct {
	dir    string
	blobs  Blobs
	store  Store
	worker *Local
	disks  int
}

func newPlace(t testing.TB) *place {
	t.Helper()
	dir := t.TempDir()
	return &place{
		dir: dir, blobs: Blobs{Dir: filepath.Join(dir, "layers")},
		store: Store{Dir: filepath.Join(dir, "store")}, worker: NewLocal(Limits{}),
	}
}

func (p *place) disk(t testing.TB) Disk {
	t.Helper()
	p.disks++
	d := Disk{Path: filepath.Join(p.dir, fmt.Sprintf("disk%d", p.disks))}
	if err := p.worker.Clone(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *place) ensure(t testing.TB, stack Stack) Tree {
	t.Helper()
	tree, err := p.store.Ensure(t.Context(), p.worker, p.blobs, stack)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func (p *place) diff(t testing.TB, d Disk, strip ...string) Layer {
	t.Helper()
	l, err := p.worker.Diff(t.Context(), d, p.blobs.Dir, strip)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sees mounts stack with an empty disk and returns its view.
func (p *place) sees(t testing.TB, stack Stack) map[string]string {
	t.Helper()
	root, unmount := mountOverlay(t, p.ensure(t, stack), p.disk(t))
	defer unmount()
	return view(t, root)
}

// remounted is the view of a disk after its machine's restart: while a mount
// lasts, overlayfs shows a new hard link of a lower file as another inode.
func (p *place) remounted(t testing.TB, stack Stack, disk Disk) map[string]string {
	t.Helper()
	root, unmount := mountOverlay(t, p.ensure(t, stack), disk)
	defer unmount()
	return view(t, root)
}

func baseItems() []item {
	return []item{
		{name: "./"},
		{name: "./a", text: "a"}, {name: "./z", text: "z", uid: 33, gid: 8},
		{name: "./d/", mode: 0o750, uid: 7}, {name: "./d/b", text: "b"}, {name: "./d/c", text: "c"},
		{name: "./d/sub/"}, {name: "./d/sub/x", text: "x"},
		{name: "./e/"}, {name: "./e/one", text: "1"}, {name: "./e/two/"}, {name: "./e/two/deep", text: "2"},
		{name: "./f/"}, {name: "./f/keep", text: "k"}, {name: "./f/gone", text: "g"},
		{name: "./bin/"}, {name: "./bin/su", text: "su", mode: 0o4755},
		{name: "./h1", text: "hard"}, {name: "./h2", typ: '1', link: "./h1"},
		{name: "./abs", typ: '2', link: "/etc/shadow"}, {name: "./tmp/", mode: 0o1777},
	}
}

// Everything overlayfs does to lower directories must come through a layer:
// deleted, deleted and made again, renamed, replaced by another type.
func TestOverlayRoundTrip(t *testing.T) {
	if inUserns(t) {
		return
	}
	p := newPlace(t)
	stack := Stack{put(t, p.blobs, baseItems()...)}
	for i, script := range []string{
		`rm a; rm -rf d; mkdir d; echo n > d/n; mv e e2; rm f/gone; chmod 4711 bin/su
		 ln z z2; ln -s /nowhere dangling; mkfifo pipe; rm h1; echo new > h1; chown 1000:1001 f; rm abs; mkdir abs; touch abs/in`,
		`rm -rf d; rm -rf e2/two; echo file > e2/two; mv f d; mkdir f; echo again > f/gone; rm -rf abs; ln -s d abs`,
		`rm -rf d f e2 bin; mkdir -p d/sub; touch d/sub/x; mkdir bin`,
	} {
		disk := p.disk(t)
		root, unmount := mountOverlay(t, p.ensure(t, stack), disk)
		sh(t, root, script)
		unmount()
		want := p.remounted(t, stack, disk)

		l := p.diff(t, disk)
		if again := p.diff(t, disk); again != l {
			t.Errorf("round %d: the same disk gave two layers: %v, %v", i, l, again)
		}
		copied := Disk{Path: disk.Path + "-copy"}
		if err := p.worker.CopyDisk(t.Context(), disk, copied); err != nil {
			t.Fatal(err)
		}
		root, unmount = mountOverlay(t, p.ensure(t, stack), copied)
		if d := cmp.Diff(want, view(t, root)); d != "" {
			t.Errorf("round %d: the copied disk shows another view (-want +got):\n%s", i, d)
		}
		unmount()

		stack = append(stack, l)
		if d := cmp.Diff(want, p.sees(t, stack)); d != "" {
			t.Fatalf("round %d: the layer shows another view (-want +got):\n%s", i, d)
		}
		if err := p.store.Verify(t.Context(), p.worker, p.blobs, stack); err != nil {
			t.Errorf("round %d: %v", i, err)
		}
		// overlayfs leaves work/work without any permission bit.
		if err := p.worker.Remove(t.Context(), disk.Path); err != nil {
			t.Error(err)
		}
	}
}

// Whiteouts of foreign layers work where we unpack them, and an archive cannot
// set the attributes overlayfs obeys.
func TestOverlayForeignWhiteouts(t *testing.T) {
	if inUserns(t) {
		return
	}
	p := newPlace(t)
	stack := Stack{
		put(t, p.blobs, baseItems()...),
		put(t, p.blobs,
			item{name: "./.wh.a"},
			item{name: "d/"}, item{name: "d/.wh..wh..opq"}, item{name: "d/own", text: "o"},
			item{name: "e/"}, item{name: "e/.wh.two"}, item{name: "e/two/"}, item{name: "e/two/fresh", text: "f"},
			item{name: "f/"}, item{name: "f/.wh.keep"}, item{name: "f/keep", text: "mine"}, item{name: "f/.wh..wh.plnk"},
			item{name: "tmp/", mode: 0o1777, xattrs: map[string]string{"user.overlay.redirect": "/bin", "user.overlay.opaque": "y", "trusted.x": "1"}},
		),
	}
	got := p.sees(t, stack)
	for path, there := range map[string]bool{
		"a": false, "d/b": false, "d/sub": false, "d/own": true, "e/one": true, "e/two/deep": false,
		"e/two/fresh": true, "f/keep": true, "f/gone": true, "tmp": true, "tmp/su": false, "z": true,
	} {
		if _, ok := got[path]; ok != there {
			t.Errorf("%s there = %v, want %v", path, ok, there)
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(p.store.path(stack[1].Digest), "a"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("the whiteout on disk is mode %o rdev %d (%v), want a character device 0:0", st.Mode, st.Rdev, err)
	}
	if err := p.store.Verify(t.Context(), p.worker, p.blobs, stack); err != nil {
		t.Error(err)
	}
}

// Random work on a mounted machine always comes through diff and unpack.
func TestOverlayRandomWork(t *testing.T) {
	if inUserns(t) {
		return
	}
	p := newPlace(t)
	base := put(t, p.blobs, baseItems()...)
	names := rapid.SampledFrom([]string{"a", "d", "e", "f", "z", "d/b", "d/sub", "e/two", "f/keep", "new", "d/new", "e/two/deep"})
	rapid.Check(t, func(r *rapid.T) {
		stack := Stack{base}
		for range rapid.IntRange(1, 2).Draw(r, "layers") {
			disk := p.disk(t)
			root, unmount := mountOverlay(t, p.ensure(t, stack), disk)
			for range rapid.IntRange(1, 8).Draw(r, "steps") {
				x, y := names.Draw(r, "x"), names.Draw(r, "y")
				// Steps may fail, as mv of a directory into itself does; what
				// they leave behind counts all the same.
				_, _ = shell(root, fmt.Sprintf(rapid.SampledFrom([]string{
					"rm -rf %[1]s", "mkdir -p %[1]s", "mv -T %[1]s %[2]s", "echo %[2]s > %[1]s", "ln %[1]s %[2]s",
					"ln -sfn /%[1]s %[2]s", "chmod 0700 %[1]s", "rm -rf %[1]s && mkdir %[1]s && echo n > %[1]s/n",
				}).Draw(r, "step"), x, y))
			}
			unmount()
			want := p.remounted(t, stack, disk)
			stack = append(stack, p.diff(t, disk))
			if d := cmp.Diff(want, p.sees(t, stack)); d != "" {
				r.Fatalf("another view (-want +got):\n%s", d)
			}
			if err := p.worker.Remove(t.Context(), disk.Path); err != nil {
				r.Fatal(err)
			}
		}
	})
}

// File capabilities and setuid bits survive in the user namespace.
func TestUsernsKeepsCapabilities(t *testing.T) {
	if inUserns(t) {
		return
	}
	p := newPlace(t)
	// struct vfs_cap_data, revision 2, effective, CAP_NET_RAW permitted.
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	l := put(t, p.blobs, item{name: "ping", text: "p", mode: 0o4755, xattrs: map[string]string{"security.capability": capability, "user.color": "red"}})
	tree := p.ensure(t, Stack{l})
	name := filepath.Join(tree.Root, tree.Dirs[0], "ping")
	buf := make([]byte, 64)
	if n, err := unix.Lgetxattr(name, "security.capability", buf); err != nil || string(buf[:n]) != capability {
		t.Errorf("capability %x (%v), want %x", buf[:max(n, 0)], err, capability)
	}
	if st, err := os.Stat(name); err != nil || st.Mode()&os.ModeSetuid == 0 {
		t.Errorf("setuid lost: %v %v", st.Mode(), err)
	}
	if err := p.store.Verify(t.Context(), p.worker, p.blobs, Stack{l}); err != nil {
		t.Error(err)
	}
}
