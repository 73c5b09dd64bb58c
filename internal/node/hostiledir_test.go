package node

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"millpond/internal/node/wire"
)

// A retry finds what the attempt before left. A link in the place of wd leads
// the agent, which is root, nowhere.
func TestARetryFollowsNoLinkOfTheAttemptBefore(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	me := credential{name: "me", uid: os.Getuid(), gid: os.Getgid()}
	task := &wire.Task{UID: "t", Attempt: 1, Dir: "workitems/j/job-1/t", Files: []wire.Inline{{Path: "brought", Data: []byte("x")}}}
	d, err := makeTaskDir(root, task, me)
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if err := os.RemoveAll(d.wd); err != nil {
		t.Fatal(err)
	}
	for _, plant := range []string{d.wd, filepath.Join(d.dir, "stdout.txt")} {
		_ = os.Remove(plant)
		if err := os.Symlink(elsewhere, plant); err != nil {
			t.Fatal(err)
		}
	}
	if d, err = makeTaskDir(root, task, me); err != nil {
		t.Fatal(err)
	}
	d.close()
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
		t.Errorf("made elsewhere: %v %v", left, err)
	}
	if info, err := os.Lstat(d.wd); err != nil || !info.IsDir() {
		t.Errorf("wd: %v %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(d.wd, "brought")); err != nil || string(text) != "x" {
		t.Errorf("%q %v", text, err)
	}
}

// A directory is read no further than it will be listed.
func TestADirectoryIsReadInPart(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for most, want := range map[int]int{5: 5, 100: 20} {
		if got, err := readDir(root, ".", most); err != nil || len(got) != want {
			t.Errorf("at most %d: %d %v", most, len(got), err)
		}
	}
	empty, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if got, err := readDir(empty, ".", 3); err != nil || len(got) != 0 {
		t.Errorf("empty: %v %v", got, err)
	}
}

// A file's date may be any that a file system holds.
func TestTicksOfFarDates(t *testing.T) {
	for _, year := range []int{1, 1901, 1970, 2026, 2446, 9999} {
		at := time.Date(year, 5, 10, 1, 2, 3, 400, time.UTC)
		if back := time.Unix((ticks(at)-unixEpoch)/10_000_000, 0).UTC(); ticks(at) < 0 || back.Year() != year {
			t.Errorf("%v: %d ticks, back %v", at, ticks(at), back)
		}
	}
}
