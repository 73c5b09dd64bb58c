package nodeapi

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"

	"millpond/internal/fault"
)

// port is a node's SSH port: what connects is carried to the agent's SSH
// server over a stream of its session.
type port struct {
	l      net.Listener
	number int
	mu     sync.Mutex
	conns  map[net.Conn]bool
}

// portTries is how far from the first port a free one is looked for.
const portTries = 10_000

// OpenSSH opens the node's SSH port, or finds it open, and gives the address
// clients use. The port is chosen by binding: want first, then upward from the
// configured first port, because any of them may be taken.
func (g *Gateway) OpenSSH(_ context.Context, nodeUID string, want int) (string, int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return "", 0, net.ErrClosed
	}
	if p := g.ports[nodeUID]; p != nil {
		return g.SSHHost, p.number, nil
	}
	taken := map[int]bool{}
	for _, p := range g.ports {
		taken[p.number] = true
	}
	try := func(n int) bool {
		if n <= 0 || n > 65535 || taken[n] {
			return false
		}
		l, err := net.Listen("tcp", net.JoinHostPort(g.SSHHost, strconv.Itoa(n)))
		if err != nil {
			return false
		}
		p := &port{l: l, number: n, conns: map[net.Conn]bool{}}
		g.ports[nodeUID] = p
		go p.accept(g, nodeUID)
		return true
	}
	if try(want) {
		return g.SSHHost, want, nil
	}
	for n := g.SSHFirst; n < g.SSHFirst+portTries; n++ {
		if try(n) {
			return g.SSHHost, n, nil
		}
	}
	return "", 0, fault.Newf("InternalError", "").Because(errNoPort)
}

var errNoPort = &net.AddrError{Err: "no free port for SSH", Addr: ""}

// CloseSSH closes the node's port and every connection through it.
func (g *Gateway) CloseSSH(nodeUID string) {
	g.mu.Lock()
	p := g.ports[nodeUID]
	delete(g.ports, nodeUID)
	g.mu.Unlock()
	if p != nil {
		p.close()
	}
}

func (p *port) accept(g *Gateway, nodeUID string) {
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[conn] = true
		p.mu.Unlock()
		go func() {
			defer func() {
				p.mu.Lock()
				delete(p.conns, conn)
				p.mu.Unlock()
				_ = conn.Close()
			}()
			p.carry(g, nodeUID, conn)
		}()
	}
}

// carry copies both ways until either side ends.
func (p *port) carry(g *Gateway, nodeUID string, conn net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	inner, err := g.dialSSH(ctx, nodeUID)
	if err != nil {
		g.Log.Debug("SSH", "node", nodeUID, "error", err)
		return
	}
	defer inner.Close()
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(inner, conn); done <- struct{}{} }()
	go func() { _, _ = io.Copy(conn, inner); done <- struct{}{} }()
	<-done
}

func (p *port) close() {
	_ = p.l.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}
