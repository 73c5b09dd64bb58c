package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is `millpond up` in a folder of its own.
type Server struct {
	tb   testing.TB
	Data string
	Admin
	args []string
	cmd  *exec.Cmd
	logs *buffer
	exit chan error
}

// Admin is what admin.json tells.
type Admin struct {
	SubscriptionID string `json:"subscriptionId"`
	TenantID       string `json:"tenantId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	ResourceGroup  string `json:"resourceGroup"`
	Location       string `json:"location"`
	AccountName    string `json:"accountName"`
	AccountKey     string `json:"accountKey"`
	BatchURL       string `json:"batchUrl"`
	BatchHTTPURL   string `json:"batchHttpUrl"`
	ARMURL         string `json:"armUrl"`
	LoginURL       string `json:"loginUrl"`
	CAFile         string `json:"caFile"`
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Binary is the built millpond: $MILLPOND_BIN/millpond, or bin/ of this
// repository, built first when it is missing there.
func Binary(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("MILLPOND_BIN")
	if dir == "" {
		root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
		if err != nil {
			tb.Fatal(err)
		}
		dir = filepath.Join(strings.TrimSpace(string(root)), "bin")
	}
	path := filepath.Join(dir, "millpond")
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("%v: run 'make build' first", err)
	}
	return path
}

// Start starts a server; it is stopped, and what it left is checked, when the
// test ends.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	// Not tb.TempDir: its folders belong to the machines' users and its cleanup
	// runs before ours.
	data, err := os.MkdirTemp("", "millpond-test-")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, Data: data, args: args, logs: &buffer{}}
	s.Up()
	tb.Cleanup(func() {
		if s.cmd != nil {
			s.Stop()
		}
		if tb.Failed() {
			tb.Logf("server log:\n%s", tail(s.logs.String(), 60))
		}
		if err := os.RemoveAll(data); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Up starts the server again in the same folder and waits for its ready line.
func (s *Server) Up() {
	s.tb.Helper()
	args := append([]string{"up", "--data", s.Data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, s.args...)
	s.cmd = exec.CommandContext(context.Background(), Binary(s.tb), args...)
	s.cmd.Stderr = s.logs
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
	}()
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "millpond ready: ") {
			_ = s.cmd.Wait()
			s.tb.Fatalf("no ready line but %q\n%s", line, s.logs)
		}
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		s.tb.Fatalf("not ready after a minute\n%s", s.logs)
	}
	cmd := s.cmd
	s.exit = make(chan error, 1)
	go func() { s.exit <- cmd.Wait() }()
	text, err := os.ReadFile(filepath.Join(s.Data, "admin.json"))
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &s.Admin); err != nil {
		s.tb.Fatal(err)
	}
}

// Kill ends the server as a crash would and waits for its end.
func (s *Server) Kill() {
	s.tb.Helper()
	_ = s.cmd.Process.Kill()
	<-s.exit
	s.cmd = nil
}

// Stop asks the server to end and checks that it does, leaving nothing.
func (s *Server) Stop() {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.tb.Error(err)
	}
	select {
	case err := <-s.exit:
		if err != nil {
			s.tb.Errorf("the server ended with %v\n%s", err, tail(s.logs.String(), 20))
		}
	case <-time.After(time.Minute):
		s.tb.Errorf("the server did not end within a minute\n%s", tail(s.logs.String(), 20))
		_ = s.cmd.Process.Kill()
		<-s.exit
	}
	s.cmd = nil
	for _, left := range s.Leftovers() {
		s.tb.Errorf("left over: %s", left)
	}
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

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
	run := s.runDir()
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

// runDir is the server's short folder of sockets, named by its data folder.
func (s *Server) runDir() string {
	base := "/run"
	if os.Geteuid() != 0 {
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
		out = append(out, Process{pid, command[pid]})
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
