package whole

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/test/rig"
)

// TestRootless is the whole of it as an ordinary user: a server, a pool of two
// nodes, tasks as an administrator and as a user of the node, and nothing left.
func TestRootless(t *testing.T) {
	if _, err := exec.LookPath("newuidmap"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("newuidmap is missing: apt-get install uidmap")
		}
		t.Skip("newuidmap is missing: apt-get install uidmap")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := rig.StartWith(t, rig.PlainUser(t, self))
	s.Do("POST", "/pools", s.Pool("p", 2, 2), nil)
	s.Idle("p", 2)
	for _, p := range s.Processes() {
		if uid := owner(t, p.PID); uid == 0 {
			t.Errorf("%s runs as root of this machine", p.Command)
		}
	}
	s.Do("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "p"}}, nil)
	if o := s.Run("j", "user", rig.Script("id -un; pwd"), nil); !strings.HasPrefix(o.Stdout, "_azbatch\n/mnt/batch/tasks/workitems/j/") {
		t.Errorf("%+v", o)
	}
	root := s.Run("j", "root", rig.Script("id -u; echo x > /opt/made && mv /srv /srv2 && ls -d /srv2; cat "+s.Data+"/admin.json"), rig.Elevated())
	if root.Stdout != "0\n/srv2\n" || !strings.Contains(root.Stderr, "No such file") {
		t.Errorf("%+v", root)
	}
	// After SIGKILL the next server adopts them, and images are made and replicated as for root.
	before := s.Nodes("p")
	s.Kill()
	s.Up()
	if diff := cmp.Diff(before, s.Idle("p", 2)); diff != "" {
		t.Errorf("after SIGKILL: %s", diff)
	}
	arm := s.Bearer()
	image := arm.ManagedImage("i", arm.Snapshot("s", arm.Disk("d")))
	arm.Do("POST", "/pools", s.GalleryPool("q", arm.Version(arm.Definition("g", "d"), "1.0.0", image, "westeurope", 2), 2), nil)
	s.Idle("q", 2)
	var found struct{ Value []any }
	arm.Do("POST", "/millpond/v1/replicas/verify", nil, &found)
	if len(found.Value) > 0 {
		t.Errorf("damaged: %v", found.Value)
	}
	s.Stop()
	for _, dir := range []string{"nodes", "disks", "layers"} {
		if _, err := os.Stat(filepath.Join(s.Data, dir)); err != nil {
			t.Error(err)
		}
	}
}

func owner(t *testing.T, pid int) uint32 {
	t.Helper()
	info, err := os.Stat(filepath.Join("/proc", itoa(pid)))
	if err != nil {
		return 1 // ended meanwhile
	}
	return info.Sys().(*syscall.Stat_t).Uid
}
