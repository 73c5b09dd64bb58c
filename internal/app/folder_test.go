package app

import (
	"os"
	"path/filepath"
	"testing"
)

// Other users of the computer must not reach machines' files by their paths,
// also in a folder that was made by hand or by an earlier version.
func TestTheDataFolderIsItsOwnersAlone(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "a", "b")
	found := t.TempDir()
	if err := os.Chmod(found, 0o755); err != nil { //nolint:gosec // what is put right
		t.Fatal(err)
	}
	for _, dir := range []string{fresh, found} {
		if _, err := openFolder(dir); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", dir, info.Mode(), err)
		}
	}
}
