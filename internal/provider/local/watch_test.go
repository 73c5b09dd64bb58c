package local

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"syscall"
	"testing"

	"millpond/internal/provider"
)

// Exits that nobody watched are the next watcher's, once.
func TestWatchTellsWhatWasMissed(t *testing.T) {
	h := newHost(hostConfig{}, "", "", nil, slog.New(slog.DiscardHandler))
	end := func(id string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell(provider.Instance{ID: id})
	}
	watch := func() (next func() reply, stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.watch(ctx, &replies{json: json.NewEncoder(w)})
		}()
		in := json.NewDecoder(r)
		next = func() reply {
			t.Helper()
			var got reply
			if err := in.Decode(&got); err != nil {
				t.Fatal(err)
			}
			return got
		}
		return next, func() { cancel(); <-done }
	}
	end("before")
	next, stop := watch()
	if first := next(); first.Exit != nil {
		t.Fatalf("%+v came before the watch was told to stand", first.Exit)
	}
	end("after")
	for _, want := range []string{"before", "after"} {
		if got := next(); got.Exit == nil || got.Exit.ID != want {
			t.Fatalf("%+v, want %s", got, want)
		}
	}
	stop()
	end("between")
	next, stop = watch()
	defer stop()
	next()
	if got := next(); got.Exit == nil || got.Exit.ID != "between" {
		t.Fatalf("%+v", got)
	}
}

// A machine that somebody else began, such as a server that was killed over it,
// is told to have ended with its node host once List has shown it.
func TestListedMachinesAreToldOf(t *testing.T) {
	p := openTest(t, testData(t))
	m := testMachine(t, p, "m")
	conn, err := p.dialOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(t.Context(), conn, request{Op: opCreate, Machine: &m}, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := p.List(t.Context()); err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := syscall.Kill(p.HostPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case e := <-p.Exits():
		if e.ID != "m" || !e.Lost {
			t.Errorf("%+v", e)
		}
	case <-ctx.Done():
		t.Fatal("no news of the machine")
	}
}
