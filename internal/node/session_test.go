package node

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

func TestReportsAreRepeatedUntilAcked(t *testing.T) {
	s := newService(t)
	startAgent(t, s, base(t))
	c := s.call()
	c.send(wire.Frame{Assign: []wire.Task{task("a", "true"), task("b", "true")}})
	for range 4 {
		c.report()
	}
	c.send(wire.Frame{Ack: 2})
	c.send(wire.Frame{Ping: &wire.Ping{N: 1}})
	<-c.pongs // the ack before it is through
	s.listen.Close()
	c.mux.Close()
	<-c.ended
	os.Remove(s.socket)
	s.up()

	c = s.call()
	if len(c.hello.Held) > 2 || len(c.hello.Held) == 0 || !c.hello.Held[0].Ended {
		t.Errorf("held %+v", c.hello.Held)
	}
	if c.hello.Epoch != 1 {
		t.Errorf("epoch %d", c.hello.Epoch)
	}
	for want := int64(3); want <= 4; want++ {
		if r := c.report(); r.Seq != want {
			t.Errorf("repeated %d, want %d", r.Seq, want)
		}
	}
	c.send(wire.Frame{Ack: 4})
	c.send(wire.Frame{Assign: []wire.Task{task("c", "true")}})
	if r := c.report(); r.Seq != 5 || r.TaskUID != "uid-c" {
		t.Errorf("after the ack: %+v", r)
	}
}

func TestSameAttemptIsNotRunTwice(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	one := shell("a", "echo ran >> "+m.root+"/witness")
	one.User.Admin = true
	for range 3 {
		c.send(wire.Frame{Assign: []wire.Task{one, one}})
	}
	c.end()
	c.send(wire.Frame{Assign: []wire.Task{one}}) // its end is not acked yet
	c.send(wire.Frame{Assign: []wire.Task{task("b", "true")}})
	c.end()
	if got := read(t, m.root, "witness"); got != "ran\n" {
		t.Errorf("witness %q", got)
	}
}

func TestAgentRestartReportsLostAttempts(t *testing.T) {
	s := newService(t)
	dir := base(t)
	m := startAgent(t, s, dir)
	c := s.call()
	c.send(wire.Frame{Assign: []wire.Task{task("done", "true")}})
	c.end()
	c.send(wire.Frame{Ack: 2})
	c.send(wire.Frame{Assign: []wire.Task{task("long", "sleep 1000")}})
	started := c.report()
	m.end()
	<-c.ended
	m.mu.Lock()
	for _, a := range m.running { // in a machine the kernel does this when PID 1 dies
		a.stop(wire.FailEnded)
	}
	m.mu.Unlock()

	startAgent(t, s, dir)
	c = s.call()
	want := []wire.Held{{TaskUID: "uid-long", Attempt: 1, Ended: true}}
	held := c.hello.Held
	if len(held) == 2 { // the ack of the first task need not be on disk
		held = held[1:]
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Error(diff)
	}
	for {
		r := c.end()
		if r.TaskUID != "uid-long" {
			continue
		}
		if r.Failure == nil || r.Failure.Code != wire.FailLost || r.Failure.Category != "ServerError" || r.Started != started.At || r.ExitCode != nil {
			t.Errorf("%+v %+v", r, r.Failure)
		}
		if r.Seq <= started.Seq {
			t.Errorf("seq %d is not above %d", r.Seq, started.Seq)
		}
		return
	}
}

func TestForgottenAttemptsAreNotReported(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	c.send(wire.Frame{Assign: []wire.Task{shell("a", "echo $$ > pid; exec sleep 1000")}})
	c.report()
	s.say(func(w *wire.Welcome) { w.Forget = []wire.Held{{TaskUID: "uid-a", Attempt: 1}} })
	c.mux.Close()
	c = s.call()
	c.send(wire.Frame{Assign: []wire.Task{task("b", "true")}})
	if r := c.end(); r.TaskUID != "uid-b" {
		t.Errorf("%+v", r)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		m.mu.Lock()
		n := len(m.running)
		m.mu.Unlock()
		if n == 0 {
			return
		}
	}
	t.Error("the forgotten attempt runs on")
}

