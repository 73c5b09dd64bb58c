package gallery_test

import (
	"os"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/gallery"
)

// A deleted resource takes its files and its role assignments with it.
func TestDeleteLeavesNothing(t *testing.T) {
	r := newRoom(t)
	r.base()
	_, err := r.PutDisk(t.Context(), gallery.DiskSpec{ID: id(t, "disks/d"), Location: "westeurope", Option: "fromimage",
		Origin: gallery.Origin{Reference: debian}})
	must(t, err)
	r.work()
	disk, err := r.GetDisk(t.Context(), id(t, "disks/d"))
	must(t, err)
	_, err = r.Delete(t.Context(), id(t, "disks/d"))
	must(t, err)
	r.work()
	if _, err := r.GetDisk(t.Context(), id(t, "disks/d")); !fault.Is(err, "ResourceNotFound") {
		t.Errorf("the disk is there: %v", err)
	}
	if _, err := os.Stat(r.DiskAt(disk.Record.UID).Path); !os.IsNotExist(err) {
		t.Errorf("its files are there: %v", err)
	}
	if len(r.gone) != 1 || r.gone[0] != disk.Record.ID {
		t.Errorf("roles dropped at %q, want %q", r.gone, disk.Record.ID)
	}
}
