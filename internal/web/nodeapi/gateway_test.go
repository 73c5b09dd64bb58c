package nodeapi

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/node/wire"
	"millpond/internal/pool"
)

// service is the far side of job.Agents: it welcomes everybody, with epochs
// that rise, and notes what it hears.
type service struct {
	mu     sync.Mutex
	epoch  int64
	resend []job.Assignment
	port   int
	ready  chan string
	gone   chan int64
	news   chan []job.News
}

func (s *service) Hello(_ context.Context, g job.Greeting) (job.Reception, error) {
	if g.Token != "secret" {
		return job.Reception{Refused: "a stranger"}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	return job.Reception{Epoch: s.epoch, Account: "acct", Resend: s.resend, SSHPort: s.port,
		Node: &pool.Node{ID: "tvm"}, Pool: &pool.Pool{Spec: pool.Spec{ID: "p"}}}, nil
}
func (s *service) Ready(uid string)                                 { s.ready <- uid }
func (s *service) SSHAt(context.Context, string, string, int) error { return nil }
func (s *service) Gone(_ string, epoch int64)                       { s.gone <- epoch }
func (s *service) News(_ context.Context, _, _ string, tasks []job.News, _ []pool.StartNews) error {
	s.news <- tasks
	return nil
}

type world struct {
	t *testing.T
	*service
	g    *Gateway
	path string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "g.sock"),
		service: &service{ready: make(chan string, 16), gone: make(chan int64, 16), news: make(chan []job.News, 16)}}
	w.g = New(Config{Log: slog.New(slog.DiscardHandler), URL: func(a string) string { return "https://x/batch/" + a },
		SSHHost: "127.0.0.1", SSHFirst: 21000})
	l, err := net.Listen("unix", w.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.g.Serve(ctx, l, w.service) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// agent is a machine's end of a session.
type agent struct {
	mux     *yamux.Session
	frames  *wire.Conn
	welcome *wire.Welcome
}

func (w *world) dial(h wire.Hello) *agent {
	w.t.Helper()
	conn, err := net.Dial("unix", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	mux, err := yamux.Client(conn, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = mux.Close() })
	control, err := mux.OpenStream()
	if err != nil {
		w.t.Fatal(err)
	}
	a := &agent{mux: mux, frames: wire.NewConn(control)}
	if err := a.frames.Send(wire.Frame{Hello: &h}); err != nil {
		w.t.Fatal(err)
	}
	f, err := a.frames.Receive()
	if err != nil || f.Welcome == nil {
		w.t.Fatalf("%+v %v", f, err)
	}
	a.welcome = f.Welcome
	return a
}

func hello() wire.Hello {
	return wire.Hello{Version: wire.Version, NodeUID: "n", BootID: "b", Token: "secret"}
}

func TestStrangersAndOldVersionsAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change  func(*wire.Hello)
		refused bool
	}{
		"ours":            {func(*wire.Hello) {}, false},
		"one older":       {func(h *wire.Hello) { h.Version-- }, false},
		"two older":       {func(h *wire.Hello) { h.Version -= 2 }, true},
		"newer":           {func(h *wire.Hello) { h.Version++ }, true},
		"another's token": {func(h *wire.Hello) { h.Token = "guess" }, true},
	} {
		h := hello()
		c.change(&h)
		if a := w.dial(h); (a.welcome.Refused != "") != c.refused {
			t.Errorf("%s: refused %q", name, a.welcome.Refused)
		}
	}
}

