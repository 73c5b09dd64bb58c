package layer

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/fault"
)

// Headers that promise more than an archive carries, and what is no such thing.
func TestCheckPart(t *testing.T) {
	b := Blobs{Limits: Limits{Bytes: 1 << 30}}
	blob := "blobs/sha256/" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		h      tar.Header
		before int64
		ok     bool
	}{
		"a layer":           {tar.Header{Name: blob, Size: 1 << 29, Typeflag: tar.TypeReg}, 0, true},
		"over all":          {tar.Header{Name: blob, Size: 1 << 29, Typeflag: tar.TypeReg}, 1<<29 + 1, false},
		"too large":         {tar.Header{Name: blob, Size: 1 << 62, Typeflag: tar.TypeReg}, 0, false},
		"negative":          {tar.Header{Name: blob, Size: -1, Typeflag: tar.TypeReg}, 0, false},
		"sparse, old":       {tar.Header{Name: blob, Size: 1, Typeflag: tar.TypeGNUSparse}, 0, false},
		"sparse, pax":       {tar.Header{Name: blob, Size: 1, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"GNU.sparse.major": "1"}}, 0, false},
		"an index":          {tar.Header{Name: "./index.json", Size: maxDocument, Typeflag: tar.TypeReg}, 0, true},
		"a long index":      {tar.Header{Name: "./index.json", Size: maxDocument + 1, Typeflag: tar.TypeReg}, 0, false},
		"a root file":       {tar.Header{Name: "var/log/lastlog", Size: 1 << 62, Typeflag: tar.TypeGNUSparse}, 0, true},
		"a long saved list": {tar.Header{Name: "manifest.json", Size: 1 << 30, Typeflag: tar.TypeReg}, 0, false},
	} {
		if err := b.checkPart(&c.h, c.before); (err == nil) != c.ok || err != nil && !fault.Is(err, "InvalidArchive") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Documents of a layout are read into memory: none may be large, and none a
// link to another file of this machine.
func TestImportReadsSmallDocumentsOnly(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"index": func(t *testing.T, dir string) { grow(t, filepath.Join(dir, "index.json")) },
		"index link": func(t *testing.T, dir string) {
			link(t, filepath.Join(dir, "index.json"))
		},
		"documents": func(t *testing.T, dir string) { // manifest and configuration are the small blobs that are JSON
			for _, name := range documents(t, dir) {
				grow(t, name)
			}
		},
		"document links": func(t *testing.T, dir string) {
			for _, name := range documents(t, dir) {
				link(t, name)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			from := Blobs{Dir: t.TempDir()}
			dir := filepath.Join(t.TempDir(), "out")
			if err := from.Export(t.Context(), twoLayers(t, from), Config{}, dir); err != nil {
				t.Fatal(err)
			}
			harm(t, dir)
			if _, _, err := (Blobs{Dir: t.TempDir()}).Import(t.Context(), dir); !fault.Is(err, "InvalidImage") {
				t.Error(err)
			}
		})
	}
}

func documents(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range all {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 && text[0] == '{' {
			found = append(found, name)
		}
	}
	if len(found) < 2 {
		t.Fatalf("%d documents", len(found))
	}
	return found
}

// grow makes a hole of a file's end: nothing is written.
func grow(t *testing.T, name string) {
	t.Helper()
	if err := os.Truncate(name, maxDocument+1); err != nil {
		t.Fatal(err)
	}
}

// link moves a file away and leaves a link to it.
func link(t *testing.T, name string) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(name, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, name); err != nil {
		t.Fatal(err)
	}
}
