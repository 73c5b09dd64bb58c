package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"millpond/internal/node/wire"
	"millpond/internal/provider"
)

const patience = 60 * time.Second

// gateway is the test's end of its agents' connections.
type gateway struct {
	listener net.Listener
	mu       sync.Mutex
	agents   map[string]chan *inside // by id and boot
}

// inside is one machine as its agent sees it.
type inside struct {
	boot wire.Boot
	conn net.Conn
	in   *json.Decoder
}

func listenAgents(t *testing.T, p *Provider) *gateway {
	t.Helper()
	path := filepath.Join(p.Sockets(), p.Gateway())
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Admit(path); err != nil {
		t.Fatal(err)
	}
	g := &gateway{listener: l, agents: map[string]chan *inside{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go g.meet(conn)
		}
	}()
	return g
}

func (g *gateway) meet(conn net.Conn) {
	i := &inside{conn: conn, in: json.NewDecoder(conn)}
	if i.in.Decode(&i.boot) == nil {
		g.agent(i.boot.NodeUID, i.boot.BootID) <- i
	}
}

func (g *gateway) agent(id, boot string) chan *inside {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := id + " " + boot
	if g.agents[key] == nil {
		g.agents[key] = make(chan *inside, 1)
	}
	return g.agents[key]
}

// enter waits for the machine's agent; it may be called again.
func (g *gateway) enter(t *testing.T, m provider.Machine) *inside {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := g.agent(m.ID, m.BootID)
	select {
	case i := <-c:
		c <- i
		return i
	case <-ctx.Done():
		t.Fatalf("the agent of %s (%s) did not come", m.ID, m.BootID)
		return nil
	}
}

// try gives the machine an order.
func (i *inside) try(op, path, to string) (string, error) {
	if err := json.NewEncoder(i.conn).Encode(map[string]string{"op": op, "path": path, "to": to}); err != nil {
		return "", err
	}
	var a struct{ Text, Error string }
	if err := i.in.Decode(&a); err != nil {
		return "", err
	}
	if a.Error != "" {
		return "", fmt.Errorf("in the machine: %s", a.Error)
	}
	return a.Text, nil
}

func (i *inside) do(t *testing.T, op, path, to string) string {
	t.Helper()
	text, err := i.try(op, path, to)
	if err != nil {
		t.Fatalf("%s %s %s: %v", op, path, to, err)
	}
	return text
}

// refuse gives an order that must fail with an error that has word in it.
func (i *inside) refuse(t *testing.T, op, path, to, word string) {
	t.Helper()
	text, err := i.try(op, path, to)
	if err == nil {
		t.Fatalf("%s %s: must be refused, and gave %.80q", op, path, text)
	}
	if !strings.Contains(err.Error(), word) {
		t.Fatalf("%s %s: %v, want %q", op, path, err, word)
	}
}
