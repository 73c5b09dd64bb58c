package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// configured gives what up would start with.
func configured(t *testing.T, args ...string) (Up, int, string) {
	t.Helper()
	var got Up
	p := Program{Up: func(_ context.Context, up Up, _ func(Ready)) error { got = up; return nil }}
	code, _, errs := run(p, append([]string{"up"}, args...)...)
	return got, code, errs
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "millpond.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	home := alone(t)
	got, code, errs := configured(t)
	want := Up{Data: home + "/data/millpond", Listen: "127.0.0.1:8443", HTTP: "127.0.0.1:8080", Location: "westeurope", SSHPort: 50000, Limits: "auto", LogLevel: "warn"}
	if diff := cmp.Diff(want, got); code != 0 || diff != "" {
		t.Errorf("%d %s %s", code, errs, diff)
	}
}

// A flag wins over the environment, which wins over the file; all three have the same names.
func TestFlagOverEnvironmentOverFile(t *testing.T) {
	home := alone(t)
	path := file(t, `
data: `+home+`/fromfile
listen: 1.1.1.1:1
http: ""
offline: true
location: northeurope
ssh-port: 40000
alias:
  - a:b:c=host
  - d:e:f=/x.tar
`)
	got, code, errs := configured(t, "--config", path)
	if code != 0 {
		t.Fatal(errs)
	}
	want := Up{Data: home + "/fromfile", Listen: "1.1.1.1:1", Offline: true, Location: "northeurope", SSHPort: 40000,
		Alias: []string{"a:b:c=host", "d:e:f=/x.tar"}, Limits: "auto", LogLevel: "warn"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Setenv("MILLPOND_CONFIG", path)
	t.Setenv("MILLPOND_LISTEN", "2.2.2.2:2")
	t.Setenv("MILLPOND_LOCATION", "uksouth")
	t.Setenv("MILLPOND_DATA", home+"/fromenv")
	t.Setenv("MILLPOND_SSH_PORT", "41000")
	t.Setenv("MILLPOND_OFFLINE", "false")
	t.Setenv("MILLPOND_BIN", "not a setting")
	got, _, _ = configured(t, "--location", "japaneast", "--alias", "x:y:z=host")
	want = Up{Data: home + "/fromenv", Listen: "2.2.2.2:2", Location: "japaneast", SSHPort: 41000, Alias: []string{"x:y:z=host"}, Limits: "auto", LogLevel: "warn"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, _, _ = configured(t, "--data", home+"/fromflag"); got.Data != home+"/fromflag" {
		t.Errorf("--data is not heard: %s", got.Data)
	}
}

func TestConfigurationIsStrict(t *testing.T) {
	alone(t)
	for text, want := range map[string]string{
		"listne: x":            "listne",
		"offline: perhaps":     "offline",
		"ssh-port: many":       "ssh-port",
		"listen: [":            "configuration",
		"listen: a\nlisten: b": "listen",
		"- a":                  "configuration",
		"config: x":            "config",
	} {
		_, code, errs := configured(t, "--config", file(t, text))
		if code != 2 || !strings.Contains(errs, want) || !strings.HasPrefix(errs, "millpond: configuration") {
			t.Errorf("%q: %d %q", text, code, errs)
		}
	}
	for _, text := range []string{"", "\n", "# nothing\n", "{}", "http:\n", "alias:\n"} {
		got, code, errs := configured(t, "--config", file(t, text))
		if code != 0 || strings.Contains(got.HTTP, "nil") || len(got.Alias) > 0 {
			t.Errorf("%q: %d %q %+v", text, code, errs, got)
		}
	}
	t.Setenv("MILLPOND_SSH_PORT", "many")
	if _, code, errs := configured(t); code != 2 || !strings.Contains(errs, "ssh-port") {
		t.Errorf("%d %q", code, errs)
	}
}

func FuzzConfiguration(f *testing.F) {
	f.Add("listen: a\nalias: [b]")
	f.Add("alias: {a: b}")
	f.Fuzz(func(t *testing.T, text string) {
		if _, code, errs := configured(t, "--config", file(t, text)); code != 0 && code != 2 || strings.Contains(errs, "goroutine") {
			t.Fatalf("%d %q", code, errs)
		}
	})
}
