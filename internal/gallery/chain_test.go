package gallery_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"millpond/internal/gallery"
	"millpond/internal/layer"
)

func resolved(v gallery.Item[gallery.Version]) gallery.Resolved {
	return gallery.Resolved{VersionID: v.Record.ID, VersionUID: v.Record.UID}
}

// find reads a file as a machine on the tree would see it.
func find(tree layer.Tree, name string) (path, text string) {
	for _, d := range tree.Dirs {
		p := filepath.Join(tree.Root, d, name)
		if data, err := os.ReadFile(p); err == nil {
			return p, string(data)
		}
	}
	return "", ""
}

func TestChainCapturesAndReplicates(t *testing.T) {
	r := newRoom(t)
	v := r.chain()
	if v.Body.Content.Lineage == nil || v.Body.Content.Lineage.AgentSKU != "batch.node.debian 12" {
		t.Fatalf("the agent SKU must come from the base and not from the definition's identifier: %+v", v.Body.Content.Lineage)
	}
	status := v.Body.Status()
	want := gallery.Status{Aggregated: "Completed", Regions: []gallery.RegionStatus{
		{Region: "westeurope", State: "Completed", Progress: 100}, {Region: "eastus", State: "Completed", Progress: 100}}}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Error(diff)
	}
	if v.Body.Regions[0].Name != "West Europe" || v.Body.Regions[1].Name != "East US" || v.Body.Regions[1].Count != 1 {
		t.Errorf("regions %+v", v.Body.Regions)
	}
	tree, err := r.TreeFor(t.Context(), resolved(v), "westeurope", 0)
	must(t, err)
	for name, want := range map[string]string{
		"usr/bin/tool": "base", "usr/bin/povray": "installed", "etc/machine-id": "",
		"etc/passwd": "root:x:0:0::/root:/bin/sh\npovray:x:99:99::/:/bin/false\n",
		"etc/shadow": "root:*:1::::::\n", "etc/group": "sudo:x:27:other\n",
		"home/azureuser/.ssh/authorized_keys": "", "etc/ssh/ssh_host_ed25519_key": "",
	} {
		if _, got := find(tree, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestCaptureKeepsNoSecret: no blob holds the hash of the account that the
// service made, not even one nobody names.
func TestCaptureKeepsNoSecret(t *testing.T) {
	r := newRoom(t)
	r.chain()
	left, err := os.ReadDir(filepath.Join(r.data, "layers"))
	must(t, err)
	if len(left) != 1 || left[0].Name() != "sha256" {
		t.Fatalf("left over: %v", left)
	}
	blobs, err := os.ReadDir(filepath.Join(r.data, "layers", "sha256"))
	must(t, err)
	for _, b := range blobs {
		f, err := os.Open(filepath.Join(r.data, "layers", "sha256", b.Name()))
		must(t, err)
		z, err := zstd.NewReader(f)
		must(t, err)
		text, err := io.ReadAll(z)
		must(t, err)
		if bytes.Contains(text, []byte("$2y$secret")) {
			t.Errorf("%s holds the hash", b.Name())
		}
		z.Close()
		must(t, f.Close())
	}
}

func TestReplicasAreApart(t *testing.T) {
	r := newRoom(t)
	v := r.chain()
	inodes, roots := map[uint64]bool{}, map[string]bool{}
	for n := range 4 {
		tree, err := r.TreeFor(t.Context(), resolved(v), "westeurope", n)
		must(t, err)
		roots[tree.Root] = true
	}
	east, err := r.TreeFor(t.Context(), resolved(v), "eastus", 7)
	must(t, err)
	roots[east.Root] = true
	if len(roots) != 3 {
		t.Fatalf("nodes must be spread over 2+1 replicas: %v", roots)
	}
	for root := range roots {
		path, _ := find(layer.Tree{Root: root, Dirs: east.Dirs}, "usr/bin/povray")
		st, err := os.Stat(path)
		must(t, err)
		inodes[st.Sys().(*syscall.Stat_t).Ino] = true
	}
	if len(inodes) != 3 {
		t.Fatalf("replicas share inodes: %v", inodes)
	}
	if _, err := r.TreeFor(t.Context(), resolved(v), "uksouth", 0); err == nil || !strings.Contains(err.Error(), "UK South") {
		t.Fatalf("no replica in UK South: %v", err)
	}
}

func TestFlippedByteIsFoundAndRepaired(t *testing.T) {
	r := newRoom(t)
	v := r.chain()
	ctx := t.Context()
	first, err := r.TreeFor(ctx, resolved(v), "westeurope", 0)
	must(t, err)
	path, _ := find(first, "usr/bin/povray")
	must(t, os.WriteFile(path, []byte("instalLed"), 0o600))
	found, err := r.VerifyReplicas(ctx)
	must(t, err)
	if len(found) != 1 || found[0].Region != "westeurope" || found[0].Index != 0 || !strings.Contains(found[0].Path, "povray") {
		t.Fatalf("found %+v", found)
	}
	v, err = r.GetVersion(ctx, id(t, "galleries/g/images/d/versions/1.0.0"))
	must(t, err)
	if s := v.Body.Status(); s.Regions[0].State != "Completed" || !strings.Contains(s.Regions[0].Details, "replica 0: damaged") || s.Regions[0].Progress != 50 {
		t.Fatalf("status %+v", s)
	}
	for n := range 3 {
		tree, err := r.TreeFor(ctx, resolved(v), "westeurope", n)
		must(t, err)
		if tree.Root == first.Root {
			t.Fatal("the damaged replica still serves")
		}
	}
	// A change of the version does not put the damaged copy back into service.
	spec := r.version("1.0.0")
	spec.Regions = []gallery.TargetRegion{{Name: "westeurope", Count: 3}, {Name: "eastus"}}
	_, err = r.PutVersion(ctx, spec)
	must(t, err)
	r.work()
	v, err = r.GetVersion(ctx, v.ID())
	must(t, err)
	if s := v.Body.Status(); s.Regions[0].Progress != 66 || !strings.Contains(s.Regions[0].Details, "replica 0: damaged") {
		t.Fatalf("status after the change %+v", s)
	}
	n, err := r.RepairReplicas(ctx)
	must(t, err)
	again, err := r.VerifyReplicas(ctx)
	must(t, err)
	if n != 1 || len(again) != 0 {
		t.Fatalf("repaired %d, then found %v", n, again)
	}
	if _, text := find(first, "usr/bin/povray"); text != "instalLed" {
		t.Fatal("the repair touched the copy that machines may be running on")
	}
	tree, err := r.TreeFor(ctx, resolved(v), "westeurope", 0)
	must(t, err)
	if _, text := find(tree, "usr/bin/povray"); text != "installed" || tree.Root == first.Root {
		t.Fatalf("the new copy holds %q in %s", text, tree.Root)
	}
}

// Only what no record names is collected: the copies of a deleted version, and
// what a repaired replica left.
func TestCollect(t *testing.T) {
	r := newRoom(t)
	v := r.chain()
	ctx := t.Context()
	first, err := r.TreeFor(ctx, resolved(v), "westeurope", 1)
	must(t, err)
	path, _ := find(first, "usr/bin/povray")
	if n, err := r.Collect(ctx); n != 0 || err != nil {
		t.Fatalf("%d collected from what is in use: %v", n, err)
	}
	must(t, os.WriteFile(path, []byte("instalLed"), 0o600))
	_, err = r.VerifyReplicas(ctx)
	must(t, err)
	_, err = r.RepairReplicas(ctx)
	must(t, err)
	if n, err := r.Collect(ctx); n != len(first.Dirs) || err != nil {
		t.Fatalf("%d collected of the %d layers of the old folder: %v", n, len(first.Dirs), err)
	}
	again, err := r.VerifyReplicas(ctx)
	must(t, err)
	tree, err := r.TreeFor(ctx, resolved(v), "westeurope", 1)
	must(t, err)
	if _, text := find(tree, "usr/bin/povray"); text != "installed" || len(again) != 0 {
		t.Fatalf("after collecting: %q, damage %v", text, again)
	}
	_, err = r.Delete(ctx, v.ID())
	must(t, err)
	r.work()
	if n, err := r.Collect(ctx); n == 0 || err != nil {
		t.Fatalf("%d collected of a deleted version: %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(tree.Root, tree.Dirs[0])); !os.IsNotExist(err) {
		t.Fatalf("the copy of a deleted version is there: %v", err)
	}
}
