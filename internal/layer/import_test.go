package layer

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"millpond/internal/fault"
)

const debian = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"

// twoLayers is a small image in blobs: a base and a layer over it.
func twoLayers(t *testing.T, blobs Blobs) Stack {
	t.Helper()
	return Stack{
		put(t, blobs, append(baseItems(), item{name: "etc/os-release", text: debian})...),
		put(t, blobs, item{name: "top", text: "t"}, item{name: ".wh.a"}),
	}
}

// tarFolder makes a tar of a folder's files, as "tar -C dir -c ." does.
func tarFolder(t *testing.T, dir string) []byte {
	t.Helper()
	var items []item
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		items = append(items, item{name: "./" + rel, text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tarOf(t, items...)
}

// What is exported is an image ordinary tools accept, and comes back as the
// very same layers from a folder and from a tar of it.
func TestExportImport(t *testing.T) {
	from := Blobs{Dir: t.TempDir()}
	stack := twoLayers(t, from)
	dir := filepath.Join(t.TempDir(), "out")
	if err := from.Export(t.Context(), stack, Config{Labels: map[string]string{"a": "b"}}, dir); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Fast: its full reading knows gzip only. The import below reads all.
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Errorf("not a valid layout: %v", err)
	}
	if err := from.Export(t.Context(), stack, Config{}, dir); err == nil {
		t.Error("an export over an existing folder succeeds")
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(archive, tarFolder(t, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	want := Config{Architecture: hostArch, OS: "linux", Labels: map[string]string{
		"a": "b", labelTitle: "Debian GNU/Linux 12", labelVersion: "12",
	}}
	for _, source := range []string{dir, archive} {
		to := Blobs{Dir: t.TempDir()}
		got, config, err := to.Import(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(stack, got); d != "" {
			t.Errorf("layers differ (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, config); d != "" {
			t.Errorf("config differs (-want +got):\n%s", d)
		}
		if left, _ := filepath.Glob(filepath.Join(to.Dir, ".import-*")); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
	host := Stack{{Host: true}}
	if err := from.Export(t.Context(), host, Config{}, dir+"2"); !fault.Is(err, "InvalidImage") {
		t.Errorf("the host image: %v, want InvalidImage", err)
	}
}

func TestImportDockerSave(t *testing.T) {
	from := Blobs{Dir: t.TempDir()}
	stack := twoLayers(t, from)
	img, err := from.image(t.Context(), stack, Config{})
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("example/image:1")
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := tarball.Write(tag, img, &saved); err != nil {
		t.Fatal(err)
	}
	for form, data := range map[string][]byte{"plain": saved.Bytes(), "gzip": gzipped(t, saved.Bytes())} {
		source := filepath.Join(t.TempDir(), "saved")
		if err := os.WriteFile(source, data, 0o600); err != nil {
			t.Fatal(err)
		}
		to := Blobs{Dir: t.TempDir()}
		got, _, err := to.Import(t.Context(), source)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if len(got) != 2 || got[0].DiffID != stack[0].DiffID || got[1].DiffID != stack[1].DiffID {
			t.Errorf("%s: %v, want the contents of %v", form, got, stack)
		}
	}
}

func TestImportRootTar(t *testing.T) {
	for form, data := range map[string][]byte{"plain": tarOf(t, baseItems()...), "gzip": gzipped(t, tarOf(t, baseItems()...))} {
		source := filepath.Join(t.TempDir(), "root.tar")
		if err := os.WriteFile(source, data, 0o600); err != nil {
			t.Fatal(err)
		}
		blobs := Blobs{Dir: t.TempDir()}
		got, config, err := blobs.Import(t.Context(), source)
		if err != nil || len(got) != 1 || got[0].DiffID != digestOf(tarOf(t, baseItems()...)) || config.OS != "linux" {
			t.Errorf("%s: %v %v (%v)", form, got, config, err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	blobs := Blobs{Dir: t.TempDir()}
	img, err := blobs.image(t.Context(), twoLayers(t, blobs), Config{})
	if err != nil {
		t.Fatal(err)
	}
	folder := func(images ...v1.Image) string {
		dir := t.TempDir()
		p, err := layout.Write(dir, empty.Index)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			if err := p.AppendImage(i); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	file := func(data []byte) string {
		f := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(f, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	foreign, err := mutate.ConfigFile(img, &v1.ConfigFile{OS: "windows", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	lying := folder(img)
	m, _ := img.Manifest()
	blob := filepath.Join(lying, "blobs/sha256", m.Layers[0].Digest.Hex)
	if err := os.WriteFile(blob, zstded(t, tarOf(t, item{name: "other"})), 0o600); err != nil {
		t.Fatal(err)
	}
	hostile := folder(img)
	blob = filepath.Join(hostile, "blobs/sha256", m.Layers[1].Digest.Hex)
	if err := os.WriteFile(blob, zstded(t, tarOf(t, item{name: "../x"})), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := blobs.image(t.Context(), twoLayers(t, blobs)[:1], Config{})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ source, code, says string }{
		"an empty folder":      {t.TempDir(), "InvalidImage", "not an OCI layout"},
		"no image":             {folder(), "InvalidImage", "0 images"},
		"two images":           {folder(img, second), "InvalidImage", "2 images"},
		"another system":       {folder(foreign), "InvalidImage", "windows/amd64"},
		"other contents":       {lying, "InvalidImage", "and not"},
		"hostile layer":        {hostile, "InvalidArchive", ".."},
		"hostile root":         {file(tarOf(t, item{name: "../x"})), "InvalidArchive", ".."},
		"a saved image's name": {file(tarOf(t, item{name: "manifest.json", text: `[{"Config":"../../x","Layers":[]}]`})), "InvalidImage", ""},
		"text":                 {file([]byte(strings.Repeat("text ", 500))), "InvalidArchive", "read"},
		"layout out of a tar":  {file(tarOf(t, item{name: "oci-layout", typ: tar.TypeSymlink, link: "/etc/passwd"}, item{name: "blobs/../../x", text: "x"})), "InvalidImage", "not an OCI layout"},
	} {
		to := Blobs{Dir: t.TempDir()}
		_, _, err := to.Import(t.Context(), c.source)
		if !fault.Is(err, c.code) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s with %q", what, err, c.code, c.says)
		}
	}
	if _, _, err := blobs.Import(t.Context(), "/no/such/file"); err == nil {
		t.Error("an absent file is imported")
	}
}
