package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millpond/test/rig"
)

// openPorts asks for the SSH port of every node, which opens it. One whose agent
// was killed last opens it again when it is back.
func openPorts(t *testing.T, s *rig.Server, pool string) {
	t.Helper()
	var list struct {
		Value []struct{ ID string } `json:"value"`
	}
	s.Do("GET", "/pools/"+pool+"/nodes", nil, &list)
	before := listening(t, s.PID())
	for _, n := range list.Value {
		var at struct {
			IP   string `json:"remoteLoginIPAddress"`
			Port int    `json:"remoteLoginPort"`
		}
		s.Do("GET", "/pools/"+pool+"/nodes/"+n.ID+"/remoteloginsettings", nil, &at)
		if at.IP == "" || at.Port == 0 {
			t.Errorf("node %s: %+v", n.ID, at)
		}
	}
	s.Eventually(time.Minute, "a port for each node", func() (bool, string) {
		got := listening(t, s.PID())
		return got == before+len(list.Value), fmt.Sprintf("%d ports, %d before those of %d nodes", got, before, len(list.Value))
	})
}

// nothingLeft looks at a running server without pools: no folder of a node, no
// process but the node host, no port but its own two. Its Stop looks for the rest.
func nothingLeft(t *testing.T, s *rig.Server) {
	t.Helper()
	for _, dir := range []string{"nodes", "disks"} {
		if left, err := os.ReadDir(filepath.Join(s.Data, dir)); err != nil || len(left) > 0 {
			t.Errorf("%s: %v %v", dir, left, err)
		}
	}
	for _, p := range s.Processes() {
		if !strings.Contains(p.Command, "node-host") {
			t.Errorf("process %d goes on: %s", p.PID, p.Command)
		}
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/millpond-*/m-*")
	more, _ := filepath.Glob("/sys/fs/cgroup/*/millpond-*/m-*")
	for _, g := range append(groups, more...) {
		if strings.Contains(g, filepath.Base(s.RunDir())) {
			t.Errorf("control group %s, %v", g, err)
		}
	}
	if n := listening(t, s.PID()); n != 2 {
		t.Errorf("the server listens on %d ports, want its own 2", n)
	}
}

// listening counts the TCP ports a process listens on.
func listening(t *testing.T, pid int) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]bool{}
	for _, line := range strings.Split(string(table), "\n") {
		if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && inodes[target] {
			n++
		}
	}
	return n
}

func deletePool(s *rig.Server, id string) {
	s.Insist("DELETE", "/pools/"+id, nil, time.Minute)
	s.Eventually(time.Minute, "pool "+id+" is gone", func() (bool, string) {
		a, err := s.Try("GET", "/pools/"+id, nil)
		states, _ := s.NodeStates(id)
		return err == nil && a.Status == 404, fmt.Sprint(err, a.Status, states)
	})
}
