package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/hashicorp/yamux"

	"millpond/internal/node/wire"
)

// The wait between attempts to reach the service; it doubles, for ever.
const (
	backoffFirst = 10 * time.Millisecond
	backoffLast  = time.Second
)

var (
	errRefused = errors.New("the service refused this agent")
	errStale   = errors.New("the service that answered has been followed by another")
	errNoHello = errors.New("the service did not begin with a welcome")
)

// serve keeps a session with the service until something ends the agent.
func (a *agent) serve() int {
	go a.outbox.run(a.stop)
	wait := backoffFirst
	for {
		conn, err := new(net.Dialer).DialContext(context.Background(), "unix", a.socket)
		if err == nil {
			var welcomed bool
			welcomed, err = a.session(conn)
			if welcomed {
				wait = backoffFirst
			}
			if errors.Is(err, errRefused) {
				a.exit(exitRefused, err)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-a.stop:
			timer.Stop()
			return a.code
		case <-timer.C:
		}
		wait = min(2*wait, backoffLast)
	}
}

// session speaks over one connection until it ends. The connection is a yamux
// session whose first stream, opened here, carries the control frames; the
// service opens the others.
func (a *agent) session(conn net.Conn) (welcomed bool, err error) {
	mux, err := yamux.Client(conn, muxConfig())
	if err != nil {
		conn.Close()
		return false, err
	}
	defer mux.Close()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-a.stop:
			mux.Close()
		case <-ended:
		}
	}()
	control, err := mux.OpenStream()
	if err != nil {
		return false, err
	}
	frames := wire.NewConn(control)
	if err := frames.Send(wire.Frame{Hello: a.hello()}); err != nil {
		return false, err
	}
	first, err := frames.Receive()
	if err != nil {
		return false, err
	}
	w := first.Welcome
	switch {
	case w == nil:
		return false, errNoHello
	case w.Refused != "":
		return false, fmt.Errorf("%w: %s", errRefused, w.Refused)
	}
	current, err := a.welcomed(w)
	if err != nil {
		a.exit(exitBroken, err)
		return false, err
	}
	if !current {
		return false, errStale
	}
	a.outbox.attach(frames, func() { mux.Close() })
	defer a.outbox.attach(nil, nil)
	go a.accept(mux)
	debug.FreeOSMemory() // what booting needed, an idle machine does not
	return true, a.control(frames, w)
}

// control obeys frames until the connection ends.
func (a *agent) control(frames *wire.Conn, w *wire.Welcome) error {
	for {
		f, err := frames.Receive()
		if err != nil {
			return err
		}
		switch {
		case f.Assign != nil:
			a.assign(f.Assign, w)
		case f.Cancel != nil:
			a.cancel(f.Cancel)
		case f.Ack != 0:
			a.outbox.ack(f.Ack)
		case f.Ping != nil:
			if err := frames.Send(wire.Frame{Pong: f.Ping}); err != nil {
				return err
			}
		}
	}
}

// muxConfig is yamux without keep-alives: both ends are on one machine, where a
// dead peer's socket says so at once, and an idle agent should not tick.
func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 30 * time.Second
	c.LogOutput = io.Discard
	return c
}

func (a *agent) accept(mux *yamux.Session) {
	for {
		stream, err := mux.AcceptStream()
		if err != nil {
			return
		}
		go a.answer(stream)
	}
}
