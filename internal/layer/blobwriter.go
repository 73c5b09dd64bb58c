package layer

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// blobFolder holds the blobs of a layers folder, each named by its digest's hex.
const blobFolder = "sha256"

// tempPrefix begins the names of blobs that are being written.
const tempPrefix = ".put-"

// blobPath is where the blob of digest lies below the layers folder blobs.
func blobPath(blobs, digest string) string {
	return filepath.Join(blobs, blobFolder, strings.TrimPrefix(digest, "sha256:"))
}

// tempBlob is a blob while it is written; it appears under its digest by
// commit and leaves nothing when dropped instead.
type tempBlob struct {
	*os.File
	blobs string
}

func newTempBlob(blobs string) (*tempBlob, error) {
	dir := filepath.Join(blobs, blobFolder)
	if err := mkdirs(blobs); err != nil {
		return nil, err
	}
	if err := mkdirLikeParent(dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return nil, err
	}
	return &tempBlob{f, blobs}, nil
}

// mkdirLikeParent makes dir with its parent's owner: server and node host are
// different users, and whichever comes first must not lock the other out.
func mkdirLikeParent(dir string) error {
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// commit makes the blob durable under its digest. It is readable by all: the
// server reads what the node host's root wrote and the other way round.
func (t *tempBlob) commit(digest string) error {
	err := t.Chmod(0o644)
	if err == nil {
		err = t.Sync()
	}
	err = errors.Join(err, t.Close())
	if err == nil {
		err = os.Rename(t.Name(), blobPath(t.blobs, digest))
	}
	if err != nil {
		t.drop()
		return err
	}
	dir, err := os.Open(filepath.Join(t.blobs, blobFolder))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (t *tempBlob) drop() {
	_ = t.Close()
	_ = os.Remove(t.Name())
}

// layerWriter takes an uncompressed tar and makes a zstd layer of it, both
// digests in the one pass.
type layerWriter struct {
	temp  *tempBlob
	raw   meter
	plain meter
	zip   *zstd.Encoder
	in    *bufio.Writer
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

func newLayerWriter(blobs string) (*layerWriter, error) {
	temp, err := newTempBlob(blobs)
	if err != nil {
		return nil, err
	}
	w := &layerWriter{temp: temp, raw: meter{sum: sha256.New()}, plain: meter{sum: sha256.New()}}
	w.zip, err = zstd.NewWriter(writeFunc(func(p []byte) (int, error) {
		w.raw.add(p)
		return temp.Write(p)
	}), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		temp.drop()
		return nil, err
	}
	// A tar is written in pieces of 512 bytes; hash and compress larger ones.
	w.in = bufio.NewWriterSize(writeFunc(func(p []byte) (int, error) {
		w.plain.add(p)
		return w.zip.Write(p)
	}), 1<<18)
	return w, nil
}

func (w *layerWriter) Write(p []byte) (int, error) { return w.in.Write(p) }

var _ io.Writer = (*layerWriter)(nil)

// commit ends the layer; unpacked is the bytes of file contents it holds.
func (w *layerWriter) commit(unpacked int64) (Layer, error) {
	if err := errors.Join(w.in.Flush(), w.zip.Close()); err != nil {
		w.temp.drop()
		return Layer{}, err
	}
	l := Layer{
		Digest: w.raw.digest(), DiffID: w.plain.digest(),
		Size: w.raw.n, Unpacked: unpacked, MediaType: MediaZstd,
	}
	return l, w.temp.commit(l.Digest)
}

func (w *layerWriter) drop() {
	_ = w.zip.Close()
	w.temp.drop()
}
