package node

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"millpond/internal/node/wire"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == sftpArgument {
		os.Exit(serveSFTP())
	}
	if len(os.Args) == 4 && os.Args[1] == pidOneArgument {
		os.Exit(servePidOne(os.Args[2], os.Args[3]))
	}
	unignore()
	os.Exit(m.Run())
}

// patience bounds every wait of these tests; nothing takes a tenth of it.
const patience = 20 * time.Second

// service is the far end of the agent's protocol.
type service struct {
	t       testing.TB
	socket  string
	listen  net.Listener
	mu      sync.Mutex
	welcome wire.Welcome
	calls   chan *call
}

// call is one connection of the agent.
type call struct {
	t       testing.TB
	mux     *yamux.Session
	frames  *wire.Conn
	hello   wire.Hello
	reports chan wire.Report
	pongs   chan int64
	ended   chan struct{}
}

func newService(t testing.TB) *service {
	s := &service{
		t: t, socket: filepath.Join(t.TempDir(), "s"), calls: make(chan *call, 8),
		welcome: wire.Welcome{
			Epoch: 1, Version: wire.Version, Account: "acc", URL: "https://acc.local", PoolID: "pool",
			NodeID: "tvmps_1_d", Dedicated: true, Slots: 4,
		},
	}
	s.up()
	t.Cleanup(func() { s.listen.Close() })
	return s
}

// say changes the welcome of the calls to come.
func (s *service) say(change func(*wire.Welcome)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.welcome)
}

func (s *service) up() {
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listen = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.receive(conn)
		}
	}()
}

func (s *service) receive(conn net.Conn) {
	mux, err := yamux.Server(conn, muxConfig())
	if err != nil {
		s.t.Error(err)
		return
	}
	control, err := mux.AcceptStream()
	if err != nil {
		return
	}
	c := &call{t: s.t, mux: mux, frames: wire.NewConn(control), reports: make(chan wire.Report, 100_000), pongs: make(chan int64, 9), ended: make(chan struct{})}
	first, err := c.frames.Receive()
	if err != nil {
		return // an agent that was ended while it called
	}
	if first.Hello == nil {
		s.t.Errorf("first frame %+v", first)
		return
	}
	c.hello = *first.Hello
	s.mu.Lock()
	w := s.welcome
	s.mu.Unlock()
	if err := c.frames.Send(wire.Frame{Welcome: &w}); err != nil {
		return
	}
	go func() {
		defer close(c.ended)
		for {
			f, err := c.frames.Receive()
			if err != nil {
				return
			}
			if f.Pong != nil {
				c.pongs <- f.Pong.N
			}
			for _, r := range f.Reports {
				c.reports <- r
			}
		}
	}()
	s.calls <- c
}

func (s *service) call() *call {
	s.t.Helper()
	select {
	case c := <-s.calls:
		s.t.Cleanup(func() { c.mux.Close() })
		return c
	case <-time.After(patience):
		s.t.Fatal("the agent does not call")
		return nil
	}
}

func (c *call) send(f wire.Frame) {
	c.t.Helper()
	if err := c.frames.Send(f); err != nil {
		c.t.Fatal(err)
	}
}

// report gives the next report.
func (c *call) report() wire.Report {
	c.t.Helper()
	select {
	case r := <-c.reports:
		return r
	case <-time.After(patience):
		c.t.Fatal("no report came")
		return wire.Report{}
	}
}

// end gives the next end report, passing over starts.
func (c *call) end() wire.Report {
	c.t.Helper()
	for {
		if r := c.report(); r.Event == wire.EventEnded {
			return r
		}
	}
}

// stream opens a stream and asks.
func (c *call) stream(o wire.Open) (*wire.Stream, wire.Opened, error) {
	c.t.Helper()
	raw, err := c.mux.OpenStream()
	if err != nil {
		c.t.Fatal(err)
	}
	s := wire.NewStream(raw)
	opened, err := s.Ask(o)
	return s, opened, err
}

// machine is an agent in this process over a throw-away root.
type machine struct {
	*agent
	done chan int
}

const osReleaseText = "NAME=x\nPRETTY_NAME=\"Pond 1\"\n"

// fillRoot makes the little of a machine's root that the agent looks at.
func fillRoot(t testing.TB, base string) {
	t.Helper()
	for _, dir := range []string{"etc", "state", "home"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "etc/os-release"), osReleaseText)
	if _, err := os.Stat(filepath.Join(base, "etc/passwd")); err != nil {
		write(t, filepath.Join(base, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n")
		write(t, filepath.Join(base, "etc/group"), "root:x:0:\nubuntu:x:1000:\nvideo:x:44:ubuntu\n")
		write(t, filepath.Join(base, "etc/shadow"), "root:*:19000:0:99999:7:::\n")
	}
}

// startAgent starts an agent; base may be that of an earlier one.
func startAgent(t testing.TB, s *service, base string) *machine {
	t.Helper()
	fillRoot(t, base)
	state, err := os.OpenRoot(filepath.Join(base, "state"))
	if err != nil {
		t.Fatal(err)
	}
	boot := wire.Boot{NodeUID: "node-uid", BootID: "boot-1", Token: "secret", Role: wire.RoleNode}
	a, err := newAgent(boot, base, filepath.Join(base, "tasks"), s.socket, state)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{agent: a, done: make(chan int, 1)}
	go func() { m.done <- a.serve() }()
	t.Cleanup(m.end)
	return m
}

func (m *machine) end() {
	m.exit(0, nil)
	code := <-m.done
	m.done <- code
}

// base is a folder every user may pass through; t.TempDir's parents are root's.
func base(t testing.TB) string {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func task(id, command string) wire.Task {
	return wire.Task{
		UID: "uid-" + id, Attempt: 1, Kind: wire.KindTask, JobID: "job", ID: id,
		Dir: "workitems/job/job-1/" + id, CommandLine: command, Slots: 1,
	}
}

func shell(id, script string) wire.Task {
	return task(id, "/bin/sh -c '"+strings.ReplaceAll(script, "'", `'"'"'`)+"'")
}
