package layer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/fault"
)

// counting counts what reaches the worker.
type counting struct {
	Worker
	unpacks atomic.Int32
}

func (c *counting) Unpack(ctx context.Context, blob string, l Layer, dir string) error {
	c.unpacks.Add(1)
	return c.Worker.Unpack(ctx, blob, l, dir)
}

func TestStoreEnsure(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	base, top := put(t, p.blobs, baseItems()...), put(t, p.blobs, item{name: "top", text: "t"})
	w := &counting{Worker: p.worker}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			tree, err := p.store.Ensure(t.Context(), w, p.blobs, Stack{base, top, base})
			want := Tree{Root: p.store.Dir, Dirs: []string{base.Digest[7:], top.Digest[7:]}}
			if d := cmp.Diff(want, tree); err != nil || d != "" {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
	all.Wait()
	before := w.unpacks.Load()
	if _, err := p.store.Ensure(t.Context(), w, p.blobs, Stack{base, top}); err != nil || w.unpacks.Load() != before {
		t.Errorf("a store that has all unpacked again (%v)", err)
	}

	names, _ := os.ReadDir(p.store.Dir)
	if len(names) != 2 {
		t.Errorf("the store holds %v, want two layers", names)
	}

	other := Store{Dir: filepath.Join(p.dir, "replica")}
	if _, err := other.Ensure(t.Context(), w, p.blobs, Stack{base, top}); err != nil {
		t.Fatal(err)
	}
	noSharedInode(t, p.store.Dir, other.Dir)
}

func TestStoreRefuses(t *testing.T) {
	p := newPlace(t)
	many := Stack{}
	for i := range 60 {
		many = append(many, Layer{Digest: "sha256:" + strings.Repeat("0", 62) + string([]byte{'0' + byte(i/10), '0' + byte(i%10)})})
	}
	for name, c := range map[string]struct {
		stack Stack
		code  string
	}{
		"no layer":     {nil, "InvalidImage"},
		"60 layers":    {many, "InvalidImage"},
		"a path trick": {Stack{{Digest: "sha256:../../etc"}}, "InvalidDigest"},
	} {
		if _, err := p.store.Ensure(t.Context(), p.worker, p.blobs, c.stack); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	missing := Stack{{Digest: "sha256:" + strings.Repeat("a", 64)}}
	if _, err := p.store.Ensure(t.Context(), p.worker, p.blobs, missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing blob: %v, want fs.ErrNotExist", err)
	}
}

// A crash leaves .part and .gone folders; unpack, remove and collect end the work.
func TestStoreHealsAfterACrash(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	a, b := put(t, p.blobs, baseItems()...), put(t, p.blobs, item{name: "b"})
	for _, l := range []Layer{a, b} {
		for _, suffix := range []string{partSuffix, goneSuffix} {
			if err := os.MkdirAll(p.store.path(l.Digest)+suffix+"/half/done", 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	tree := p.ensure(t, Stack{a})
	if _, err := os.Lstat(filepath.Join(tree.Root, tree.Dirs[0], "half")); err == nil {
		t.Error("the tree holds what a crash left")
	}
	p.ensure(t, Stack{b})
	removed, err := p.store.Collect(t.Context(), p.worker, map[string]bool{a.Digest: true})
	if err != nil || !cmp.Equal(removed, []string{b.Digest}) {
		t.Errorf("removed %v (%v), want %v", removed, err, b.Digest)
	}
	names, _ := os.ReadDir(p.store.Dir)
	if len(names) != 1 || names[0].Name() != tree.Dirs[0] {
		t.Errorf("left %v, want only %s", names, tree.Dirs[0])
	}
	if err := p.store.Forget(t.Context(), p.worker, Stack{a}); err != nil {
		t.Error(err)
	}
	if names, _ := os.ReadDir(p.store.Dir); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

// A flipped byte in one replica is found there; the other goes on; forgetting
// and ensuring it again repairs it.
func TestReplicasAreIndependent(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	stack := Stack{put(t, p.blobs, baseItems()...)}
	one, two := Store{Dir: filepath.Join(p.dir, "1")}, Store{Dir: filepath.Join(p.dir, "2")}
	for _, s := range []Store{one, two} {
		if _, err := s.Ensure(t.Context(), p.worker, p.blobs, stack); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(one.path(stack[0].Digest), "d/b"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("B"), 0); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	err = one.Verify(t.Context(), p.worker, p.blobs, stack)
	if d, ok := errors.AsType[*Damage](err); !ok || d.Path != "d/b" {
		t.Errorf("%v, want damage of d/b", err)
	}
	if err := two.Verify(t.Context(), p.worker, p.blobs, stack); err != nil {
		t.Errorf("the other replica: %v", err)
	}
	if err := one.Forget(t.Context(), p.worker, stack); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Ensure(t.Context(), p.worker, p.blobs, stack); err != nil {
		t.Fatal(err)
	}
	if err := one.Verify(t.Context(), p.worker, p.blobs, stack); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}
