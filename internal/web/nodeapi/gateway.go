package nodeapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
)

// Config is what a gateway needs.
type Config struct {
	Log *slog.Logger
	// URL gives AZ_BATCH_ACCOUNT_URL of an account for tasks on nodes.
	URL func(account string) string
	// SSHHost is the address SSH ports are opened on; SSHFirst the first port
	// tried.
	SSHHost  string
	SSHFirst int
}

// Gateway holds the sessions of all agents.
type Gateway struct {
	Config
	agents    job.Agents
	strangers strangers

	mu       sync.Mutex
	sessions map[string]*session // node uid
	ports    map[string]*port    // node uid
	closed   bool
}

var _ pool.Reach = (*Gateway)(nil)

// New makes a gateway; Serve starts it, once the agents' listener is known.
func New(c Config) *Gateway {
	return &Gateway{Config: c, sessions: map[string]*session{}, ports: map[string]*port{}}
}

// helloTimeout is how long a connection may take to say who it is.
const helloTimeout = 30 * time.Second

// lingerTime is how long one that is refused may take to go.
const lingerTime = time.Second

// acceptAgain is the wait after a connection could not be accepted, most likely
// for want of a descriptor: others end, and some come free.
const acceptAgain = 20 * time.Millisecond

// Serve accepts agents on l until ctx ends.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, agents job.Agents) error {
	g.agents = agents
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer g.close()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			g.Log.Warn("agents' socket", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptAgain):
			}
			continue
		}
		known, ok := g.strangers.enter(conn)
		if !ok {
			_ = conn.Close() // an agent comes again
			continue
		}
		wg.Go(func() {
			defer known()
			if err := g.serve(ctx, conn, known); err != nil && ctx.Err() == nil {
				g.Log.Debug("agent session ended", "error", err)
			}
		})
	}
}

// serve carries one connection to its end; known is called once it said hello.
func (g *Gateway) serve(ctx context.Context, conn net.Conn, known func()) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(helloTimeout)) // network deadlines are the machine's clock
	cfg := yamux.DefaultConfig()
	cfg.EnableKeepAlive = false // a local socket tells when its peer is gone
	cfg.LogOutput = io.Discard
	mux, err := yamux.Server(conn, cfg)
	if err != nil {
		return err
	}
	defer mux.Close()
	control, err := mux.Accept()
	if err != nil {
		return err
	}
	s, err := g.greet(ctx, mux, control)
	if err != nil {
		// One that is refused must come to read it: closing at once would cut the
		// answer off. It ends the connection itself.
		_ = conn.SetDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, control)
		return err
	}
	known()
	_ = conn.SetDeadline(time.Time{})
	defer g.leave(s)
	return s.listen(ctx)
}

// enter makes s the session of its node; an older one of the same node ends.
func (g *Gateway) enter(s *session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return net.ErrClosed
	}
	if old := g.sessions[s.node]; old != nil {
		old.end()
	}
	g.sessions[s.node] = s
	return nil
}

func (g *Gateway) leave(s *session) {
	g.mu.Lock()
	current := g.sessions[s.node] == s
	if current {
		delete(g.sessions, s.node)
	}
	g.mu.Unlock()
	s.end()
	if current {
		g.agents.Gone(s.node, s.epoch)
	}
}

func (g *Gateway) session(nodeUID string) (*session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.sessions[nodeUID]; s != nil {
		return s, nil
	}
	return nil, fault.New("NodeNotReady", "The specified node is not ready: its agent is not connected.")
}

// Drop ends the session of a node and closes its SSH port.
func (g *Gateway) Drop(nodeUID string) {
	if s, err := g.session(nodeUID); err == nil {
		s.end()
	}
	g.CloseSSH(nodeUID)
}

func (g *Gateway) close() {
	g.mu.Lock()
	g.closed = true
	sessions, ports := g.sessions, g.ports
	g.sessions, g.ports = map[string]*session{}, map[string]*port{}
	g.mu.Unlock()
	for _, s := range sessions {
		s.end()
	}
	for _, p := range ports {
		p.close()
	}
}
