package layer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

// Every single change of an unpacked tree is found and named.
func TestVerifyFindsEveryDamage(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	l := put(t, p.blobs, append(baseItems(),
		item{name: "colored", text: "c", xattrs: map[string]string{"user.color": "red"}},
		item{name: "pipe", typ: '6'}, item{name: ".wh.hidden"}, item{name: "e/.wh..wh..opq"})...)
	at := func(name string) func(do func(full string) error) func(string) error {
		return func(do func(string) error) func(string) error {
			return func(dir string) error { return do(filepath.Join(dir, name)) }
		}
	}
	for name, c := range map[string]struct {
		path   string
		damage func(dir string) error
	}{
		"flipped byte": {"d/c", at("d/c")(func(f string) error {
			// As a failing disk does it: neither size nor time moves.
			st, _ := os.Stat(f)
			return errors.Join(os.WriteFile(f, []byte("C"), 0), os.Chtimes(f, st.ModTime(), st.ModTime()))
		})},
		"longer file":     {"d/c", at("d/c")(func(f string) error { return os.WriteFile(f, []byte("cc"), 0) })},
		"mode":            {"bin/su", at("bin/su")(func(f string) error { return os.Chmod(f, 0o755) })},
		"directory mode":  {"d", at("d")(func(f string) error { return os.Chmod(f, 0o755) })},
		"owner":           {"z", at("z")(func(f string) error { return os.Chown(f, 33, 9) })},
		"time":            {"a", at("a")(func(f string) error { return os.Chtimes(f, time.Now(), time.Now()) })},
		"missing file":    {"e/one", at("e/one")(os.Remove)},
		"missing tree":    {"e/two", at("e/two")(os.RemoveAll)},
		"missing marker":  {"hidden", at("hidden")(os.Remove)},
		"extra file":      {"e/extra", at("e/extra")(func(f string) error { return os.WriteFile(f, nil, 0o600) })},
		"extra directory": {"zz", at("zz")(func(f string) error { return os.Mkdir(f, 0o755) })},
		"other link":      {"abs", at("abs")(func(f string) error { return errors.Join(os.Remove(f), os.Symlink("/etc/passwd", f)) })},
		"other type":      {"e/one", at("e/one")(func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o755)) })},
		"broken hard link": {"h2", at("h2")(func(f string) error {
			return errors.Join(os.Remove(f), os.WriteFile(f, []byte("hard"), 0o644), os.Chmod(f, 0o644), os.Chtimes(f, testTime, testTime))
		})},
		"attribute":       {"colored", at("colored")(func(f string) error { return unix.Lsetxattr(f, "user.color", []byte("blue"), 0) })},
		"attribute gone":  {"colored", at("colored")(func(f string) error { return unix.Lremovexattr(f, "user.color") })},
		"attribute extra": {"a", at("a")(func(f string) error { return unix.Lsetxattr(f, "user.color", []byte("blue"), 0) })},
		"opaque gone":     {"e", at("e")(func(f string) error { return unix.Lremovexattr(f, opaqueXattr) })},
		"opaque extra":    {"d", at("d")(func(f string) error { return unix.Lsetxattr(f, opaqueXattr, []byte("y"), 0) })},
		"directory time":  {"tmp", at("tmp")(func(f string) error { return os.Chtimes(f, time.Now(), time.Now()) })},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(p.dir, "v-"+t.Name()[len("TestVerifyFindsEveryDamage/"):])
			if err := p.worker.Unpack(t.Context(), p.blobs.Path(l.Digest), l, dir); err != nil {
				t.Fatal(err)
			}
			if err := p.worker.Verify(t.Context(), p.blobs.Path(l.Digest), l, dir); err != nil {
				t.Fatalf("before the damage: %v", err)
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			err := p.worker.Verify(t.Context(), p.blobs.Path(l.Digest), l, dir)
			d, ok := errors.AsType[*Damage](err)
			if !ok || d.Path != c.path {
				t.Fatalf("%v, want damage of %s", err, c.path)
			}
		})
	}
	if err := p.worker.Verify(t.Context(), p.blobs.Path(l.Digest), l, filepath.Join(p.dir, "nowhere")); err == nil {
		t.Error("a missing tree is verified")
	}
}

// A damaged blob is told apart from a damaged tree: the tree may be the one
// that is whole.
func TestVerifyTellsADamagedBlob(t *testing.T) {
	needRoot(t)
	p := newPlace(t)
	l := put(t, p.blobs, baseItems()...)
	p.ensure(t, Stack{l})
	text, err := os.ReadFile(p.blobs.Path(l.Digest))
	if err != nil {
		t.Fatal(err)
	}
	for at := range text {
		text[at] ^= 1
		if err := os.WriteFile(p.blobs.Path(l.Digest), text, 0o600); err != nil {
			t.Fatal(err)
		}
		text[at] ^= 1
		if err := p.blobs.Verify(t.Context(), l); !fault.Is(err, "DigestMismatch") {
			t.Fatalf("byte %d: %v, want DigestMismatch", at, err)
		}
		err := p.store.Verify(t.Context(), p.worker, p.blobs, Stack{l})
		if _, damage := errors.AsType[*Damage](err); err == nil || damage {
			t.Fatalf("byte %d: %v, want an error of the blob", at, err)
		}
	}
}