func TestOlderEpochIsRefused(t *testing.T) {
	s := newService(t)
	s.say(func(w *wire.Welcome) { w.Epoch = 5 })
	startAgent(t, s, base(t))
	c := s.call()
	s.say(func(w *wire.Welcome) { w.Epoch = 4 })
	c.mux.Close()
	old := s.call()
	<-old.ended
	s.say(func(w *wire.Welcome) { w.Epoch = 6 })
	for {
		c = s.call()
		if c.hello.Epoch != 5 {
			t.Fatalf("epoch %d", c.hello.Epoch)
		}
		// A call answered with 4 is hung up without running anything.
		_ = c.frames.Send(wire.Frame{Assign: []wire.Task{task("a", "true")}})
		select {
		case <-c.ended:
		case <-c.reports:
			return
		}
	}
}

func TestRefusedAgentEnds(t *testing.T) {
	s := newService(t)
	s.say(func(w *wire.Welcome) { w.Refused = "stale boot" })
	m := startAgent(t, s, base(t))
	if code := <-m.done; code != exitRefused {
		t.Errorf("exit code %d", code)
	} else {
		m.done <- code
	}
}

func TestPingAndUnknownCancel(t *testing.T) {
	s := newService(t)
	startAgent(t, s, base(t))
	c := s.call()
	c.send(wire.Frame{Ping: &wire.Ping{N: 9}})
	if n := <-c.pongs; n != 9 {
		t.Errorf("pong %d", n)
	}
	c.send(wire.Frame{Cancel: []wire.Cancel{{TaskUID: "never", Attempt: 2, Reason: wire.FailEnded}}})
	r := c.end()
	if r.TaskUID != "never" || r.Attempt != 2 || r.Failure.Message != "Task Was Ended by User Request" || r.ExitCode != nil {
		t.Errorf("%+v", r)
	}
}

func TestManyTasksShareFrames(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	const n = 300
	var tasks []wire.Task
	for i := range n {
		tasks = append(tasks, task("t"+string(rune('a'+i%26))+string(rune('a'+i/26)), "true"))
	}
	c.send(wire.Frame{Assign: tasks})
	ends := map[string]bool{}
	last := int64(0)
	for range 2 * n {
		r := c.report()
		if r.Seq != last+1 {
			t.Fatalf("seq %d after %d", r.Seq, last)
		}
		last = r.Seq
		if r.Event == wire.EventEnded {
			ends[r.TaskUID] = true
		}
	}
	if len(ends) != n {
		t.Errorf("%d ends, want %d", len(ends), n)
	}
	if _, err := os.Stat(filepath.Join(m.tasksRoot, tasks[n-1].Dir, "wd")); err != nil {
		t.Error(err)
	}
}

// A task that fills the disk costs other tasks their run, not the machine its agent.
func TestFullDisk(t *testing.T) {
	s := newService(t)
	dir := base(t)
	state := filepath.Join(dir, "state")
	if err := os.MkdirAll(state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(state, unix.MNT_DETACH) })
	startAgent(t, s, dir)
	c := s.call()
	filler := filepath.Join(state, "filler")
	err := os.WriteFile(filler, make([]byte, 128<<10), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	c.send(wire.Frame{Assign: []wire.Task{task("a", "true")}})
	c.send(wire.Frame{Ping: &wire.Ping{N: 1}})
	<-c.pongs // the agent lives, and has tried
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if end := c.end(); end.Failure == nil || end.Failure.Code != wire.FailDiskFull || end.Started != 0 {
		t.Errorf("%+v %+v", end, end.Failure)
	}
	c.send(wire.Frame{Assign: []wire.Task{task("b", "true")}})
	if end := c.end(); end.TaskUID != "uid-b" || end.Failure != nil {
		t.Errorf("%+v %+v", end, end.Failure)
	}
}
