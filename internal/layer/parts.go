package layer

import (
	"archive/tar"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"millpond/internal/fault"
)

// maxDocument bounds the documents of an image (index, manifest,
// configuration), which are read into memory whole. Registries take 4 MiB.
const maxDocument = 4 << 20

// checkPart refuses what no archive of an image holds: a sparse file, which
// announces far more than the archive carries; documents too large to be read;
// and more bytes than one archive may hold, of which before are spoken for.
func (b Blobs) checkPart(h *tar.Header, before int64) error {
	name := path.Clean(h.Name)
	if !imageFile(name) && name != "oci-layout" {
		return nil // a root file system, which has its own rules
	}
	if h.Typeflag == tar.TypeGNUSparse {
		return invalid(h.Name, "a sparse file cannot be part of an image")
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return invalid(h.Name, "a sparse file cannot be part of an image")
		}
	}
	if strings.HasSuffix(name, ".json") && h.Size > maxDocument {
		return invalid(h.Name, "the document has more than %d bytes", maxDocument)
	}
	if most := b.Limits.orDefaults().Bytes; h.Size < 0 || h.Size > most-before {
		return invalid(h.Name, "the image's files hold more than %d bytes", most)
	}
	return nil
}

// smallFile refuses a document of a layout that is too large, or no file: a
// link would read another file of this machine, a FIFO would never end.
func smallFile(name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.Newf("InvalidImage", "The layout lacks the file %s.", filepath.Base(name))
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() > maxDocument:
		return fault.Newf("InvalidImage", "%s of the layout is no file of at most %d bytes.", filepath.Base(name), maxDocument)
	}
	return nil
}

func smallBlob(dir string, digest v1.Hash) error {
	if !isDigest(digest.String()) {
		return fault.Newf("InvalidImage", "The layout names something by %q, which is no sha256 digest.", digest)
	}
	return smallFile(filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex))
}
