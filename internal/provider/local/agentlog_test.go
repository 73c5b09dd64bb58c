package local

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A machine's root owns its state folder. Nothing it puts there may make the
// node host open a file elsewhere, which the machine could then write to.
func TestTheAgentsLogIsNeverElsewhere(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "another-machine")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(log string) error{
		"nothing":       func(string) error { return nil },
		"link":          func(log string) error { return os.Symlink(elsewhere, log) },
		"dangling link": func(log string) error { return os.Symlink(elsewhere+".new", log) },
		"fifo":          func(log string) error { return syscall.Mkfifo(log, 0o600) },
		"folder": func(log string) error {
			return os.MkdirAll(filepath.Join(log, "full"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			log := filepath.Join(state, agentLog)
			if err := plant(log); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a second start appends
				f, err := openLog(state)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteString("x"); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
			info, err := os.Lstat(log)
			if err != nil || !info.Mode().IsRegular() || info.Size() != 2 {
				t.Errorf("%v %v", info, err)
			}
			if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "theirs" {
				t.Errorf("the other machine's file is %q, %v", text, err)
			}
			if _, err := os.Lstat(elsewhere + ".new"); err == nil {
				t.Error("a file was made elsewhere")
			}
		})
	}
}
