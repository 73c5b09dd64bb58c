package nodeapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"millpond/internal/fault"
	"millpond/internal/node/wire"
)

// Who may reach the socket may open connections without end; the service keeps
// few of one machine.
func TestStrangersOfOneMachineAreFew(t *testing.T) {
	w := newWorld(t)
	for i := range strangersEach + 1 {
		c, err := net.Dial("unix", w.path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i < strangersEach {
			continue
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("one too many: %v", err)
		}
	}
}

// A place that is left is free again, not at once, and leaving twice frees one.
func TestStrangersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &strangers{}
		one, other := net.Pipe() // of no machine that can be told
		defer one.Close()
		defer other.Close()
		var leave func()
		for range strangersUnseen {
			l, ok := s.enter(one)
			if !ok {
				t.Fatal("refused too early")
			}
			leave = l
		}
		leave()
		leave()
		if _, ok := s.enter(one); ok {
			t.Error("who comes and goes quickly is not held up")
		}
		<-time.After(strangersHold) // by the bubble's clock
		synctest.Wait()
		if _, ok := s.enter(one); !ok {
			t.Error("the place that was left is taken")
		}
		if _, ok := s.enter(one); ok {
			t.Error("one place was freed twice")
		}
	})
}

// full fails once, as a process does that has no descriptor left.
type full struct {
	net.Listener
	failed bool
	again  chan struct{}
	end    chan struct{}
}

func (f *full) Accept() (net.Conn, error) {
	if !f.failed {
		f.failed = true
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	close(f.again)
	<-f.end
	return nil, net.ErrClosed
}

func (f *full) Close() error { close(f.end); return nil }

// A service that cannot take one connection goes on with the next.
func TestAWantOfDescriptorsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &full{again: make(chan struct{}), end: make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- New(Config{Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l, nil) }()
		<-l.again
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Reports are bounded in number and size: they are stored, and shown.
func TestReportsAreBounded(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	<-w.ready
	long := strings.Repeat("x", 1<<20)
	if err := a.frames.Send(wire.Frame{Reports: []wire.Report{{
		Seq: 1, TaskUID: "t", Attempt: 1, Kind: wire.KindTask, Event: wire.EventEnded, At: -5, Started: 1 << 62,
		Failure: &wire.Failure{Category: long, Code: long, Message: long + "\xff", Details: make([]wire.Pair, 100)},
	}}}); err != nil {
		t.Fatal(err)
	}
	got := (<-w.news)[0]
	if got.At != 0 || got.Started != 0 || len(got.Failure.Category) > maxWord || len(got.Failure.Code) > maxWord ||
		len(got.Failure.Message) > maxText || len(got.Failure.Details) > maxDetails {
		t.Errorf("at %d, started %d, texts of %d, %d, %d bytes, %d details", got.At, got.Started,
			len(got.Failure.Category), len(got.Failure.Code), len(got.Failure.Message), len(got.Failure.Details))
	}
	if f, err := a.frames.Receive(); err != nil || f.Ack != 1 {
		t.Errorf("%+v %v", f, err)
	}
	// The session may end before Send has seen its frame off.
	_ = a.frames.Send(wire.Frame{Reports: make([]wire.Report, wire.MaxReports+1)})
	if f, err := a.frames.Receive(); err == nil {
		t.Errorf("the session goes on: %+v", f)
	}
}

// Acks that nobody reads do not pile up.
func TestAcksDoNotPileUp(t *testing.T) {
	s := &session{ready: make(chan struct{}, 1)}
	for i := range 100 {
		s.send(wire.Frame{Ack: int64(i + 1)})
	}
	if len(s.out) != 1 || s.out[0].Ack != 100 {
		t.Errorf("%d frames wait", len(s.out))
	}
}

// One who took an agent's place cannot speak for the service.
func TestAnAgentsRefusalsAreItsOwn(t *testing.T) {
	for code, want := range map[string]string{"FileNotFound": "FileNotFound", "AuthenticationFailed": "NodeNotReady", "": "NodeNotReady"} {
		if err := refused(&wire.StreamError{Code: code, Message: "m"}); !fault.Is(err, want) {
			t.Errorf("%q: %v", code, err)
		}
	}
}
