package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindRange(t *testing.T) {
	for _, c := range []struct {
		text  string
		first int
		ok    bool
	}{
		{"", 0, false},
		{"ann:100000:65536\n", 100000, true},
		{"bob:1:65536\nann:200000:65536\n", 200000, true},
		{"1000:300000:65536\n", 300000, true},
		{"ann:100000:1000\nann:400000:131072\n", 400000, true},
		{"ann:0:65536\n", 0, false}, // the machines' root would be the computer's
		{"ann:-5:65536\nann:x:65536\nann:1\n", 0, false},
		{" ann:100000:65536 \n", 100000, true},
		{"annie:100000:65536\n", 0, false},
	} {
		first, ok := findRange(strings.NewReader(c.text), "ann", 1000)
		if first != c.first || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.text, first, ok, c.first, c.ok)
		}
	}
	if _, ok := findRange(strings.NewReader(":100000:65536\n"), "", 1000); ok {
		t.Error("a line without a name is nobody's")
	}
}

func FuzzFindRange(f *testing.F) {
	f.Add("ann:100000:65536\n")
	f.Add("1000:1:99999999999999999999\n::\n")
	f.Fuzz(func(t *testing.T, text string) {
		if first, ok := findRange(strings.NewReader(text), "ann", 1000); ok != (first > 0) {
			t.Fatalf("%d %v", first, ok)
		}
	})
}

func TestIDMapIsKept(t *testing.T) {
	data := t.TempDir()
	made, err := loadIDMap(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadIDMap(data)
	if err != nil || again != made || made.First == 0 || made.Count != 65536 {
		t.Fatalf("%+v, then %+v %v", made, again, err)
	}
	if os.Geteuid() == 0 { // root can map any range, so the folder's own goes on
		if err := os.WriteFile(filepath.Join(data, "idmap.json"), []byte(`{"first":900000,"count":65536,"owner":-1}`), 0o644); err != nil {
			t.Fatal(err)
		}
		if kept, err := loadIDMap(data); err != nil || kept.First != 900000 {
			t.Fatalf("%+v %v", kept, err)
		}
	}
	for _, bad := range []string{"", "{", `{"first":0,"count":65536,"owner":-1}`, `{"first":5,"count":3,"owner":-1}`} {
		if err := os.WriteFile(filepath.Join(data, "idmap.json"), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if m, err := loadIDMap(data); err == nil {
			t.Errorf("%q gave %+v", bad, m)
		}
	}
}

func TestParseCgroups(t *testing.T) {
	const hybrid = `24 1 0:21 / /sys rw - sysfs sysfs rw
30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
nonsense
34 - cgroup2
`
	got := parseCgroups(strings.NewReader(hybrid))
	want := cgroupMounts{v2: "/sys/fs/cgroup/unified", cpu: "/sys/fs/cgroup/cpu,cpuacct", memory: "/sys/fs/cgroup/memory"}
	if got != want {
		t.Fatalf("%+v", got)
	}
}

func FuzzParseCgroups(f *testing.F) {
	f.Add("33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
	f.Add(" - \n - cgroup2\n")
	f.Fuzz(func(_ *testing.T, text string) { parseCgroups(strings.NewReader(text)) })
}

func TestRunDir(t *testing.T) {
	data := t.TempDir()
	dir := RunDirFor(data)
	if dir != RunDirFor(data+"/.") || dir == RunDirFor(t.TempDir()) {
		t.Fatalf("%s must be one folder's and only its", dir)
	}
	if name := filepath.Join(dir, agentsDir, gatewayName); len(name) > 100 {
		t.Fatalf("%s is too long for a socket", name)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := makeRunDir(open); err == nil {
		t.Fatal("a run folder others write to must be refused")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if err := makeRunDir(link); err == nil {
		t.Fatal("a link as run folder must be refused")
	}
}
