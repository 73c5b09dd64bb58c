package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"millpond/internal/provider"
)

// TestKilledHost kills the node host as `kill -9` would: its machines end with
// it, their end is told, nothing of them is left, and the next call works.
func TestKilledHost(t *testing.T) {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	var machines []provider.Machine
	for i := range 3 {
		m := testMachine(t, p, fmt.Sprintf("m%d", i))
		if err := p.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		g.enter(t, m)
		machines = append(machines, m)
	}
	pid := p.HostPID()
	processes := children(t, pid)
	if len(processes) != len(machines) {
		t.Fatalf("the node host has processes %v, want one a machine", processes)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(told) < len(machines) {
		select {
		case m := <-p.Exits():
			told[m.ID] = true
		case <-ctx.Done():
			t.Fatalf("only %v of the machines were told to have ended", told)
		}
	}
	for _, pid := range processes {
		if birth(pid) != "" {
			t.Errorf("process %d of a machine outlived its node host", pid)
		}
	}
	if list, err := p.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("List after the kill: %v %v", list, err)
	}
	if left := leftOver(t, p); len(left) > 0 {
		t.Fatalf("left over: %q", left)
	}
	m := machines[0]
	m.BootID = "again"
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatalf("Create after the kill: %v", err)
	}
	g.enter(t, m)
}

// TestKilledHostAndServer is the next `up` after both died.
func TestKilledHostAndServer(t *testing.T) {
	p := openTest(t, testData(t))
	m := testMachine(t, p, "m")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	pid := p.HostPID()
	if err := p.Close(true); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p = openTest(t, p.config.DataDir)
	if list, err := p.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("List: %v %v", list, err)
	}
	if left := leftOver(t, p); len(left) > 0 {
		t.Fatalf("left over: %q", left)
	}
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestOneHostAFolder(t *testing.T) {
	p := openTest(t, testData(t))
	q := openTest(t, p.config.DataDir)
	if p.HostPID() == 0 || p.HostPID() != q.HostPID() {
		t.Fatalf("node hosts %d and %d", p.HostPID(), q.HostPID())
	}
}

// TestHostIsFoundElsewhere is a second start from where the default run folder
// is another one.
func TestHostIsFoundElsewhere(t *testing.T) {
	p := openTest(t, testData(t))
	if err := p.Create(t.Context(), testMachine(t, p, "m")); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(true); err != nil {
		t.Fatal(err)
	}
	config := testConfig(t, p.config.DataDir)
	config.RunDir = filepath.Join(t.TempDir(), "elsewhere")
	q := openWith(t, config)
	if list, err := q.List(t.Context()); err != nil || len(list) != 1 {
		t.Fatalf("List: %v %v", list, err)
	}
	if q.Sockets() != p.Sockets() {
		t.Fatalf("machines look for the gateway in %s, not %s", p.Sockets(), q.Sockets())
	}
}

func TestTerminatedHostEndsItsMachines(t *testing.T) {
	p := openTest(t, testData(t))
	m := testMachine(t, p, "m")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.HostPID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case e := <-p.Exits():
		if e.ID != "m" {
			t.Fatal(e)
		}
	case <-ctx.Done():
		t.Fatal("no news of the machine")
	}
}

func TestOtherRangeIsRefused(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "idmap.json"), []byte(`{"first":700000,"count":65536,"owner":4711}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), testConfig(t, data))
	if err == nil || !strings.Contains(err.Error(), "700000 to 765535") || !strings.Contains(err.Error(), "another folder") {
		t.Fatalf("Open: %v", err)
	}
}

func TestBadMachinesAreRefused(t *testing.T) {
	p := openTest(t, testData(t))
	good := testMachine(t, p, "m")
	for name, change := range map[string]func(*provider.Machine){
		"empty id":     func(m *provider.Machine) { m.ID = "" },
		"id upwards":   func(m *provider.Machine) { m.ID = "../x" },
		"no boot id":   func(m *provider.Machine) { m.BootID = "" },
		"no tree":      func(m *provider.Machine) { m.Tree.Dirs = nil },
		"no disk":      func(m *provider.Machine) { m.Disk.Path = "" },
		"bad bind":     func(m *provider.Machine) { m.Tree.Binds = []string{"usr"} },
		"no such bind": func(m *provider.Machine) { m.Tree.Binds = []string{"/root"} },
		"long name":    func(m *provider.Machine) { m.Hostname = strings.Repeat("x", 70) },
	} {
		m := good
		change(&m)
		if err := p.Create(t.Context(), m); err == nil {
			t.Errorf("%s: Create must fail", name)
		}
	}
	if left := leftOver(t, p); len(left) > 0 {
		t.Fatalf("left over: %q", left)
	}
}

func TestOpenWithoutAgent(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.Agent = filepath.Join(config.DataDir, "no-agent")
	if p, err := Open(t.Context(), config); err == nil {
		p.Close(false)
		t.Fatal("Open without an agent must fail")
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if found := glob(t, RunDirFor(config.DataDir)+"*"); len(found) > 0 {
		t.Fatalf("a failed Open left %q", found)
	}
}

func TestWorkerCancelled(t *testing.T) {
	p := openTest(t, testData(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if err := p.Worker().Mkdir(ctx, filepath.Join(p.config.DataDir, "disks", "x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Mkdir: %v", err)
	}
}

// children are the processes whose parent is pid.
func children(t testing.TB, pid int) []int {
	t.Helper()
	var found []int
	for _, file := range glob(t, "/proc/[0-9]*/stat") {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var id, parent int
		var state string
		head, tail, _ := strings.Cut(string(text), " (")
		_, tail, _ = strings.Cut(tail, ") ")
		fmt.Sscan(head, &id)
		fmt.Sscan(tail, &state, &parent)
		if parent == pid {
			found = append(found, id)
		}
	}
	return found
}
