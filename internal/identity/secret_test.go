package identity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

func TestSecretIsNeverShown(t *testing.T) {
	s := identity.NewSecret([]byte("hunter2"))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S identity.Secret }{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S identity.Secret }{s})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+" "+verb+"\n", s, &s)
	}
	raw, err := json.Marshal(struct{ S identity.Secret }{s})
	if err == nil {
		t.Errorf("a secret became JSON: %s", raw)
	}
	for _, leak := range []string{"hunter2", "68756e74657232", "104"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("%s leaked: %s", leak, log.String())
		}
	}
}

func TestSealedOnlyOpensWhereItWasSealed(t *testing.T) {
	r := newRoom(t)
	sealed := r.sealer.Seal("account", "Primary", []byte("key"))
	if bytes.Contains(sealed, []byte("key")) {
		t.Fatal("not sealed")
	}
	clear, err := r.sealer.Open("account", "Primary", sealed)
	must(t, err)
	if string(clear.Reveal()) != "key" {
		t.Fatalf("%q", clear.Reveal())
	}
	other, err := identity.NewSealer(bytes.Repeat([]byte{1}, identity.SealerKeyLength))
	must(t, err)
	for name, open := range map[string]func() error{
		"owner":  func() error { _, err := r.sealer.Open("other", "Primary", sealed); return err },
		"name":   func() error { _, err := r.sealer.Open("account", "Secondary", sealed); return err },
		"joined": func() error { _, err := r.sealer.Open("account\x00Pri", "mary", sealed); return err },
		"key":    func() error { _, err := other.Open("account", "Primary", sealed); return err },
		"bit": func() error {
			b := bytes.Clone(sealed)
			b[20] ^= 1
			_, err := r.sealer.Open("account", "Primary", b)
			return err
		},
		"short": func() error { _, err := r.sealer.Open("account", "Primary", sealed[:5]); return err },
		"empty": func() error { _, err := r.sealer.Open("account", "Primary", nil); return err },
	} {
		if err := open(); !fault.Is(err, "InternalError") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	first, err := identity.OpenSealer(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
	again, err := identity.OpenSealer(path)
	must(t, err)
	if _, err := again.Open("a", "b", first.Seal("a", "b", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := identity.OpenSealer(path); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Errorf("a readable key was taken: %v", err)
	}
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, []byte("xyz"), 0o600))
	if _, err := identity.OpenSealer(path); err == nil {
		t.Error("a broken key was taken")
	}
}

func TestClientSecretsAreHashedAndAdded(t *testing.T) {
	r := newRoom(t)
	app, err := r.Application(t.Context(), strings.ToUpper(r.app.AppID))
	must(t, err)
	if strings.Contains(strings.Join(app.SecretHashes, ""), r.secret) || !app.Proves(r.secret) || app.Proves("") || app.Proves(r.secret+" ") {
		t.Fatalf("%v", app.SecretHashes)
	}
	more, err := r.AddClientSecret(t.Context(), r.app.AppID)
	must(t, err)
	app, err = r.Application(t.Context(), r.app.ObjectID)
	must(t, err)
	if !app.Proves(r.secret) || !app.Proves(string(more.Reveal())) {
		t.Fatal("a secret stopped working")
	}
}

func TestPasswordHash(t *testing.T) {
	h, err := identity.HashPassword("password", "Pa55word!")
	must(t, err)
	if bcrypt.CompareHashAndPassword([]byte(h), []byte("Pa55word!")) != nil || bcrypt.CompareHashAndPassword([]byte(h), []byte("other")) == nil {
		t.Fatal(h)
	}
	if _, err := identity.HashPassword("password", strings.Repeat("x", 73)); !fault.Is(err, "InvalidPropertyValue") {
		t.Fatal(err)
	}
}

func TestSharedKeyMutations(t *testing.T) {
	key, text := []byte("0123456789abcdef"), "GET\n\n\n/acct/pools\napi-version:2024-07-01.20.0"
	good := identity.SignSharedKey(text, key)
	for name, tc := range map[string]struct {
		text string
		key  []byte
		sig  string
		want bool
	}{
		"good":           {text, key, good, true},
		"text":           {text + " ", key, good, false},
		"key":            {text, []byte("0123456789abcdeg"), good, false},
		"no key":         {text, nil, identity.SignSharedKey(text, nil), false},
		"signature":      {text, key, "A" + good[1:], false},
		"short":          {text, key, good[:40], false},
		"empty":          {text, key, "", false},
		"not base64":     {text, key, "!" + good[1:], false},
		"url alphabet":   {text, key, strings.NewReplacer("+", "-", "/", "_").Replace(good) + "=", false},
		"trailing space": {text, key, good + " ", false},
	} {
		if got := identity.VerifySharedKey(tc.text, tc.key, tc.sig); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzVerifySharedKey(f *testing.F) {
	f.Add("GET\n/a/pools", "a2V5", "c2ln")
	f.Fuzz(func(t *testing.T, text, key, signature string) {
		if identity.VerifySharedKey(text, []byte(key), signature) && identity.SignSharedKey(text, []byte(key)) != strings.Trim(signature, "\r\n") &&
			!strings.ContainsAny(signature, "\r\n") {
			t.Fatalf("%q accepted for %q", signature, text)
		}
	})
}
