package layer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"millpond/internal/fault"
)

// OCI media types of the layers we read and write.
const (
	MediaTar  = "application/vnd.oci.image.layer.v1.tar"
	MediaGzip = MediaTar + "+gzip"
	MediaZstd = MediaTar + "+zstd"
)

var (
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicGzip = []byte{0x1f, 0x8b}
)

// invalid is the error of an archive we refuse: code InvalidArchive, the entry
// at fault in a detail.
func invalid(entry, format string, args ...any) error {
	e := fault.Newf("InvalidArchive", format, args...)
	if entry != "" {
		e = e.With("entry", entry)
	}
	return e
}

// stream is a blob while it is read: what came in (compressed) and what came
// out (the tar) are counted and hashed in the same pass, within limits.
type stream struct {
	ctx    context.Context
	limits Limits
	media  string
	raw    meter
	plain  meter
	ratio  bool
	tar    *bufio.Reader // the uncompressed tar
	close  func()
}

type meter struct {
	n   int64
	sum hash.Hash
}

func (m *meter) add(p []byte) {
	m.n += int64(len(p))
	m.sum.Write(p)
}

func (m *meter) digest() string { return "sha256:" + hex.EncodeToString(m.sum.Sum(nil)) }

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// openStream detects the compression of r and starts reading. ratio says
// whether the compression ratio is judged (see Limits.Ratio).
func openStream(ctx context.Context, r io.Reader, limits Limits, ratio bool) (*stream, error) {
	s := &stream{
		ctx: ctx, limits: limits, ratio: ratio, close: func() {},
		raw: meter{sum: sha256.New()}, plain: meter{sum: sha256.New()},
	}
	in := bufio.NewReaderSize(readFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		s.raw.add(p[:n])
		return n, err
	}), 1<<18)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var out io.Reader
	switch {
	case bytes.HasPrefix(head, magicZstd):
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, invalid("", "zstd: %v", err)
		}
		s.media, out, s.close = MediaZstd, z, z.Close
	case bytes.HasPrefix(head, magicGzip):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, invalid("", "gzip: %v", err)
		}
		s.media, out = MediaGzip, z
	case len(head) == 0:
		return nil, invalid("", "the archive is empty")
	default:
		s.media, out = MediaTar, in
	}
	s.tar = bufio.NewReaderSize(readFunc(func(p []byte) (int, error) { return s.read(out, p) }), 1<<18)
	return s, nil
}

func (s *stream) read(out io.Reader, p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := out.Read(p)
	s.plain.add(p[:n])
	if s.plain.n > s.limits.Bytes {
		return n, invalid("", "the archive holds more than %d bytes uncompressed", s.limits.Bytes)
	}
	if s.ratio && s.plain.n > s.limits.RatioFrom && s.plain.n/s.limits.Ratio > s.raw.n {
		return n, invalid("", "the archive unpacks to more than %d times its size", s.limits.Ratio)
	}
	if err != nil && !errors.Is(err, io.EOF) && fault.CodeOf(err) == "" && s.media != MediaTar {
		// A truncated or damaged compressed stream; plain reads fail with the
		// error of whoever gave us the reader.
		err = invalid("", "damaged %s data: %v", s.media[len(MediaTar)+1:], err)
	}
	return n, err
}

// drain reads what follows the tar's end mark, so that digests cover it all.
func (s *stream) drain() error {
	_, err := io.Copy(io.Discard, s.tar)
	return err
}

// match compares what was read with what l promises. Call it after drain.
func (s *stream) match(l Layer) error {
	if l.Digest != "" && s.raw.digest() != l.Digest {
		return fault.Newf("DigestMismatch", "The layer's blob is %s and not %s.", s.raw.digest(), l.Digest)
	}
	if l.DiffID != "" && s.plain.digest() != l.DiffID {
		return fault.Newf("DigestMismatch", "The layer's archive is %s and not %s.", s.plain.digest(), l.DiffID)
	}
	return nil
}
