package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// admin is admin.json: where the server is reached and as whom.
type admin struct {
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
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

// server is a running `millpond up`.
type server struct {
	program string
	dir     string // of everything of this run; the server's data folder is data below it
	cmd     *exec.Cmd
	ended   chan error
	admin   admin
}

// startServer starts `millpond up` on free ports and waits for its ready line.
func startServer(ctx context.Context, program, dir string) (*server, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%w (set MILLPOND to the program)", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	s := &server{program: path, dir: dir, ended: make(chan error, 1)}
	log, err := os.Create(s.logPath())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd = exec.Command(path, "up", "--data", s.data(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0") //nolint:gosec // the program under demonstration
	s.cmd.Stdout, s.cmd.Stderr = in, log
	// Ctrl-C on the terminal is for us alone; we stop the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = s.cmd.Start()
	in.Close()
	if err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
		s.ended <- s.cmd.Wait()
	}()
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "millpond ready:") {
			return s, fmt.Errorf("the server did not start: %s", strings.TrimSpace(line))
		}
	case <-time.After(time.Minute):
		return s, errors.New("the server was not ready within a minute")
	case <-ctx.Done():
		return s, ctx.Err()
	}
	text, err := os.ReadFile(filepath.Join(s.data(), "admin.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s.admin)
}

func (s *server) data() string    { return filepath.Join(s.dir, "data") }
func (s *server) logPath() string { return filepath.Join(s.dir, "server.log") }
func (s *server) pid() int        { return s.cmd.Process.Pid }

// again is the command that starts the same server at the same addresses.
func (s *server) again() string {
	host := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return "127.0.0.1:0"
		}
		return u.Host
	}
	return fmt.Sprintf("%s up --data %s --listen %s --http %s", s.program, s.data(), host(s.admin.ARMURL), host(s.admin.BatchHTTPURL))
}

// run runs another millpond command on the server's folder.
func (s *server) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.program, append(args, "--data", s.data())...) //nolint:gosec // the program under demonstration
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("millpond %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// stop asks the server to end and waits; its nodes end with it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		return errors.New("it did not end within 30 s and was killed")
	}
}

// tail is the last lines of the server's log.
func (s *server) tail(lines int) string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
