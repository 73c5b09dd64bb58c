package clients

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"millpond/test/rig"
)

// world is what all tests share: the server, the clients, and the images.
type world struct {
	*rig.Server
	root   string // of this repository
	bin    string // millpond
	azBin  string // folder of az; "" when there is none
	python string // with azure-batch; "" when there is none
	azEnv  []string

	images images
}

var (
	counted []string // clients that were driven, each once
	skipped int
)

func TestMain(m *testing.M) {
	code := m.Run()
	if len(counted)+skipped > 0 {
		slices.Sort(counted)
		fmt.Printf("%s\n%d clients, %d skipped\n", strings.Join(slices.Compact(counted), "; "), len(slices.Compact(counted)), skipped)
	}
	os.Exit(code)
}

// TestClients starts one server and drives it with every client in turn.
func TestClients(t *testing.T) {
	w := &world{root: root(t), bin: rig.Binary(t)}
	w.find()
	w.Server = rig.Start(t, "--alias", ubuntu+"=host")
	for _, part := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"images", prepare},
		{"az setup", azSetup},
		{"document's az command", documentAz},
		{"document's Python", documentPython},
		{"document's Linux nodes", documentLinuxNodes},
		{"az tour", azTour},
		{"Python with the shared key", pythonSharedKey},
		{"Go", mainJob},
	} {
		t.Run(part.name, func(t *testing.T) {
			below := *w
			below.Server = w.For(t)
			part.run(t, &below)
			w.azEnv, w.images = below.azEnv, below.images
		})
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (w *world) find() {
	venv := os.Getenv("MILLPOND_VENV")
	if venv == "" {
		venv = filepath.Join(w.root, ".venv")
	}
	if dir := filepath.Join(venv, "az", "bin"); isFile(filepath.Join(dir, "az")) {
		w.azBin = dir
	}
	if python := filepath.Join(venv, "batch", "bin", "python"); isFile(python) {
		w.python = python
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	skipped++
	t.Skip(what)
}

// drove counts a client that a test has driven to its end.
func drove(t *testing.T, client string) {
	t.Helper()
	if !t.Failed() {
		counted = append(counted, client)
	}
}

func (w *world) needAz(t *testing.T) {
	t.Helper()
	if w.azBin == "" {
		missing(t, "there is no az in .venv/az: run scripts/setup test")
	}
}

func (w *world) needPython(t *testing.T) {
	t.Helper()
	if w.python == "" {
		missing(t, "there is no azure-batch in .venv/batch: run scripts/setup test")
	}
}

// command is a program to run and how.
type command struct {
	env   []string // beside the clean one
	stdin string
	args  []string
}

// result is how it ended.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
}

// commandTime is far above what any of the clients needs.
const commandTime = 3 * time.Minute

// run runs a command without a terminal and without the caller's own Azure settings and proxies.
func (w *world) run(t *testing.T, c command) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.args[0], c.args[1:]...)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // getpass asks a terminal if there is one
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if upper := strings.ToUpper(name); strings.HasPrefix(upper, "AZURE_") || strings.HasPrefix(upper, "MILLPOND_") ||
			strings.HasSuffix(upper, "_PROXY") || strings.HasPrefix(upper, "PYTHON") {
			continue
		}
		cmd.Env = append(cmd.Env, entry)
	}
	path := os.Getenv("PATH")
	if w.azBin != "" {
		path = w.azBin + ":" + path
	}
	cmd.Env = append(cmd.Env, "PATH="+path, "AZURE_CORE_COLLECT_TELEMETRY=no", "AZURE_CORE_NO_COLOR=yes", "MILLPOND_DATA="+w.Data)
	cmd.Env = append(cmd.Env, c.env...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(commandTime, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", c.args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must is run for commands that must succeed.
func (w *world) must(t *testing.T, c command) string {
	t.Helper()
	r := w.run(t, c)
	if r.code != 0 {
		t.Fatalf("%s: %s", strings.Join(c.args, " "), r)
	}
	return r.stdout
}

// eventually asks again until holds says so; asking is a client's only way to learn of a state.
func (w *world) eventually(t *testing.T, within time.Duration, what string, holds func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(within)
	for {
		ok, got := holds()
		if ok {
			return
		}
		select {
		case <-late:
			t.Fatalf("%s: not within %s: %s", what, within, got)
		case <-tick.C:
		}
	}
}

// idle waits until a pool is steady and has n idle nodes.
func (w *world) idle(t *testing.T, pool string, n int) {
	t.Helper()
	w.eventually(t, 2*time.Minute, fmt.Sprintf("%d idle nodes in pool %s", n, pool), func() (bool, string) {
		states, err := w.NodeStates(pool)
		if err != nil {
			return false, err.Error()
		}
		if states["starttaskfailed"]+states["unusable"] > 0 {
			t.Fatalf("nodes of pool %s: %v", pool, states)
		}
		return states["idle"] == n, fmt.Sprint(states)
	})
}

// gone deletes a pool and waits until it is no more.
func (w *world) gone(t *testing.T, pool string) {
	t.Helper()
	w.Do("DELETE", "/pools/"+pool, nil, nil)
	w.eventually(t, time.Minute, "the end of pool "+pool, func() (bool, string) {
		a, err := w.Try("GET", "/pools/"+pool, nil)
		if err != nil {
			return false, err.Error()
		}
		return a.Status == 404, string(a.Body)
	})
}
