package account_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"millpond/internal/account"
	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/store"
)

// clock is moved by hand; each look takes a tick.
type clock struct {
	mu  sync.Mutex
	now resource.Ticks
}

func (c *clock) Now() resource.Ticks {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	return c.now
}

func (c *clock) After(time.Duration) <-chan time.Time { return nil }

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(resource.SpanOf(d))
}

// room is the real room over SQLite, after a first start.
type room struct {
	*account.Accounts
	t     *testing.T
	ids   *identity.Identity
	db    *store.DB
	clock *clock
	start account.Start
	wakes int
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, clock: &clock{now: resource.TicksOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "millpond.db"), Clock: r.clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r.db = db
	sealer, err := identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	r.ids = identity.New(db, r.clock, sealer)
	r.Accounts = account.New(db, r.ids, r.clock, account.DefaultQuotas(), func() { r.wakes++ })
	r.start, err = r.Bootstrap(t.Context(), account.Wish{})
	must(t, err)
	return r
}

func (r *room) ctx() context.Context { return r.t.Context() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
