package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckHere(t *testing.T) {
	config := testConfig(t, filepath.Join(t.TempDir(), "not", "yet", "there"))
	for _, f := range Check(t.Context(), config) {
		t.Logf("%+v", f)
		if f.Needed && !f.OK {
			t.Errorf("%s: %s; fix: %s", f.Name, f.Detail, f.Fix)
		}
		if !f.OK && (f.Detail == "" || f.Fix == "") && f.Name != "limits" {
			t.Errorf("%s: must say what is missing and what to do", f.Name)
		}
	}
	if found := glob(t, filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(config.DataDir))), ".*")); len(found) > 0 {
		t.Errorf("Check left %q", found)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.Agent = filepath.Join(config.DataDir, "no-agent")
	var said []string
	for _, f := range Check(t.Context(), config) {
		if !f.OK {
			said = append(said, f.Name+": "+f.Detail+": "+f.Fix)
		}
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, "node host: ") || !strings.Contains(all, "build millpond-node") {
		t.Fatalf("said %q", all)
	}
}

func TestAdvice(t *testing.T) {
	for text, want := range map[string]string{
		"machine m: boot: mount overlay of 1 layers on /x: invalid argument": "--data",
		"mount proc: operation not permitted":                                "--privileged",
		"newuidmap: exit status 1":                                           "user ids",
		"other":                                                              "node-host.log",
	} {
		if got := advice(errors.New(text), os.TempDir()); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", text, got, want)
		}
	}
}
