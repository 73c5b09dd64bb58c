package layer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/fault"
)

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func TestPutForms(t *testing.T) {
	plain := tarOf(t, baseItems()...)
	for media, data := range map[string][]byte{MediaTar: plain, MediaGzip: gzipped(t, plain), MediaZstd: zstded(t, plain)} {
		blobs := Blobs{Dir: t.TempDir()}
		l, err := blobs.Put(t.Context(), bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if l.DiffID != digestOf(plain) || l.Unpacked != 15 {
			t.Errorf("%s: diff id %s, %d bytes; want %s, 15", media, l.DiffID, l.Unpacked, digestOf(plain))
		}
		stored, err := os.ReadFile(blobs.Path(l.Digest))
		if err != nil || digestOf(stored) != l.Digest || int64(len(stored)) != l.Size {
			t.Errorf("%s: the blob is %d bytes, %s (%v); the layer says %d, %s", media, len(stored), digestOf(stored), err, l.Size, l.Digest)
		}
		if media == MediaTar {
			media = MediaZstd // kept compressed
		} else if !bytes.Equal(stored, data) {
			t.Errorf("%s: not kept byte for byte", media)
		}
		if l.MediaType != media {
			t.Errorf("media type %s, want %s", l.MediaType, media)
		}
		if err := blobs.Verify(t.Context(), l); err != nil || !blobs.Has(l.Digest) {
			t.Errorf("%s: %v", media, err)
		}
	}
}

func TestBlobNames(t *testing.T) {
	blobs := Blobs{Dir: t.TempDir()}
	for _, bad := range []string{"", "sha256:", "sha256:../../../etc/passwd", "sha256:" + strings.Repeat("A", 64), "md5:" + strings.Repeat("a", 64)} {
		if _, err := blobs.Open(bad); !fault.Is(err, "InvalidDigest") || blobs.Has(bad) {
			t.Errorf("%q: %v, want InvalidDigest", bad, err)
		}
	}
	if _, err := blobs.Open(digestOf(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v, want fs.ErrNotExist", err)
	}
}

func TestBlobsCollect(t *testing.T) {
	blobs := Blobs{Dir: t.TempDir()}
	now := time.Now()
	if removed, err := blobs.Collect(nil, now); err != nil || removed != nil {
		t.Errorf("an absent folder: %v %v", removed, err)
	}
	keep, old, fresh := put(t, blobs, item{name: "keep"}), put(t, blobs, item{name: "old"}), put(t, blobs, item{name: "fresh"})
	dead, writing := filepath.Join(blobs.Dir, blobFolder, tempPrefix+"1"), filepath.Join(blobs.Dir, blobFolder, tempPrefix+"2")
	foreign := filepath.Join(blobs.Dir, blobFolder, "README")
	for _, f := range []string{dead, writing, foreign} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hours := now.Add(-2 * time.Hour)
	for _, f := range []string{blobs.Path(keep.Digest), blobs.Path(old.Digest), dead, foreign} {
		if err := os.Chtimes(f, hours, hours); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := blobs.Collect(map[string]bool{keep.Digest: true}, now)
	if err != nil || !cmp.Equal(removed, []string{old.Digest}) {
		t.Errorf("removed %v (%v), want %v", removed, err, old.Digest)
	}
	left, _ := os.ReadDir(filepath.Join(blobs.Dir, blobFolder))
	if len(left) != 4 || !blobs.Has(keep.Digest) || !blobs.Has(fresh.Digest) {
		t.Errorf("left %v", left)
	}
}

func TestOSRelease(t *testing.T) {
	blobs := Blobs{Dir: t.TempDir()}
	text := "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\n# x\nVERSION_CODENAME=bookworm\n"
	base := put(t, blobs, item{name: "etc/os-release", typ: '2', link: "../usr/lib/os-release"}, item{name: "usr/lib/os-release", text: text})
	got, err := blobs.OSRelease(t.Context(), Stack{base, put(t, blobs, item{name: "x"})})
	want := OSRelease{ID: "debian", VersionID: "12", Codename: "bookworm", PrettyName: "Debian GNU/Linux 12 (bookworm)", SHA256: digestOf([]byte(text))[7:]}
	if err != nil || got != want {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	newer := put(t, blobs, item{name: "./usr/lib/os-release", text: "ID=ubuntu"})
	if got, err := blobs.OSRelease(t.Context(), Stack{base, newer}); err != nil || got.ID != "ubuntu" {
		t.Errorf("%+v (%v), want the topmost layer's", got, err)
	}
	if _, err := blobs.OSRelease(t.Context(), Stack{put(t, blobs, item{name: "x"})}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}
