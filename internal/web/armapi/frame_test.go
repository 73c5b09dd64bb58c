package armapi_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/account"
	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/store"
	"millpond/internal/web/armapi"
	"millpond/internal/web/webtest"
)

// Fixed ids, which testdata names.
const (
	tenantID = "7e0a0000-0000-4000-8000-000000000001"
	strange  = "7e0a0000-0000-4000-8000-000000000002"
	subID    = "5b000000-0000-4000-8000-000000000001"
	otherSub = "5b000000-0000-4000-8000-000000000002" // of the strange tenant
	newSub   = "5b000000-0000-4000-8000-000000000003" // nothing registered
)

// service is the face over real rooms and SQLite. As a handler it plays the
// client's memory: "Bearer NAME" becomes that principal's token, /NEXT the last
// address given to poll, and POST /work lets the loops do what is open.
type service struct {
	*armapi.API
	t      *testing.T
	clock  *webtest.Clock
	db     *store.DB
	tokens map[string]string
	next   string
	arm    http.Handler
	graph  http.Handler
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, clock: webtest.NewClock(), tokens: map[string]string{}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "millpond.db"), Clock: s.clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s.db = db
	sealer, err := identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	ids := identity.New(db, s.clock, sealer)
	s.API = &armapi.API{
		Identity: ids, Accounts: account.New(db, ids, s.clock, account.DefaultQuotas(), nil),
		Resources: db, Clock: s.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	s.populate(ids)
	s.arm, s.graph = s.Face(), s.Graph()
	return s
}

func (s *service) populate(ids *identity.Identity) {
	s.t.Helper()
	ctx := s.t.Context()
	for _, id := range []string{tenantID, strange} {
		_, err := ids.AddTenant(ctx, id, "Tenant")
		must(s.t, err)
	}
	for id, tenant := range map[string]string{subID: tenantID, otherSub: strange, newSub: tenantID} {
		_, err := s.Accounts.AddSubscription(ctx, id, tenant, "Subscription", id == subID)
		must(s.t, err)
	}
	_, _, err := s.Accounts.PutGroup(ctx, subID, "rg", "westeurope", nil)
	must(s.t, err)
	group := "/subscriptions/" + subID + "/resourceGroups/rg"
	for name, grant := range map[string]identity.Grant{
		"owner":    {Scope: "/subscriptions/" + subID, Role: identity.RoleOwner, Name: "a5000000-0000-4000-8000-000000000001"},
		"reader":   {Scope: group, Role: identity.RoleReader, Name: "a5000000-0000-4000-8000-000000000002"},
		"newowner": {Scope: "/subscriptions/" + newSub, Role: identity.RoleOwner, Name: "a5000000-0000-4000-8000-000000000003"},
		"nobody":   {},
	} {
		guid := map[string]string{
			"owner": "0b1ec700-0000-4000-8000-000000000001", "reader": "0b1ec700-0000-4000-8000-000000000002",
			"newowner": "0b1ec700-0000-4000-8000-000000000003", "nobody": "0b1ec700-0000-4000-8000-000000000006",
		}[name]
		app, secret, err := ids.AddApplication(ctx, identity.Application{
			TenantID: tenantID, AppID: strings.Replace(guid, "0b1ec700", "a9900000", 1), ObjectID: guid, DisplayName: name})
		must(s.t, err)
		for kind, name := range map[string]string{"https://management.azure.com/": name, "https://graph.microsoft.com/": "graph-" + name, "https://batch.core.windows.net/": "batch-" + name} {
			token, err := ids.IssueToken(ctx, identity.TokenRequest{AppID: app.AppID, Secret: string(secret.Reveal()), Resource: kind})
			must(s.t, err)
			s.tokens[name] = token.Access
		}
		if grant.Role != "" {
			grant.PrincipalID = app.ObjectID
			_, err := ids.Assign(ctx, identity.Principal{TenantID: tenantID, ObjectID: app.ObjectID}, grant)
			must(s.t, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.TLS = &tls.ConnectionState{}
	if r.Host == "acct.westeurope.batch.azure.com" {
		r.Host = "localhost:8443"
	}
	if name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && s.tokens[name] != "" {
		r.Header.Set("Authorization", "Bearer "+s.tokens[name])
	}
	switch {
	case r.URL.Path == "/work":
		s.work()
		return
	case r.URL.Path == "/NEXT":
		u, err := url.Parse(s.next)
		must(s.t, err)
		r.URL = u
	}
	h := s.arm
	if armapi.OwnsGraph(r.URL.Path) || r.Host == "graph.microsoft.com" {
		h = s.graph
	}
	h.ServeHTTP(w, r)
	for _, name := range []string{"Azure-AsyncOperation", "Location"} {
		if values := w.Header()[name]; len(values) > 0 && !strings.HasSuffix(r.URL.Path, "/NEXT") {
			s.next = values[0]
		}
	}
}

// work is the loops' share of deletions.
func (s *service) work() {
	s.t.Helper()
	ops, err := s.db.OpenOperations(s.t.Context())
	must(s.t, err)
	for _, op := range ops {
		switch op.Kind {
		case account.KindAccountDelete:
			must(s.t, s.Accounts.FinishAccountDelete(s.t.Context(), op))
		case account.KindGroupDelete:
			for done := false; !done; {
				done, err = s.Accounts.FinishGroupDelete(s.t.Context(), op, s.drop)
				must(s.t, err)
			}
		}
	}
}

func (s *service) drop(ctx context.Context, rec resource.Record) error {
	id, err := resource.ParseID(rec.ID)
	if err != nil || !id.Is(account.TypeAccount) {
		return s.db.DeleteResource(ctx, rec.ID, nil)
	}
	op, err := s.Accounts.Delete(ctx, id.Subscription, id.ResourceGroup, id.Name())
	if err != nil {
		return err
	}
	return s.Accounts.FinishAccountDelete(ctx, op)
}

func TestConversations(t *testing.T) {
	webtest.Run(t, "testdata/frame", func(t *testing.T) http.Handler { return newService(t) },
		"Cache-Control", "Pragma", "Expires", "Server", "Strict-Transport-Security", "X-Content-Type-Options", "Date",
		"X-Ms-Request-Id", "X-Ms-Correlation-Request-Id", "Content-Length")
}

// ask is one request with a token; body "" sends none.
func (s *service) ask(method, target, who, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
