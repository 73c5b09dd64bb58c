package nodeapi

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/node/wire"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// serve answers every stream the service opens: asked hears the header, and
// what it gives is the answer; the bytes after it echo until the stream ends.
func (a *agent) serve(t *testing.T, asked func(wire.Open) wire.Opened) {
	t.Helper()
	go func() {
		for {
			raw, err := a.mux.AcceptStream()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				s := wire.NewStream(raw)
				o, err := s.ReceiveOpen()
				if err != nil {
					return
				}
				answer := asked(o)
				if s.SendOpened(answer) != nil || answer.Error != nil {
					return
				}
				switch {
				case o.Kind == wire.StreamFileRead && o.Path == "hangs":
					_, _ = io.Copy(io.Discard, s)
				case o.Kind == wire.StreamFileRead:
					_, _ = io.WriteString(s, "0123456789"[o.Offset:o.Offset+o.Length])
				case o.Kind == wire.StreamSSH:
					_, _ = io.Copy(s, s)
				}
			}()
		}
	}()
}

func TestReachAsksTheAgent(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	<-w.ready
	heard := make(chan wire.Open, 1)
	answer := wire.Opened{File: &wire.File{Name: "f", Size: 10, Modified: 7, Mode: 0o100644},
		Files: []wire.File{{Name: "d", Dir: true, Mode: 0o40755}, {Name: "d/f", Size: 3, Modified: 9}}}
	a.serve(t, func(o wire.Open) wire.Opened {
		heard <- o
		if o.Path == "missing" || o.User != nil && o.User.Name == "missing" {
			code := "FileNotFound"
			if o.User != nil {
				code = "NodeUserNotFound"
			}
			return wire.Opened{Error: &wire.StreamError{Code: code, Message: "gone"}}
		}
		return answer
	})
	ctx := t.Context()
	check := func(what string, want wire.Open) {
		t.Helper()
		if diff := cmp.Diff(want, <-heard); diff != "" {
			t.Errorf("%s asked (-want +got):\n%s", what, diff)
		}
	}
	file := pool.File{Path: "f", Size: 10, Modified: 7, Mode: 0o100644}

	files, err := w.g.ListFiles(ctx, "n", "workitems", true)
	check("list", wire.Open{Kind: wire.StreamFileList, Path: "workitems", Recursive: true})
	if diff := cmp.Diff([]pool.File{{Path: "d", Dir: true, Mode: 0o40755}, {Path: "d/f", Size: 3, Modified: 9}}, files); err != nil || diff != "" {
		t.Error(err, diff)
	}
	got, err := w.g.StatFile(ctx, "n", "f")
	check("stat", wire.Open{Kind: wire.StreamFileStat, Path: "f"})
	if err != nil || got != file {
		t.Error(got, err)
	}
	got, body, err := w.g.ReadFile(ctx, "n", "f", 2, 3)
	check("read", wire.Open{Kind: wire.StreamFileRead, Path: "f", Offset: 2, Length: 3})
	if err != nil || got != file {
		t.Fatal(got, err)
	}
	if text, err := io.ReadAll(body); err != nil || string(text) != "234" {
		t.Errorf("%q %v", text, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	err = w.g.DeleteFile(ctx, "n", "f", true)
	check("delete", wire.Open{Kind: wire.StreamFileDelete, Path: "f", Recursive: true})
	if err != nil {
		t.Error(err)
	}
	err = w.g.PutUser(ctx, "n", pool.NodeUser{Name: "u", Admin: true, PasswordHash: "h", SSHKey: "k", Expiry: 5}, true)
	check("user", wire.Open{Kind: wire.StreamUserPut, Keep: true, User: &wire.NodeUser{Name: "u", Admin: true, PasswordHash: "h", SSHKeys: []string{"k"}, Expiry: 5, Login: true}})
	if err != nil {
		t.Error(err)
	}
	err = w.g.DeleteUser(ctx, "n", "missing") // gone is gone
	check("user's end", wire.Open{Kind: wire.StreamUserDelete, User: &wire.NodeUser{Name: "missing"}})
	if err != nil {
		t.Error(err)
	}
	err = w.g.Prepare(ctx, "n")
	check("capture", wire.Open{Kind: wire.StreamPrepare})
	if err != nil {
		t.Error(err)
	}
	if _, err = w.g.StatFile(ctx, "n", "missing"); !fault.Is(err, "FileNotFound") {
		t.Error(err)
	}
	<-heard
	if _, err = w.g.StatFile(ctx, "another", "f"); !fault.Is(err, "NodeNotReady") {
		t.Error(err)
	}

	// a client that leaves ends the read though the agent says nothing
	leaving, leave := context.WithCancel(ctx)
	_, body, err = w.g.ReadFile(leaving, "n", "hangs", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	<-heard
	leave()
	if _, err := io.ReadAll(body); err == nil {
		t.Error("the read ended well")
	}
	_ = body.Close()
	w.g.Drop("n")
	<-w.gone
	if _, err = w.g.StatFile(ctx, "n", "f"); !fault.Is(err, "NodeNotReady") {
		t.Error(err)
	}
}

// What connects to a node's port speaks with the agent, until the port closes.
func TestSSHPortsLeadToTheAgent(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	<-w.ready
	a.serve(t, func(wire.Open) wire.Opened { return wire.Opened{} })
	host, port, err := w.g.OpenSSH(t.Context(), "n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := w.g.OpenSSH(t.Context(), "n", 0); err != nil || again != port {
		t.Errorf("asked twice: %d, then %d %v", port, again, err)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "SSH-2.0-test"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 12)
	if _, err := io.ReadFull(conn, echo); err != nil || string(echo) != "SSH-2.0-test" {
		t.Errorf("%q %v", echo, err)
	}
	w.g.CloseSSH("n")
	if _, err := conn.Read(echo); err == nil || errors.Is(err, io.ErrNoProgress) {
		t.Error("the connection outlives its port")
	}
	if c, err := net.Dial("tcp", conn.RemoteAddr().String()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

// A task is told what it must run, as whom, how long, and which attempt it is;
// the job's environment comes before the task's, which may override it.
func TestOrdersTellAll(t *testing.T) {
	w := newWorld(t)
	a := w.dial(hello())
	<-w.ready
	j := &job.Job{Spec: job.Spec{ID: "j", Environment: []pool.EnvironmentSetting{{Name: "A", Value: "job"}}}}
	spec := job.TaskSpec{ID: "T", CommandLine: "x y", RequiredSlots: 2, MaxWallClock: resource.Minute,
		Environment: []pool.EnvironmentSetting{{Name: "A", Value: "task"}}, User: pool.UserIdentity{Scope: "task", Elevation: "admin"}}
	named := spec
	named.MaxWallClock, named.User, named.Environment = resource.MaxSpan, pool.UserIdentity{Username: "alice"}, nil
	for _, err := range []error{
		w.g.Assign("n", []job.Assignment{{Task: &job.Task{UID: "t", Attempt: 3, Spec: spec}, Job: j}, {Task: &job.Task{UID: "u", Attempt: 1, Spec: named}, Job: j}}),
		w.g.Cancel("n", "t", 3, "TaskEnded"),
		w.g.Start("n", job.StartOrder{Attempt: 2, Task: pool.StartTask{CommandLine: "s", Environment: spec.Environment, User: pool.UserIdentity{Scope: "pool", Elevation: "nonadmin"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var tasks []wire.Task
	var cancels []wire.Cancel
	for len(tasks) < 3 || len(cancels) < 1 {
		f, err := a.frames.Receive()
		if err != nil {
			t.Fatal(err)
		}
		tasks, cancels = append(tasks, f.Assign...), append(cancels, f.Cancel...)
	}
	want := []wire.Task{
		{UID: "t", Attempt: 3, Kind: wire.KindTask, JobID: "j", ID: "T", Dir: "workitems/j/job-1/T", CommandLine: "x y",
			Env:  []wire.Pair{{Name: "A", Value: "job"}, {Name: "A", Value: "task"}, {Name: attemptVariable, Value: "3"}},
			User: wire.RunAs{TaskScope: true, Admin: true}, Slots: 2, Timeout: int64(resource.Minute)},
		{UID: "u", Attempt: 1, Kind: wire.KindTask, JobID: "j", ID: "T", Dir: "workitems/j/job-1/T", CommandLine: "x y",
			Env:  []wire.Pair{{Name: "A", Value: "job"}, {Name: attemptVariable, Value: "1"}},
			User: wire.RunAs{Name: "alice"}, Slots: 2},
		{UID: "n", Attempt: 2, Kind: wire.KindStart, Dir: "startup", CommandLine: "s", Env: []wire.Pair{{Name: "A", Value: "task"}}},
	}
	if diff := cmp.Diff(want, tasks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]wire.Cancel{{TaskUID: "t", Attempt: 3, Reason: wire.FailEnded}}, cancels); diff != "" {
		t.Error(diff)
	}
	if err := w.g.Assign("another", nil); !fault.Is(err, "NodeNotReady") {
		t.Error(err)
	}
	if !strings.HasPrefix(attemptVariable, "MILLPOND_") {
		t.Error("a variable Azure could come to use")
	}
}
