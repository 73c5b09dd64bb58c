package whole

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"millpond/test/rig"
)

// TestNoReportNoIdle gives the nodes an agent that starts and says nothing: its
// node is starting and never idle, and is given up as unusable, with a reason,
// when it ended too often.
func TestNoReportNoIdle(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "millpond")
	const says = "#!/bin/sh\nexec sleep 86441\n"
	if err := errors.Join(exec.Command("cp", rig.Binary(t), bin).Run(), os.WriteFile(filepath.Join(dir, "millpond-node"), []byte(says), 0o755),
		os.Chmod(dir, 0o755)); err != nil { //nolint:gosec // machines' ids go through it
		t.Fatal(err)
	}
	s := rig.StartWith(t, rig.Setup{Bin: bin})
	s.Do("POST", "/pools", s.Pool("p", 1, 1), nil)
	// A server that is stopped while its node is being made leaves nothing either.
	s.Eventually(minute, "a silent agent", func() (bool, string) {
		all := s.Processes()
		for _, p := range all {
			if strings.Contains(p.Command, "sleep 86441") {
				return true, ""
			}
		}
		return false, fmt.Sprint(all)
	})
	s.Stop()
	s.Up()
	seen, killed := map[string]bool{}, map[int]bool{}
	s.Eventually(2*minute, "a node given up", func() (bool, string) {
		states, err := s.NodeStates("p")
		if err != nil {
			return false, err.Error()
		}
		for state := range states {
			seen[state] = true
		}
		for _, r := range rows(t, s) {
			if r.HelloBoot != "" {
				t.Fatalf("nobody said hello: %+v", r)
			}
		}
		for _, p := range s.Processes() {
			if strings.Contains(p.Command, "sleep 86441") && !killed[p.PID] {
				killed[p.PID] = syscall.Kill(p.PID, syscall.SIGKILL) == nil
			}
		}
		return states["unusable"] == 1, fmt.Sprint(states, len(killed))
	})
	if seen["idle"] || seen["running"] || len(killed) < 2 {
		t.Errorf("states %v, %d starts", seen, len(killed))
	}
	if n := s.Nodes("p")[0]; len(n.Errors) == 0 || n.Errors[0].Message == "" {
		t.Errorf("given up without a reason: %+v", n)
	}
}
