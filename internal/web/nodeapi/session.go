package nodeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/hashicorp/yamux"

	"millpond/internal/job"
	"millpond/internal/node/wire"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// session is one agent's connection.
type session struct {
	g     *Gateway
	node  string
	boot  string
	epoch int64
	mux   *yamux.Session
	conn  *wire.Conn

	mu    sync.Mutex
	out   []wire.Frame
	ready chan struct{} // holds one token while out has frames
	done  chan struct{}
	once  sync.Once
}

// greet reads the hello, asks the agents' side what it means, and welcomes or
// refuses. Orders can come only after the welcome is on its way.
func (g *Gateway) greet(ctx context.Context, mux *yamux.Session, control net.Conn) (*session, error) {
	conn := wire.NewConn(control)
	first, err := conn.Receive()
	if err != nil {
		return nil, err
	}
	h := first.Hello
	if h == nil {
		return nil, errors.New("the first frame is no hello")
	}
	if h.Version < wire.Version-1 || h.Version > wire.Version {
		refusal := fmt.Sprintf("the service speaks wire versions %d and %d, the agent %d", wire.Version-1, wire.Version, h.Version)
		return nil, errors.Join(errors.New(refusal), conn.Send(wire.Frame{Welcome: &wire.Welcome{Refused: refusal}}))
	}
	r, err := g.agents.Hello(ctx, job.Greeting{NodeUID: h.NodeUID, BootID: h.BootID, Token: h.Token,
		AgentVersion: clip(h.AgentVersion, maxWord), OSRelease: clip(h.OSReleaseSHA256, maxWord), OSName: clip(h.PrettyName, maxWord), Held: heldOf(h.Held)})
	if err != nil {
		return nil, err
	}
	if r.Refused != "" {
		return nil, errors.Join(errors.New(r.Refused), conn.Send(wire.Frame{Welcome: &wire.Welcome{Refused: r.Refused}}))
	}
	s := &session{g: g, node: h.NodeUID, boot: h.BootID, epoch: r.Epoch, mux: mux, conn: conn,
		ready: make(chan struct{}, 1), done: make(chan struct{})}
	s.send(wire.Frame{Welcome: g.welcome(r)})
	if len(r.Resend) > 0 {
		s.send(wire.Frame{Assign: tasksOf(r.Resend)})
	}
	if r.Start != nil {
		s.send(wire.Frame{Assign: []wire.Task{startOf(s.node, *r.Start)}})
	}
	if err := g.enter(s); err != nil {
		return nil, err
	}
	go s.write()
	if r.SSHPort != 0 || r.OpenSSH {
		host, port, err := g.OpenSSH(ctx, s.node, r.SSHPort)
		if err == nil && r.OpenSSH {
			err = g.agents.SSHAt(ctx, s.node, host, port)
		}
		if err != nil {
			g.Log.Warn("SSH port", "node", s.node, "error", err)
		}
	}
	g.agents.Ready(s.node)
	return s, nil
}

func (g *Gateway) welcome(r job.Reception) *wire.Welcome {
	w := &wire.Welcome{Epoch: r.Epoch, Version: wire.Version, Account: r.Account, Users: usersOf(r.Users)}
	for _, f := range r.Forget {
		w.Forget = append(w.Forget, wire.Held{TaskUID: f.TaskUID, Attempt: f.Attempt})
	}
	if r.Node != nil {
		w.URL = g.URL(r.Account)
		w.PoolID, w.NodeID = r.Pool.Spec.ID, r.Node.ID
		w.Dedicated, w.Slots = r.Node.Dedicated, r.Node.Slots
	}
	return w
}

// send queues a frame; it never waits for the agent. Of acks that wait only the
// last is kept, so that one who reports and never reads cannot fill the queue.
func (s *session) send(f wire.Frame) {
	s.mu.Lock()
	if n := len(s.out); n > 0 && f.Ack > 0 && s.out[n-1].Ack > 0 {
		s.out[n-1] = f
	} else {
		s.out = append(s.out, f)
	}
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *session) write() {
	defer s.end()
	for {
		select {
		case <-s.ready:
		case <-s.done:
			return
		}
		s.mu.Lock()
		frames := merge(s.out)
		s.out = nil
		s.mu.Unlock()
		for _, f := range frames {
			if err := s.conn.Send(f); err != nil {
				return
			}
		}
	}
}

