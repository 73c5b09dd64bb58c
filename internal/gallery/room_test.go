package gallery_test

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/layer"
	"millpond/internal/resource"
	"millpond/internal/store"
)

const (
	sub    = "11111111-1111-1111-1111-111111111111"
	tenant = "22222222-2222-2222-2222-222222222222"
	group  = "/subscriptions/" + sub + "/resourceGroups/rg"
)

// room is the real room over SQLite and unpacked layers, with the two rooms to
// its left cut down to what it asks of them.
type room struct {
	*gallery.Images
	t    *testing.T
	vms  map[string]gallery.SourceVM
	may  map[string]bool // actions
	gone []string        // scopes dropped
	dir  map[string]string
	reg  map[string]bool
	data string
}

func (r *room) Tenant(_ context.Context, s string) (string, error) {
	if r.dir[s] == "" {
		return "", fault.New("SubscriptionNotFound", "")
	}
	return r.dir[s], nil
}
func (r *room) Registered(_ context.Context, s, _ string) (bool, error) { return r.reg[s], nil }
func (r *room) Allowed(_ context.Context, _ identity.Principal, action, _ string) (bool, error) {
	return r.may[action], nil
}
func (r *room) DropScope(_ context.Context, scope string) error {
	r.gone = append(r.gone, scope)
	return nil
}
func (r *room) SourceVM(_ context.Context, id string) (gallery.SourceVM, error) {
	vm, ok := r.vms[resource.Fold(id)]
	if !ok {
		return vm, fault.New("ResourceNotFound", "")
	}
	return vm, nil
}

func newRoom(t *testing.T) *room {
	t.Helper()
	clock := resource.SystemClock()
	data := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(data, "millpond.db"), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &room{t: t, data: data, vms: map[string]gallery.SourceVM{}, dir: map[string]string{sub: tenant}, reg: map[string]bool{sub: true},
		may: map[string]bool{"Microsoft.Compute/disks/beginGetAccess/action": true}}
	r.Images = gallery.New(gallery.Config{
		Store: db, Clock: clock, Worker: layer.NewLocal(layer.Limits{}), Blobs: layer.Blobs{Dir: filepath.Join(data, "layers")},
		Data: data, Directory: r, Roles: r, Region: account.Region,
	})
	r.Sources = r
	must(t, db.CreateResource(t.Context(), resource.Record{ID: group, State: resource.Succeeded, Location: "westeurope"}, nil))
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// base gives the catalogue's Debian 12 a small tar of our own as source.
func (r *room) base() {
	r.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct{ name, text string }{
		{"etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"},
		{"etc/passwd", "root:x:0:0::/root:/bin/sh\n"}, {"etc/machine-id", ""}, {"usr/bin/tool", "base"},
	} {
		must(r.t, w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text)), Typeflag: tar.TypeReg, ModTime: time.Unix(1, 0)}))
		_, err := w.Write([]byte(f.text))
		must(r.t, err)
	}
	must(r.t, w.Close())
	path := filepath.Join(r.data, "base.tar")
	must(r.t, os.WriteFile(path, b.Bytes(), 0o644))
	ref, src, err := gallery.ParseAlias("Debian:debian-12:12=" + path)
	must(r.t, err)
	must(r.t, r.Catalogue.SetAlias(r.t.Context(), ref, src))
}

// work does what is open, as schedule would.
func (r *room) work() {
	r.t.Helper()
	ops, err := r.Store.OpenOperations(r.t.Context())
	must(r.t, err)
	for _, op := range ops {
		if !r.Works(op.Kind) {
			continue
		}
		must(r.t, r.Work(r.t.Context(), op))
		now, err := r.Store.GetOperation(r.t.Context(), op.GUID)
		must(r.t, err)
		if now.Status != resource.Succeeded {
			r.t.Fatalf("%s %s: %s %v", op.Kind, op.ResourceID, now.Status, now.Error)
		}
	}
}

func id(t *testing.T, below string) resource.ID {
	t.Helper()
	i, err := resource.ParseID(group + "/providers/Microsoft.Compute/" + below)
	must(t, err)
	return i
}

var debian = &gallery.Reference{Publisher: "debian", Offer: "Debian-12", SKU: "12", Version: "latest"}

// chain walks base -> disk -> changes -> generalized -> snapshot -> image ->
// version with replicas: 2 in West Europe and 1 in East US.
func (r *room) chain() gallery.Item[gallery.Version] {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	r.base()
	vm := group + "/providers/Microsoft.Compute/virtualMachines/vm"
	_, err := r.PutDisk(ctx, gallery.DiskSpec{ID: id(t, "disks/os"), Location: "West Europe", Option: "fromimage",
		Origin: gallery.Origin{Reference: debian}, Reserved: vm})
	must(t, err)
	r.work()
	disk, err := r.GetDisk(ctx, id(t, "DISKS/OS"))
	must(t, err)
	upper := filepath.Join(r.DiskAt(disk.Record.UID).Path, "upper")
	for name, text := range map[string]string{
		"usr/bin/povray": "installed", "home/azureuser/.ssh/authorized_keys": "key", "etc/machine-id": "0123",
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nazureuser:x:1000:1000::/home/azureuser:/bin/sh\npovray:x:99:99::/:/bin/false\n",
		"etc/shadow": "root:*:1::::::\nazureuser:$2y$secret:1::::::\n", "etc/group": "sudo:x:27:azureuser,other\nazureuser:x:1000:\n",
		"etc/ssh/ssh_host_ed25519_key": "private",
	} {
		must(t, os.MkdirAll(filepath.Join(upper, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(upper, name), []byte(text), 0o600))
	}
	r.vms[resource.Fold(vm)] = gallery.SourceVM{ID: vm, Location: "westeurope", OSDisk: disk.Record.ID, Generalized: true, Users: []string{"azureuser"}}
	_, err = r.PutSnapshot(ctx, gallery.SnapshotSpec{ID: id(t, "snapshots/s"), Location: "westeurope", Option: "Copy", SourceID: disk.Record.ID})
	must(t, err)
	r.work()
	_, err = r.PutImage(ctx, gallery.ImageSpec{ID: id(t, "images/i"), Location: "westeurope", OSType: "Linux", OSState: "Generalized",
		SourceID: id(t, "snapshots/s").String(), SourceKind: "snapshot"})
	must(t, err)
	_, err = r.PutGallery(ctx, gallery.GallerySpec{ID: id(t, "galleries/g"), Location: "westeurope"})
	must(t, err)
	_, err = r.PutDefinition(ctx, gallery.DefinitionSpec{ID: id(t, "galleries/g/images/d"), Location: "westeurope",
		Definition: gallery.Definition{Publisher: "Canonical", Offer: "UbuntuServer", SKU: "18.04-LTS", OSType: "linux", OSState: "generalized"}})
	must(t, err)
	r.work()
	_, err = r.PutVersion(ctx, r.version("1.0.0"))
	must(t, err)
	r.work()
	v, err := r.GetVersion(ctx, id(t, "galleries/g/images/d/versions/1.0.0"))
	must(t, err)
	return v
}

func (r *room) version(name string) gallery.VersionSpec {
	return gallery.VersionSpec{ID: id(r.t, "galleries/g/images/d/versions/"+name), Location: "westeurope",
		SourceKind: gallery.SourceOfImage, SourceID: id(r.t, "images/i").String(),
		Regions: []gallery.TargetRegion{{Name: "westeurope", Count: 2}, {Name: "eastus"}}}
}
