package schedule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/gallery"
	"millpond/internal/machine"
	"millpond/internal/resource"
)

func (w *vmWorld) compute(below string) resource.ID {
	id, err := resource.ParseID(vmGroup + "/providers/Microsoft.Compute/" + below)
	w.check(err)
	return id
}

// version makes a chain up to a version with two replicas and gives it when
// its operation has ended.
func (w *vmWorld) version() gallery.Item[gallery.Version] {
	w.t.Helper()
	ctx := w.t.Context()
	disk, err := w.images.PutDisk(ctx, gallery.DiskSpec{ID: w.compute("disks/d"), Location: "westeurope", Option: gallery.FromImage,
		Origin: gallery.Origin{Reference: &gallery.Reference{Publisher: "Debian", Offer: "debian-12", SKU: "12"}}})
	w.check(err)
	w.ended(disk.Operation, resource.Succeeded)
	d, err := w.images.GetDisk(ctx, w.compute("disks/d"))
	w.check(err)
	w.check(os.WriteFile(filepath.Join(w.images.DiskAt(d.Record.UID).Path, "upper", "tool"), []byte("installed"), 0o600))
	snap, err := w.images.PutSnapshot(ctx, gallery.SnapshotSpec{ID: w.compute("snapshots/s"), Location: "westeurope", Option: gallery.Copy, SourceID: d.Record.ID})
	w.check(err)
	w.ended(snap.Operation, resource.Succeeded)
	image, err := w.images.PutImage(ctx, gallery.ImageSpec{ID: w.compute("images/i"), Location: "westeurope", OSType: "Linux", OSState: "Generalized",
		SourceID: w.compute("snapshots/s").String(), SourceKind: "snapshot"})
	w.check(err)
	w.ended(image.Operation, resource.Succeeded)
	g, err := w.images.PutGallery(ctx, gallery.GallerySpec{ID: w.compute("galleries/g"), Location: "westeurope"})
	w.check(err)
	w.ended(g.Operation, resource.Succeeded)
	def, err := w.images.PutDefinition(ctx, gallery.DefinitionSpec{ID: w.compute("galleries/g/images/d"), Location: "westeurope",
		Definition: gallery.Definition{Publisher: "p", Offer: "o", SKU: "s", OSType: "Linux", OSState: "Generalized"}})
	w.check(err)
	w.ended(def.Operation, resource.Succeeded)
	v, err := w.images.PutVersion(ctx, gallery.VersionSpec{ID: w.compute("galleries/g/images/d/versions/1.0.0"), Location: "westeurope",
		SourceID: w.compute("images/i").String(), SourceKind: gallery.SourceOfImage, ReplicaCount: 2})
	w.check(err)
	w.ended(v.Operation, resource.Succeeded)
	item, err := w.images.GetVersion(ctx, v.ID())
	w.check(err)
	return item
}

func TestImagesRepairWhatVerificationFound(t *testing.T) {
	w := newVMWorld(t)
	v := w.version()
	top := v.Body.Content.Stack[len(v.Body.Content.Stack)-1]
	file := filepath.Join(w.dir, "regions/westeurope/replicas/1", strings.TrimPrefix(top.Digest, "sha256:"), "tool")
	w.check(os.WriteFile(file, []byte("installeD"), 0o600))
	found, err := w.images.VerifyReplicas(t.Context())
	if err != nil || len(found) != 1 || found[0].Index != 1 {
		t.Fatal(found, err)
	}
	w.images.Wake() // as the admin face does
	w.until(func() bool {
		now, err := w.images.GetVersion(t.Context(), v.ID())
		w.check(err)
		s := now.Body.Status()
		return s.Regions[0].Progress == 100 && s.Regions[0].Details == ""
	})
}

func TestOperationsGoOnAfterARestart(t *testing.T) {
	w := newVMWorld(t)
	w.stop()
	done, err := w.images.PutDisk(t.Context(), gallery.DiskSpec{ID: w.compute("disks/d"), Location: "westeurope", Option: gallery.Empty, SizeGB: 1})
	w.check(err)
	w.up()
	w.ended(done.Operation, resource.Succeeded)
	op, err := w.images.Delete(t.Context(), w.compute("disks/d"))
	w.check(err)
	w.ended(op, resource.Succeeded)
	if left, err := os.ReadDir(filepath.Join(w.dir, "disks")); err != nil || len(left) != 0 {
		t.Fatal(left, err)
	}
}

// TestOperationIsGivenUp: errors that come again and again end the operation.
func TestOperationIsGivenUp(t *testing.T) {
	w := newVMWorld(t)
	w.check(os.WriteFile(filepath.Join(w.dir, "disks"), nil, 0o600)) // in the way of every disk
	done, err := w.images.PutDisk(t.Context(), gallery.DiskSpec{ID: w.compute("disks/d"), Location: "westeurope", Option: gallery.Empty, SizeGB: 1})
	w.check(err)
	if end := w.ended(done.Operation, resource.Failed); end.Error == nil || end.Error.Code != "InternalError" || strings.Contains(end.Error.Message, w.dir) {
		t.Fatal(end.Error)
	}
}

func TestGeneralizedMachineIsCaptured(t *testing.T) {
	w := newVMWorld(t)
	op := w.put("vm")
	w.ended(&op, resource.Succeeded)
	w.do(w.machines.Deallocate, resource.Succeeded)
	w.check(w.machines.Generalize(t.Context(), w.id("vm")))
	done, err := w.images.PutImage(t.Context(), gallery.ImageSpec{ID: w.compute("images/i"), Location: "westeurope", SourceVM: w.id("vm").String()})
	w.check(err)
	w.ended(done.Operation, resource.Succeeded)
	i, err := w.images.GetImage(t.Context(), w.compute("images/i"))
	if err != nil || !i.Body.Content.Generalized || i.Body.Content.Lineage.AgentSKU != "batch.node.debian 12" || i.Body.OSState != gallery.Generalized {
		t.Fatalf("%+v %v", i.Body, err)
	}
	if w.vm("vm").VM.Power != machine.Deallocated {
		t.Fatal("a capture must not start its machine")
	}
}
