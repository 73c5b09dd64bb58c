package layer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millpond/internal/fault"
)

// Blobs is the store of layer blobs: Dir/sha256/HEX, written by rename. The
// server and the node host use the same folder. It is safe for many goroutines.
type Blobs struct {
	Dir    string
	Limits Limits
}

// Put stores the layer that r gives and returns what it is. A gzip or zstd
// archive is kept byte for byte; a plain tar is kept as zstd. The whole archive
// is held to the rules of unpacking first: one that could not be unpacked is an
// InvalidArchive error that names the entry, and nothing is stored.
func (b Blobs) Put(ctx context.Context, r io.Reader) (Layer, error) {
	return putArchive(ctx, r, b.Dir, b.Limits.orDefaults())
}

func putArchive(ctx context.Context, r io.Reader, blobs string, limits Limits) (Layer, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return Layer{}, err
	}
	zipped := bytes.HasPrefix(head, magicGzip) || bytes.HasPrefix(head, magicZstd)
	if !zipped {
		out, err := newLayerWriter(blobs)
		if err != nil {
			return Layer{}, err
		}
		a, err := readThrough(ctx, io.TeeReader(in, out), limits)
		if err != nil {
			out.drop()
			return Layer{}, err
		}
		return out.commit(a.contents)
	}
	temp, err := newTempBlob(blobs)
	if err != nil {
		return Layer{}, err
	}
	a, err := readThrough(ctx, io.TeeReader(in, temp), limits)
	if err != nil {
		temp.drop()
		return Layer{}, err
	}
	l := Layer{
		Digest: a.raw.digest(), DiffID: a.plain.digest(),
		Size: a.raw.n, Unpacked: a.contents, MediaType: a.media,
	}
	return l, temp.commit(l.Digest)
}

// readThrough checks every entry of an archive and reads it to its last byte.
func readThrough(ctx context.Context, r io.Reader, limits Limits) (*archive, error) {
	a, err := openArchive(ctx, r, limits, 0)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for {
		if _, err := a.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if err := a.drain(); err != nil {
		return nil, err
	}
	return a, nil
}

// Path is where the blob of digest ("sha256:" and 64 hex digits) lies.
func (b Blobs) Path(digest string) string { return blobPath(b.Dir, digest) }

// Open opens the stored bytes of a blob; fs.ErrNotExist when it is not there.
func (b Blobs) Open(digest string) (*os.File, error) {
	if !isDigest(digest) {
		return nil, fault.New("InvalidDigest", "A layer is named by sha256: and 64 hexadecimal digits.").With("digest", digest)
	}
	return os.Open(b.Path(digest))
}

// Has reports whether the blob is stored. It does not read it: see Verify.
func (b Blobs) Has(digest string) bool {
	if !isDigest(digest) {
		return false
	}
	st, err := os.Stat(b.Path(digest))
	return err == nil && st.Mode().IsRegular()
}

// Verify reads the blob of l and compares both its digests: DigestMismatch, or
// fs.ErrNotExist.
func (b Blobs) Verify(ctx context.Context, l Layer) error {
	f, err := b.Open(l.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := openStream(ctx, f, b.Limits.orDefaults(), false)
	if err == nil {
		defer s.close()
		err = s.drain()
	}
	// Damage inside a compressed stream breaks it before the digest can tell.
	if fault.Is(err, "InvalidArchive") {
		return fault.Newf("DigestMismatch", "The layer's blob is no longer %s.", l.Digest).Because(err)
	}
	if err != nil {
		return err
	}
	return s.match(l)
}

// Collect removes every blob whose digest is not in keep, and what writers
// that died left behind. Only blobs older than an hour go: a layer is stored
// before the row that names it. It returns the digests removed.
func (b Blobs) Collect(keep map[string]bool, now time.Time) (removed []string, err error) {
	dir := filepath.Join(b.Dir, blobFolder)
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, d := range names {
		digest := "sha256:" + d.Name()
		if keep[digest] || !isDigest(digest) && !strings.HasPrefix(d.Name(), tempPrefix) {
			continue
		}
		if st, err := d.Info(); err != nil || now.Sub(st.ModTime()) < time.Hour {
			continue
		}
		if err := os.Remove(filepath.Join(dir, d.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		if isDigest(digest) {
			removed = append(removed, digest)
		}
	}
	return removed, nil
}

// isDigest keeps anything but a digest out of paths.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}
