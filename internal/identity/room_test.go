package identity_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/store"
)

// clock is moved by hand.
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

// room is the real service over SQLite.
type room struct {
	*identity.Identity
	t      *testing.T
	clock  *clock
	db     *store.DB
	sealer *identity.Sealer
	tenant identity.Tenant
	app    identity.Application
	secret string
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, clock: &clock{now: resource.TicksOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "millpond.db"), Clock: r.clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r.db = db
	r.sealer, err = identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	r.Identity = identity.New(db, r.clock, r.sealer)
	r.tenant, err = r.AddTenant(t.Context(), "", "Test")
	must(t, err)
	app, secret, err := r.AddApplication(t.Context(), identity.Application{TenantID: r.tenant.ID, DisplayName: "app"})
	must(t, err)
	r.app, r.secret = app, string(secret.Reveal())
	return r
}

// token is issued as an endpoint would.
func (r *room) token(resource string) string {
	r.t.Helper()
	tok, err := r.IssueToken(r.t.Context(), identity.TokenRequest{Tenant: r.tenant.ID, AppID: r.app.AppID, Secret: r.secret, Resource: resource})
	must(r.t, err)
	return tok.Access
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
