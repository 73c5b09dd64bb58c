package clients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mainJob runs examples/mainjob, which drives everything with Azure's SDKs for Go, on the host's own system.
func mainJob(t *testing.T, w *world) {
	program := filepath.Join(t.TempDir(), "mainjob")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./mainjob")
	build.Dir = filepath.Join(w.root, "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out := w.must(t, command{args: []string{program, "-clean"}, env: []string{"BASE=host", "MILLPOND=" + w.bin}})
	for _, say := range []string{"refused: 403 AuthenticationFailed", "200 files", "time to all 200 tasks done"} {
		if !strings.Contains(out, say) {
			t.Errorf("it does not say %q:\n%s", say, out)
		}
	}
	drove(t, "Azure SDKs for Go (examples/mainjob)")
}
