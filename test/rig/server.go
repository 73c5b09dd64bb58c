package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	*Admin
	*process
	setup Setup
	logs  *buffer
	said  *buffer // on stdout after the ready line
}

// process is the running program; it and Admin are one for all that For gives.
type process struct {
	cmd  *exec.Cmd // nil while it does not run
	exit chan error
}

// Setup is what is not as usual about a server.
type Setup struct {
	Args []string // more of them, for up
	Via  []string // what runs the program: a command and its first arguments
	Env  []string // its whole environment; nil = the test's own
	Bin  string   // the program; "" = Binary
	Data string   // the data folder, the caller's to remove; "" = a fresh one
	Dir  string   // its working folder; "" = the test's
	Run  string   // where it makes its run folder; "" = as the test's own user

	Cloneflags uintptr // namespaces of its own
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
	return StartWith(tb, Setup{Args: args})
}

// StartWith is Start for a server that is not as usual.
func StartWith(tb testing.TB, setup Setup) *Server {
	tb.Helper()
	s := &Server{tb: tb, Data: setup.Data, setup: setup, logs: &buffer{}, said: &buffer{}, Admin: &Admin{}, process: &process{}}
	if s.Data == "" {
		// Not tb.TempDir: its folders belong to the machines' users and its cleanup
		// runs before ours.
		var err error
		if s.Data, err = os.MkdirTemp("", "millpond-test-"); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() {
		if s.cmd != nil {
			s.Stop()
		}
		if tb.Failed() {
			tb.Logf("server log:\n%s", tail(s.logs.String(), 60))
		}
		if setup.Data == "" {
			if err := os.RemoveAll(s.Data); err != nil {
				tb.Error(err)
			}
		}
	})
	s.Up()
	return s
}

// For is the same server in a test below: what fails there ends that test.
func (s *Server) For(tb testing.TB) *Server {
	below := *s
	below.tb = tb
	return &below
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Up starts the server again in the same folder and waits for its ready line.
func (s *Server) Up() {
	s.tb.Helper()
	bin := s.setup.Bin
	if bin == "" {
		bin = Binary(s.tb)
	}
	args := slices.Concat(s.setup.Via, []string{bin, "up", "--data", s.Data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, s.setup.Args)
	s.cmd = exec.CommandContext(context.Background(), args[0], args[1:]...)
	s.cmd.Stderr, s.cmd.Env, s.cmd.Dir = s.logs, s.setup.Env, s.setup.Dir
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: s.setup.Cloneflags}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	cmd := s.cmd
	ready := make(chan string, 1)
	s.exit = make(chan error, 1)
	go func() {
		reader := bufio.NewReader(out)
		line, _ := reader.ReadString('\n')
		ready <- line
		_, _ = io.Copy(s.said, reader)
		s.exit <- cmd.Wait()
	}()
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "millpond ready: ") {
			<-s.exit
			s.cmd = nil
			s.tb.Fatalf("no ready line but %q\n%s", line, s.logs)
		}
	case <-time.After(time.Minute):
		s.Kill()
		s.tb.Fatalf("not ready after a minute\n%s", s.logs)
	}
	text, err := os.ReadFile(filepath.Join(s.Data, "admin.json"))
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := json.Unmarshal(text, s.Admin); err != nil {
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
	s.End(syscall.SIGTERM)
	for _, left := range s.Leftovers() {
		s.tb.Errorf("left over: %s", left)
	}
}

// End asks the server to end by a signal and checks that it does.
func (s *Server) End(signal os.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
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
	if more := s.said.String(); more != "" {
		s.tb.Errorf("after its ready line the server printed %q", more)
	}
}

// dump makes a server that does not get on tell what each goroutine does, into
// a file that outlives the test; the server ends by it and is started again.
func (s *Server) dump() {
	s.tb.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.exit
	f, err := os.CreateTemp("", "millpond-goroutines-")
	if err == nil {
		_, _ = f.WriteString(s.logs.String())
		s.tb.Logf("goroutines of the server: %s", f.Name())
		_ = f.Close()
	}
	s.Up()
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }
