package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
)

// OSRelease is what an image says it is, from its /etc/os-release.
type OSRelease struct {
	ID         string `json:"id"`        // debian, ubuntu
	VersionID  string `json:"versionId"` // 12, 22.04
	Codename   string `json:"codename"`  // bookworm, jammy
	PrettyName string `json:"prettyName"`
	// SHA256 is the hex digest of the file's bytes: what an agent reports from
	// inside a machine of this image (wire.Hello.OSReleaseSHA256).
	SHA256 string `json:"sha256"`
}

// Where the file may lie; the first is usually a link to the second.
const (
	osReleaseEtc = "etc/os-release"
	osReleaseUsr = "usr/lib/os-release"
)

// maxOSRelease is more than any os-release has.
const maxOSRelease = 64 << 10

// OSRelease reads the image's own description out of its blobs, the topmost
// layer that has one first. fs.ErrNotExist when none has.
func (b Blobs) OSRelease(ctx context.Context, stack Stack) (OSRelease, error) {
	wanted := map[string]bool{osReleaseEtc: true, osReleaseUsr: true}
	for i := len(stack) - 1; i >= 0; i-- {
		files, err := b.readFiles(ctx, stack[i], wanted)
		if err != nil {
			return OSRelease{}, err
		}
		for _, p := range []string{osReleaseEtc, osReleaseUsr} {
			if text, ok := files[p]; ok {
				return ParseOSRelease(text), nil
			}
		}
	}
	return OSRelease{}, &fs.PathError{Op: "read", Path: osReleaseEtc, Err: fs.ErrNotExist}
}

// readFiles gives the contents of regular files of one layer by path.
func (b Blobs) readFiles(ctx context.Context, l Layer, wanted map[string]bool) (map[string][]byte, error) {
	f, err := b.Open(l.Digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := openArchive(ctx, f, b.Limits.orDefaults(), l.Unpacked)
	if err != nil {
		return nil, err
	}
	defer a.close()
	found := map[string][]byte{}
	for {
		e, err := a.next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Kind != kindFile || !wanted[e.Path] || e.Size > maxOSRelease {
			continue
		}
		var text bytes.Buffer
		if err := a.copyContents(&text, e, make([]byte, 4096)); err != nil {
			return nil, err
		}
		found[e.Path] = text.Bytes()
	}
}

// ParseOSRelease reads the lines NAME=value, quoted or not, of the file.
func ParseOSRelease(text []byte) OSRelease {
	sum := sha256.Sum256(text)
	r := OSRelease{SHA256: hex.EncodeToString(sum[:])}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		switch key {
		case "ID":
			r.ID = value
		case "VERSION_ID":
			r.VersionID = value
		case "VERSION_CODENAME":
			r.Codename = value
		case "PRETTY_NAME":
			r.PrettyName = value
		}
	}
	return r
}
