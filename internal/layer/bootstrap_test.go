package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/fault"
)

// tools puts stand-ins for the bootstrap tools on the path; sh does the work.
func tools(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tar", "cat", "mkdir", "sleep"} {
		if err := os.Symlink("/bin/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestBootstrapTools(t *testing.T) {
	needRoot(t)
	archive := filepath.Join(t.TempDir(), "base.tar")
	if err := os.WriteFile(archive, tarOf(t, item{name: "./etc/"}, item{name: "./etc/os-release", text: debian}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		scripts map[string]string
		suite   string
		code    string
		says    string
	}{
		"mmdebstrap": {map[string]string{"mmdebstrap": `echo working "$@" >&2; cat ` + archive}, "bookworm", "", "working --mode=root --variant=minbase"},
		"debootstrap": {map[string]string{"debootstrap": `echo working "$@"; mkdir -p "$3/etc" "$3/debootstrap" "$3/dev/x"
			echo ID=debian > "$3/etc/os-release"`}, "bookworm", "", "working --variant=minbase bookworm"},
		"neither":       {nil, "bookworm", "ToolMissing", "mmdebstrap or debootstrap"},
		"failing":       {map[string]string{"mmdebstrap": "cat " + archive + "; echo no such suite >&2; exit 7"}, "bookwurm", "BootstrapFailed", "no such suite"},
		"failing too":   {map[string]string{"debootstrap": "echo no such suite; exit 7"}, "bookwurm", "BootstrapFailed", "no such suite"},
		"hostile suite": {map[string]string{"mmdebstrap": "cat " + archive}, "--setup-hook=x", "InvalidSuite", "letters"},
	} {
		t.Run(name, func(t *testing.T) {
			tools(t, c.scripts)
			blobs := Blobs{Dir: filepath.Join(t.TempDir(), "layers")}
			var log bytes.Buffer
			l, err := NewLocal(Limits{}).Bootstrap(t.Context(), c.suite, blobs.Dir, &log)
			if fault.CodeOf(err) != c.code || err == nil && c.code != "" {
				t.Fatalf("%v, want code %q", err, c.code)
			}
			if said := fmt.Sprint(err, log.String()); !strings.Contains(said, c.says) {
				t.Errorf("%q does not say %q", said, c.says)
			}
			left, _ := os.ReadDir(filepath.Join(blobs.Dir, blobFolder))
			if err != nil {
				if len(left) > 0 {
					t.Errorf("left %v", left)
				}
				return
			}
			if rel, err := blobs.OSRelease(t.Context(), Stack{l}); err != nil || rel.ID != "debian" {
				t.Errorf("os-release %v (%v)", rel, err)
			}
			if left, _ := os.ReadDir(blobs.Dir); len(left) != 1 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestBootstrapStopsWhenCancelled(t *testing.T) {
	needRoot(t)
	tools(t, map[string]string{"mmdebstrap": "echo started >&2; sleep 1000"})
	ctx, cancel := context.WithCancel(t.Context())
	started := writeFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})
	blobs := t.TempDir()
	if _, err := NewLocal(Limits{}).Bootstrap(ctx, "bookworm", blobs, started); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(filepath.Join(blobs, blobFolder)); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
