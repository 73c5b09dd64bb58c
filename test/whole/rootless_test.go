package whole

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
