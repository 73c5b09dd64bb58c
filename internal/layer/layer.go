package layer

import (
	"context"
	"io"
)

// Layer is one content-addressed OCI layer.
type Layer struct {
	Digest    string `json:"digest"`    // "sha256:..." of the stored blob
	DiffID    string `json:"diffId"`    // "sha256:..." of the uncompressed tar
	Size      int64  `json:"size"`      // bytes of the blob
	Unpacked  int64  `json:"unpacked"`  // bytes of file contents
	MediaType string `json:"mediaType"` // OCI media type with its compression
	// Host marks the made layer of the host image (HostLayer): its machines
	// also need the host's own programs bound, and it means nothing elsewhere.
	Host bool `json:"host,omitempty"`
}

// Stack is an image's layers, lowest first.
type Stack []Layer

// Tree is a stack unpacked in one store folder, ready to be a lower layer of
// an overlay. Dirs are relative to Root, topmost first (overlay's order).
// Binds are host paths a machine needs bound read-only (the host image).
type Tree struct {
	Root  string   `json:"root"`
	Dirs  []string `json:"dirs"`
	Binds []string `json:"binds,omitempty"`
}

// Disk is the writable folder of a machine: it holds upper/, work/ and root/.
type Disk struct {
	Path string `json:"path"`
}

// Worker does everything that touches files owned by machines' users. It is
// run where those ids are mapped: in-process when the caller is there already,
// or across the node host's socket. Every method is idempotent and safe to
// repeat after a crash half-way: results appear by rename.
type Worker interface {
	// Unpack writes the blob of l from blobs into dir (made by it, complete or
	// absent), speaking user.overlay.* for whiteouts and opaque directories.
	Unpack(ctx context.Context, blob string, l Layer, dir string) error
	// Clone makes an empty Disk over a tree.
	Clone(ctx context.Context, disk Disk) error
	// Diff writes the disk's upper part as a new layer into blobs. strip lists
	// clean relative paths left out (as if never written).
	Diff(ctx context.Context, disk Disk, blobs string, strip []string) (Layer, error)
	// CopyDisk copies the writable part, sharing no inode.
	CopyDisk(ctx context.Context, from, to Disk) error
	// Verify compares the unpacked dir with its blob: the first difference is a
	// *Damage error.
	Verify(ctx context.Context, blob string, l Layer, dir string) error
	// Mkdir makes dir (and parents below base) owned by the machines' root.
	Mkdir(ctx context.Context, dir string) error
	// Remove deletes a file tree; a missing one is no error.
	Remove(ctx context.Context, dir string) error
	// Bootstrap makes a base layer from a distribution's packages into blobs
	// (debootstrap suite, such as "bookworm").
	Bootstrap(ctx context.Context, suite, blobs string, log io.Writer) (Layer, error)
}

// Damage says that an unpacked tree is not what its blob says.
type Damage struct {
	Path   string
	Reason string
}

func (d *Damage) Error() string { return "layer: " + d.Path + ": " + d.Reason }
