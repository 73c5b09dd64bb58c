package local

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/layer"
	"millpond/internal/provider"
	"millpond/internal/provider/providertest"
)

func TestSuite(t *testing.T) { providertest.Run(t, openFixture) }

func openFixture(t *testing.T) *providertest.Fixture {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	f := &providertest.Fixture{Provider: p}
	f.Machine = func(t *testing.T, id string) provider.Machine { return testMachine(t, p, id) }
	f.Started = func(t *testing.T, m provider.Machine) { g.enter(t, m) }
	f.Write = func(t *testing.T, m provider.Machine, path, text string) { g.enter(t, m).do(t, "write", path, text) }
	f.Read = func(t *testing.T, m provider.Machine, path string) string {
		return g.enter(t, m).do(t, "read", path, "")
	}
	f.Exit = func(t *testing.T, m provider.Machine) {
		if _, err := g.enter(t, m).try("exit", "", ""); err == nil {
			t.Fatal("the machine answered its own end")
		}
	}
	f.Reopen = func(t *testing.T) provider.Provider {
		if err := p.Close(true); err != nil {
			t.Fatal(err)
		}
		p = openTest(t, p.config.DataDir)
		return p
	}
	f.Left = func(t *testing.T) []string { return leftOver(t, p) }
	return f
}

// testData is a data folder that goes away with what is in it.
func testData(t *testing.T) string {
	t.Helper()
	data, err := os.MkdirTemp("", "millpond-test-")
	if err != nil {
		t.Fatal(err)
	}
	config := testConfig(t, data)
	t.Cleanup(func() {
		if err := Erase(context.Background(), config); err != nil {
			t.Error(err)
		}
	})
	return data
}

// testConfig logs into the test's output.
func testConfig(t *testing.T, data string) Config {
	return Config{
		DataDir: data, Millpond: os.Args[0], Agent: testAgent,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func openTest(t *testing.T, data string) *Provider {
	t.Helper()
	return openWith(t, testConfig(t, data))
}

func openWith(t *testing.T, config Config) *Provider {
	t.Helper()
	p, err := Open(t.Context(), config)
	if err != nil {
		showHostLog(t, config.DataDir)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(false); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			showHostLog(t, config.DataDir)
		}
	})
	return p
}

func showHostLog(t *testing.T, data string) {
	if text, err := os.ReadFile(filepath.Join(data, "node-host.log")); err == nil {
		t.Logf("node host:\n%s", text)
	}
}

// testMachine prepares a machine over a small tree. No program is in it: the
// agent comes from outside.
func testMachine(t testing.TB, p *Provider, id string) provider.Machine {
	t.Helper()
	data := p.config.DataDir
	m := provider.Machine{
		ID: id, BootID: id + "-1", Token: "secret-of-" + id, Role: "node", Hostname: "host-" + id, IP: "127.0.0.2",
		Tree:  layer.Tree{Root: filepath.Join(data, "regions", "r"), Dirs: []string{"base"}},
		Disk:  layer.Disk{Path: filepath.Join(data, "disks", id)},
		State: filepath.Join(data, "nodes", id),
		Size:  provider.Size{Cores: 1, MemoryMiB: 128},
	}
	w := p.Worker()
	for _, dir := range []string{"etc", "usr/share/doc/thing", "tmp", "proc", "sys", "dev", "run"} {
		if err := w.Mkdir(t.Context(), filepath.Join(m.Tree.Root, "base", dir)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Clone(t.Context(), m.Disk); err != nil {
		t.Fatal(err)
	}
	if err := w.Mkdir(t.Context(), m.State); err != nil {
		t.Fatal(err)
	}
	return m
}

// leftOver names what machines and, when it has ended, the node host left.
func leftOver(t *testing.T, p *Provider) []string {
	t.Helper()
	var left []string
	host := p.HostPID()
	for _, dir := range glob(t, "/proc/[0-9]*") {
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		if host > 0 && bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", host)) {
			left = append(left, "process "+filepath.Base(dir))
		}
	}
	mounts := []string{"/proc/self/mountinfo"}
	if host > 0 {
		mounts = append(mounts, fmt.Sprintf("/proc/%d/mountinfo", host))
	}
	for _, file := range mounts {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "- overlay") && strings.Contains(line, p.config.DataDir) {
				left = append(left, "mount "+line)
			}
		}
	}
	found := findCgroups()
	for _, base := range []string{found.v2, found.cpu, found.memory} {
		if base == "" {
			continue
		}
		left = append(left, glob(t, filepath.Join(base, p.name, "m-*"))...)
		if host == 0 {
			left = append(left, glob(t, filepath.Join(base, p.name))...)
		}
	}
	if host == 0 {
		left = append(left, glob(t, p.config.RunDir)...)
	}
	return left
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
