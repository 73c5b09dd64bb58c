package whole

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"millpond/test/rig"
)

// copies gives the folders of the copies a region keeps, by their names.
func copies(t *testing.T, s *rig.Server, region string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.Data, "regions", region, "replicas", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, dir := range list {
		// A copy that was removed may leave its empty folder.
		if files(t, dir) > 0 {
			out = append(out, dir)
		}
	}
	return out
}

func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	for range inodes(t, dir) {
		n++
	}
	return n
}

// inodes are the regular files below dir by the kernel's names for them.
func inodes(t *testing.T, dir string) map[[2]uint64]string {
	t.Helper()
	out := map[[2]uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // removed while we look
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // removed while we look
		}
		st := info.Sys().(*syscall.Stat_t)
		out[[2]uint64{uint64(st.Dev), st.Ino}] = path //nolint:unconvert // Dev is not everywhere 64 bits
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// served counts, by region and copy, the running machines whose /etc/services is
// the very inode of that copy.
func served(t *testing.T, s *rig.Server) map[string]int {
	t.Helper()
	at := map[uint64]string{}
	for _, region := range []string{"westeurope", "northeurope"} {
		for _, dir := range copies(t, s, region) {
			for id, path := range inodes(t, dir) {
				if strings.HasSuffix(path, "/etc/services") {
					at[id[1]] = region + "/" + filepath.Base(dir)
				}
			}
		}
	}
	out := map[string]int{}
	for _, p := range s.Processes() {
		if !strings.HasPrefix(p.Command, "millpond-node") {
			continue
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/root/etc/services", p.PID))
		if err != nil {
			t.Error(err)
			continue
		}
		out[at[info.Sys().(*syscall.Stat_t).Ino]]++
	}
	return out
}

// TestReplicas walks disk, snapshot, image, gallery and version with three
// replicas here and one elsewhere.
func TestReplicas(t *testing.T) {
	s := rig.Start(t)
	arm := s.Bearer()
	image := arm.ManagedImage("i", arm.Snapshot("s", arm.Disk("d")))
	before := copies(t, s, "westeurope")
	version := arm.Version(arm.Definition("g", "def"), "1.0.0", image, "westeurope", 3, "northeurope", 1)
	here := copies(t, s, "westeurope")
	there := copies(t, s, "northeurope")
	if len(here) != 3 || len(there) != 1 {
		t.Fatalf("copies: %v and %v, before %v", here, there, before)
	}
	seen := map[[2]uint64]string{}
	size := 0
	for _, dir := range append(slices.Clone(here), there...) {
		mine := inodes(t, dir)
		if size == 0 {
			size = len(mine)
		}
		if len(mine) < 10 || len(mine) != size {
			t.Errorf("%s has %d files, another copy %d", dir, len(mine), size)
		}
		for id, path := range mine {
			if other, ok := seen[id]; ok {
				t.Fatalf("%s and %s are one inode", path, other)
			}
			seen[id] = path
		}
	}

	// The shared key is not enough for a gallery image.
	if a, err := s.Try("POST", "/pools", s.GalleryPool("p", version, 6)); err != nil || a.Status != 403 || !strings.Contains(string(a.Body), "SharedKey is not allowed when external resources of type Compute are linked") {
		t.Errorf("%d %s %v", a.Status, a.Body, err)
	}
	arm.Do("POST", "/pools", s.GalleryPool("p", version, 6), nil)
	s.Idle("p", 6)
	if got := served(t, s); len(got) != 3 || got["westeurope/0"] != 2 || got["westeurope/1"] != 2 || got["westeurope/2"] != 2 {
		t.Errorf("six nodes over three replicas: %v", got)
	}
	flip(t, s, arm, here[1], version)
	arm.Do("DELETE", version, nil, nil)
	s.Do("DELETE", "/pools/p", nil, nil)
	s.Do("DELETE", "/pools/q", nil, nil)
	s.Eventually(minute, "both pools are gone", func() (bool, string) {
		a, err := s.Try("GET", "/pools", nil)
		return err == nil && strings.Contains(string(a.Body), `"value":[]`), fmt.Sprint(string(a.Body), err)
	})
	if a, err := arm.Try("POST", "/pools", s.GalleryPool("r", version, 1)); err != nil || a.Status < 400 {
		t.Errorf("a pool of a deleted version: %d %s %v", a.Status, a.Body, err)
	}
	// What nobody names any more is removed when nothing runs: at the next start.
	for _, path := range []string{s.Compute("images", "i"), s.Compute("snapshots", "s"), s.Compute("disks", "d")} {
		arm.Do("DELETE", path, nil, nil)
	}
	s.Stop()
	s.Up()
	for _, dir := range slices.Concat(copies(t, s, "westeurope"), copies(t, s, "northeurope")) {
		if filepath.Base(dir) != "0" { // there the catalogue's own base may stay
			t.Errorf("a copy left of a deleted version: %s", dir)
		}
	}
}

// flip flips one bit of one file in a copy, keeping its size and times, and
// sees it found, taken out of service and made anew.
func flip(t *testing.T, s *rig.Server, arm *rig.ARM, dir, version string) {
	t.Helper()
	var victim string
	for _, path := range inodes(t, dir) {
		if strings.HasSuffix(path, "/etc/nsswitch.conf") {
			victim = path
		}
	}
	if victim == "" {
		t.Fatal("no file to flip")
	}
	info, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(victim)
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	text[len(text)/2] ^= 1
	if err := os.WriteFile(victim, text, info.Mode()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(victim, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	var found struct {
		Value []struct {
			Version, Region, Path string
			Replica               int
		}
	}
	arm.Do("POST", "/millpond/v1/replicas/verify", nil, &found)
	if len(found.Value) != 1 || found.Value[0].Region != "westeurope" || found.Value[0].Replica != 1 || found.Value[0].Version != version ||
		!strings.HasSuffix(victim, found.Value[0].Path) {
		t.Fatalf("flipped a bit of %s, found %+v", victim, found.Value)
	}
	arm.Do("POST", "/pools", s.GalleryPool("q", version, 6), nil)
	for _, n := range s.Idle("q", 6) {
		if len(n.Errors) > 0 {
			t.Errorf("%+v", n)
		}
	}
	// The six new ones stand on whole copies; the two old ones on the damaged
	// copy keep what they have.
	got := served(t, s)
	total := 0
	for _, n := range got {
		total += n
	}
	if got["westeurope/1"] > 2 || total != 12 {
		t.Errorf("twelve nodes: %v", got)
	}
	s.Do("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "q"}}, nil)
	name := "/etc/" + filepath.Base(victim)
	for i := range 6 {
		if o := s.Run("j", fmt.Sprint("whole", i), "cat "+name, nil); o.Stdout != good {
			t.Errorf("a node reads a damaged file: %q", o.Stdout)
		}
	}
	s.Eventually(minute, "the replica is made anew", func() (bool, string) {
		for _, path := range inodes(t, filepath.Join(s.Data, "regions", "westeurope", "replicas", "1.1")) {
			if strings.HasSuffix(path, name) {
				text, err := os.ReadFile(path)
				return err == nil && string(text) == good, fmt.Sprint(path, err)
			}
		}
		return false, fmt.Sprint(copies(t, s, "westeurope"))
	})
	arm.Do("POST", "/millpond/v1/replicas/verify", nil, &found)
	if len(found.Value) != 0 {
		t.Errorf("after the repair: %+v", found.Value)
	}
}