// merge joins neighbouring assignments and drops all but the last of
// neighbouring acks, so that a busy session sends few frames.
func merge(frames []wire.Frame) []wire.Frame {
	var out []wire.Frame
	for _, f := range frames {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if len(f.Assign) > 0 && len(last.Assign) > 0 {
				last.Assign = append(last.Assign, f.Assign...)
				continue
			}
			if f.Ack > 0 && last.Ack > 0 {
				last.Ack = f.Ack
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// listen takes frames until the session ends. Reports are acked when stored.
func (s *session) listen(ctx context.Context) error {
	for {
		f, err := s.conn.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if len(f.Reports) == 0 {
			continue
		}
		if len(f.Reports) > wire.MaxReports {
			return fmt.Errorf("%d reports in one frame", len(f.Reports))
		}
		tasks, start, last := newsOf(s.node, f.Reports)
		if err := s.g.agents.News(ctx, s.node, s.boot, tasks, start); err != nil {
			return err // not stored, not acked: the agent repeats them at its next hello
		}
		s.send(wire.Frame{Ack: last})
	}
}

func (s *session) end() {
	s.once.Do(func() {
		close(s.done)
		_ = s.mux.Close()
	})
}

func heldOf(held []wire.Held) []job.Held {
	var out []job.Held
	for _, h := range held {
		out = append(out, job.Held{TaskUID: h.TaskUID, Attempt: h.Attempt, Ended: h.Ended})
	}
	return out
}

func newsOf(node string, reports []wire.Report) (tasks []job.News, start []pool.StartNews, last int64) {
	for _, r := range reports {
		last = max(last, r.Seq)
		at, started, ended := timeOf(r.At), timeOf(r.Started), r.Event == wire.EventEnded
		if r.Kind == wire.KindStart {
			start = append(start, pool.StartNews{Attempt: r.Attempt, Ended: ended, At: at, Started: started,
				ExitCode: r.ExitCode, Failure: failureOf(r.Failure)})
			continue
		}
		tasks = append(tasks, job.News{TaskUID: r.TaskUID, Attempt: r.Attempt, NodeUID: node, Ended: ended,
			At: at, Started: started, ExitCode: r.ExitCode, Failure: failureOf(r.Failure)})
	}
	return tasks, start, last
}

// What an agent says is stored and shown, and whoever has root's rights in a
// node can say it in the agent's place. These bound it, far above what an agent
// needs.
const (
	maxWord    = 128  // bytes of a code or a version
	maxText    = 4096 // bytes of a message
	maxDetails = 16
	lastTick   = 3_155_378_975_999_999_999 // the end of year 9999, the last that prints
)

func clip(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// timeOf is 0, "not said", for what is no time a client could be shown.
func timeOf(tick int64) resource.Ticks {
	if tick < 0 || tick > lastTick {
		return 0
	}
	return resource.Ticks(tick)
}

func failureOf(f *wire.Failure) *pool.Failure {
	if f == nil {
		return nil
	}
	out := &pool.Failure{Category: clip(f.Category, maxWord), Code: clip(f.Code, maxWord), Message: clip(f.Message, maxText)}
	for _, d := range f.Details[:min(len(f.Details), maxDetails)] {
		out.Details = append(out.Details, [2]string{clip(d.Name, maxWord), clip(d.Value, maxText)})
	}
	return out
}

func usersOf(users []job.Login) []wire.NodeUser {
	var out []wire.NodeUser
	for _, u := range users {
		out = append(out, wire.NodeUser{Name: u.Name, Admin: u.Admin, PasswordHash: u.PasswordHash,
			SSHKeys: u.SSHKeys, Expiry: int64(u.Expiry), Login: u.Login, UID: u.UID, GID: u.GID})
	}
	return out
}
