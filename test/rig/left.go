package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Leftovers lists processes, mounts, control groups and run folders that
// belong to this server's folder.
func (s *Server) Leftovers() []string {
	var left []string
	for _, p := range s.Processes() {
		left = append(left, fmt.Sprintf("process %d: %s", p.PID, p.Command))
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		for _, line := range strings.Split(string(mounts), "\n") {
			if strings.Contains(line, s.Data) {
				left = append(left, "mount "+line)
			}
		}
	}
	run := s.RunDir()
	if _, err := os.Stat(run); err == nil {
		left = append(left, "run folder "+run)
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/" + filepath.Base(run))
	more, _ := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(run))
	for _, g := range append(groups, more...) {
		left = append(left, "control group "+g)
	}
	return left
}

// RunDir is the server's short folder of sockets, named by its data folder.
func (s *Server) RunDir() string {
	base := s.setup.Run
	if base == "" && os.Geteuid() == 0 {
		base = "/run"
	} else if base == "" {
		if base = os.Getenv("XDG_RUNTIME_DIR"); base == "" {
			base = "/tmp"
		}
	}
	sum := sha256.Sum256([]byte(s.Data))
	return filepath.Join(base, "millpond-"+hex.EncodeToString(sum[:4]))
}

// Process is a running process of this server's folder.
type Process struct {
	PID     int
	Parent  int
	Command string
}

// Processes finds the node host and agents of this server by what the kernel
// says of them: the node host has the folder's lock open, the agents descend
// from it.
func (s *Server) Processes() []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.tb.Fatal(err)
	}
	parent := map[int]int{}
	command := map[int]string{}
	var roots []int
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || s.cmd != nil && pid == s.cmd.Process.Pid {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		rest := string(stat)[strings.LastIndexByte(string(stat), ')')+1:]
		var state string
		var ppid int
		if _, err := fmt.Sscan(rest, &state, &ppid); err != nil || state == "Z" {
			continue
		}
		parent[pid] = ppid
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		command[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		if s.holds(pid) {
			roots = append(roots, pid)
		}
	}
	mine := map[int]bool{}
	for _, r := range roots {
		mine[r] = true
	}
	for changed := true; changed; {
		changed = false
		for pid, ppid := range parent {
			if mine[ppid] && !mine[pid] {
				mine[pid], changed = true, true
			}
		}
	}
	var out []Process
	for pid := range mine {
		out = append(out, Process{pid, parent[pid], command[pid]})
	}
	return out
}

// holds reports whether a process has a file of the data folder open.
func (s *Server) holds(pid int) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.HasPrefix(target, s.Data+"/") {
			return true
		}
	}
	return false
}
