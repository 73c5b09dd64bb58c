package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run runs a command line and gives its exit code and what it printed.
func run(p Program, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(p, args, &out, &errs)
	return code, out.String(), errs.String()
}

// alone is an environment without a server: an empty data home, no MILLPOND_*.
func alone(t *testing.T) string {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "MILLPOND_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	return home
}

func walk(c *cobra.Command, path []string, see func(*cobra.Command, []string)) {
	see(c, path)
	for _, sub := range c.Commands() {
		walk(sub, append(slices.Clone(path), sub.Name()), see)
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	alone(t)
	seen := 0
	walk(newRoot(Program{}), nil, func(c *cobra.Command, path []string) {
		seen++
		code, out, errs := run(Program{}, append(path, "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Usage:") {
			t.Errorf("%v --help: %d %q %q", path, code, out, errs)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%v: short help %q", path, c.Short)
		}
	})
	for _, want := range []string{"up", "env", "az-setup", "exec", "image", "doctor", "version", "completion"} {
		if _, out, _ := run(Program{}, "--help"); !strings.Contains(out, "\n  "+want+" ") {
			t.Errorf("the help has no %s:\n%s", want, out)
		}
	}
	if seen < 11 {
		t.Errorf("%d commands", seen)
	}
}

func TestWrongUsage(t *testing.T) {
	alone(t)
	for _, args := range [][]string{
		{"nosuch"}, {"--nosuch"}, {"up", "--nosuch"}, {"up", "extra"}, {"up", "--ssh-port", "x"}, {"version", "extra"},
		{"image", "nosuch"}, {"image", "show"}, {"image", "show", "a:b"}, {"image", "import", "a:b:c"}, {"image", "show", "::"},
		{"exec"}, {"exec", "--offline"}, {"exec", "--nosuch", "--", "true"}, {"az-setup"}, {"env", "x"}, {"doctor", "x"},
		{"up", "--config", "/no/such/file"}, {"completion", "nosuch"},
	} {
		code, out, errs := run(Program{}, args...)
		if code != 2 || out != "" || !strings.HasPrefix(errs, "millpond: ") || strings.Count(errs, "\n") != 2 || !strings.Contains(errs, "--help") {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

// Without a server every client command says so in one line.
func TestNoServer(t *testing.T) {
	home := alone(t)
	for _, args := range [][]string{
		{"env"}, {"exec", "--", "true"}, {"image", "list"}, {"image", "show", "a:b:c"}, {"image", "import", "a:b:c", "host"}, {"az-setup", home + "/az"},
	} {
		code, out, errs := run(Program{}, args...)
		if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "no server was started with the data folder "+home+"/data/millpond") {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
	data := filepath.Join(home, "d")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "admin.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(Program{}, "env", "--data", data); code != 1 || !strings.Contains(errs, "admin.json") || strings.Count(errs, "\n") != 1 {
		t.Errorf("a damaged admin.json: %d %q", code, errs)
	}
	if code, _, errs := run(Program{}, "env", "--data", filepath.Join(data, "admin.json")); code != 2 || !strings.Contains(errs, "is not a folder") {
		t.Errorf("a file as the data folder: %d %q", code, errs)
	}
}

func TestVersionDoctorCompletion(t *testing.T) {
	alone(t)
	if code, out, _ := run(Program{Version: "1.2.3"}, "version"); code != 0 || out != "millpond 1.2.3\n" {
		t.Errorf("%d %q", code, out)
	}
	findings := []Finding{{Name: "a", OK: true, Needed: true, Note: "there"}, {Name: "b", Note: "absent", Fix: "get it"}}
	doctor := Program{Doctor: func(context.Context, string) []Finding { return findings }}
	if code, out, _ := run(doctor, "doctor"); code != 0 || !strings.Contains(out, "ok    a") || !strings.Contains(out, "note  b") || !strings.Contains(out, "fix: get it") {
		t.Errorf("%d %q", code, out)
	}
	findings[1].Needed = true
	if code, out, errs := run(doctor, "doctor"); code != 1 || !strings.Contains(out, "MISS  b") || strings.Count(errs, "\n") != 1 {
		t.Errorf("%d %q %q", code, out, errs)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, errs := run(Program{}, "completion", shell); code != 0 || !strings.Contains(out, "millpond") || errs != "" {
			t.Errorf("completion %s: %d %q", shell, code, errs)
		}
	}
	if code, out, _ := run(Program{}, "__complete", "image", ""); code != 0 || !strings.Contains(out, "import") {
		t.Errorf("%d %q", code, out)
	}
}

// What goes wrong below is one line, whatever it is.
func TestErrorsAreOneLine(t *testing.T) {
	alone(t)
	p := Program{Up: func(context.Context, Up, func(Ready)) error { return errors.New("the port is taken") }}
	if code, out, errs := run(p, "up"); code != 1 || out != "" || errs != "millpond: the port is taken\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	p.Up = func(_ context.Context, _ Up, ready func(Ready)) error {
		ready(Ready{URL: "https://h:1", HTTPURL: "http://h:2", Data: "/d"})
		return nil
	}
	if code, out, errs := run(p, "up"); code != 0 || out != "millpond ready: https://h:1 http://h:2 data=/d\n" || errs != "" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	p.NodeHost = func(args []string) int { return len(args) }
	if code, _, _ := run(p, "node-host", "a", "b"); code != 2 {
		t.Errorf("node-host was not handed its arguments: %d", code)
	}
}