// What the service gave out before the welcome follows it; orders come in order.
func TestOrdersFollowTheWelcome(t *testing.T) {
	w := newWorld(t)
	one := job.Assignment{Task: &job.Task{UID: "t", Attempt: 3, Spec: job.TaskSpec{ID: "T"}}, Job: &job.Job{Spec: job.Spec{ID: "j"}}}
	w.resend = []job.Assignment{one}
	a := w.dial(hello())
	if a.welcome.Epoch != 1 || a.welcome.PoolID != "p" || a.welcome.URL != "https://x/batch/acct" {
		t.Errorf("%+v", a.welcome)
	}
	f, err := a.frames.Receive()
	if err != nil || len(f.Assign) != 1 || f.Assign[0].UID != "t" || f.Assign[0].Attempt != 3 {
		t.Fatalf("%+v %v", f, err)
	}
	<-w.ready
	if err := w.g.Cancel("n", "t", 3, ""); err != nil {
		t.Fatal(err)
	}
	if f, err = a.frames.Receive(); err != nil || len(f.Cancel) != 1 {
		t.Fatalf("%+v %v", f, err)
	}
	if err := w.g.Assign("another", nil); !fault.Is(err, "NodeNotReady") {
		t.Error(err)
	}
}

// A report is acked when it is stored.
func TestReportsAreAcked(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	code := 0
	if err := a.frames.Send(wire.Frame{Reports: []wire.Report{
		{Seq: 8, TaskUID: "t", Attempt: 1, Kind: wire.KindTask, Event: wire.EventStarted},
		{Seq: 9, TaskUID: "t", Attempt: 1, Kind: wire.KindTask, Event: wire.EventEnded, ExitCode: &code},
	}}); err != nil {
		t.Fatal(err)
	}
	if got := <-w.news; len(got) != 2 || got[0].Ended || !got[1].Ended || got[1].NodeUID != "n" {
		t.Errorf("%+v", got)
	}
	if f, err := a.frames.Receive(); err != nil || f.Ack != 9 {
		t.Errorf("%+v %v", f, err)
	}
}

// A second session of a node ends the first; of the first's end nothing is told
// that would be taken for the second's.
func TestSecondSessionEndsTheFirst(t *testing.T) {
	w := newWorld(t)
	first := w.dial(hello())
	<-w.ready
	second := w.dial(hello())
	<-w.ready
	if _, err := first.frames.Receive(); err == nil {
		t.Error("the first session goes on")
	}
	if err := w.g.Cancel("n", "t", 1, ""); err != nil {
		t.Fatal(err)
	}
	if f, err := second.frames.Receive(); err != nil || len(f.Cancel) != 1 {
		t.Fatalf("%+v %v", f, err)
	}
	w.g.Drop("n")
	if epoch := <-w.gone; epoch != 2 {
		t.Errorf("gone: epoch %d", epoch)
	}
	if _, err := second.frames.Receive(); err == nil {
		t.Error("the second session goes on")
	}
}

// A client that gives up is not kept by an agent that hangs.
func TestRequestsToAHangingAgentEnd(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	<-w.ready
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := w.g.StatFile(ctx, "n", "f")
		asked <- err
	}()
	if _, err := a.mux.AcceptStream(); err != nil { // and never an answer
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-asked:
		if !fault.Is(err, "NodeNotReady") {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the request goes on")
	}
}

// The SSH port is the node's as long as its row has it, and closed with the node.
func TestSSHPortIsKeptAndClosed(t *testing.T) {
	w := newWorld(t)
	taken, err := net.Listen("tcp", "127.0.0.1:21000")
	if err == nil { // else somebody else has it, which does as well
		defer taken.Close()
	}
	w.dial(hello())
	<-w.ready
	host, number, err := w.g.OpenSSH(t.Context(), "n", 0)
	if err != nil || number <= 21000 {
		t.Fatal(number, err)
	}
	if _, again, err := w.g.OpenSSH(t.Context(), "n", 0); err != nil || again != number {
		t.Fatal(again, err)
	}
	address := (&net.TCPAddr{IP: net.ParseIP(host), Port: number}).String()
	if conn, err := net.Dial("tcp", address); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	w.g.Drop("n")
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
	<-w.gone
	w.mu.Lock()
	w.port = number
	w.mu.Unlock()
	w.dial(hello())
	<-w.ready
	if _, again, err := w.g.OpenSSH(t.Context(), "n", 0); err != nil || again != number {
		t.Errorf("after the next hello: port %d, was %d: %v", again, number, err)
	}
}
