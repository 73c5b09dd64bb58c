package local

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

func openTest(t *testing.T, data string) *Provider {
	t.Helper()
	p, err := Open(t.Context(), Config{
		DataDir: data, Millpond: os.Args[0], Agent: testAgent,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		if text, e := os.ReadFile(filepath.Join(data, "node-host.log")); e == nil {
			t.Logf("node host:\n%s", text)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(false); err != nil {
			t.Error(err)
		}
	})
	return p
}

func testMachine(t *testing.T, p *Provider, id string) provider.Machine {
	t.Helper()
	data := p.config.DataDir
	tree := filepath.Join(data, "regions", "r", "base")
	m := provider.Machine{
		ID: id, BootID: id + "-1", Token: "secret", Role: "node", Hostname: "host-" + id, IP: "127.0.0.2",
		Tree:  layer.Tree{Root: filepath.Dir(tree), Dirs: []string{"base"}},
		Disk:  layer.Disk{Path: filepath.Join(data, "disks", id)},
		State: filepath.Join(data, "nodes", id),
	}
	w := p.Worker()
	for _, dir := range []string{"etc", "usr/share/doc", "tmp", "proc", "sys", "dev", "run"} {
		if err := w.Mkdir(t.Context(), filepath.Join(tree, dir)); err != nil {
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

func tell(t *testing.T, m provider.Machine, order map[string]string) (text, failure string) {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(m.State, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(order); err != nil {
		t.Fatal(err)
	}
	var a struct{ Text, Error string }
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return "", err.Error()
	}
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatal(err)
	}
	return a.Text, a.Error
}

func TestFirst(t *testing.T) {
	p := openTest(t, t.TempDir())
	t.Logf("%+v", p.Capabilities())
	m := testMachine(t, p, "m1")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	t.Log(p.List(t.Context()))
}
