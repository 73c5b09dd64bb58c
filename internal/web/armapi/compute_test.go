package armapi_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millpond/internal/account"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/resource"
	"millpond/internal/store"
	"millpond/internal/web/armapi"
	"millpond/internal/web/webtest"
)

const (
	computeSub    = "11111111-1111-1111-1111-111111111111"
	computeTenant = "22222222-2222-2222-2222-222222222222"
	computeGroup  = "/subscriptions/" + computeSub + "/resourceGroups/rg1"
)

// compute is the face over the real rooms, SQLite and unpacked layers. The
// loops are played by work: after each request everything open is done, unless
// the request says X-Hold.
type compute struct {
	t        *testing.T
	face     http.Handler
	token    string // of an Owner
	reader   string // of a Reader
	ids      *identity.Identity
	objects  map[string]string // object id by the name of its assignment
	images   *gallery.Images
	machines *machine.Machines
}

func newCompute(t *testing.T) *compute {
	t.Helper()
	ctx, clock, data := t.Context(), webtest.NewClock(), t.TempDir()
	db, err := store.Open(ctx, store.Config{SQLite: filepath.Join(data, "millpond.db"), Clock: clock})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	sealer, err := identity.NewSealer(bytes.Repeat([]byte{7}, 32))
	check(t, err)
	ids := identity.New(db, clock, sealer)
	_, err = ids.AddTenant(ctx, computeTenant, "Test")
	check(t, err)
	accounts := account.New(db, ids, clock, account.Quotas{}, func() {})
	_, err = accounts.AddSubscription(ctx, computeSub, computeTenant, "Test", true)
	check(t, err)
	_, _, err = accounts.PutGroup(ctx, computeSub, "rg1", "westeurope", nil)
	check(t, err)
	c := &compute{t: t, ids: ids, objects: map[string]string{}}
	c.token, c.reader = c.login("Owner", subscription, "33333333-3333-3333-3333-333333333333"), c.login("Reader", subscription, "44444444-4444-4444-4444-444444444444")
	c.images = gallery.New(gallery.Config{
		Store: db, Clock: clock, Worker: layer.NewLocal(layer.Limits{}), Blobs: layer.Blobs{Dir: filepath.Join(data, "layers")}, Data: data,
		Directory: accounts, Roles: ids, Region: account.Region,
	})
	c.machines = &machine.Machines{Store: db, Clock: clock, Images: c.images, Region: account.Region}
	c.images.Sources = c.machines
	c.base(filepath.Join(data, "base.tar"))
	c.face = (&armapi.API{
		Identity: ids, Accounts: accounts, Resources: db, Clock: clock, Log: slog.New(slog.DiscardHandler),
		Compute: armapi.Compute{Images: c.images, Machines: c.machines},
	}).Face()
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const subscription = "/subscriptions/" + computeSub

// login makes an application with one role and gives its token.
func (c *compute) login(role, scope, name string) string {
	c.t.Helper()
	ctx := c.t.Context()
	app, secret, err := c.ids.AddApplication(ctx, identity.Application{TenantID: computeTenant, DisplayName: role})
	check(c.t, err)
	_, err = c.ids.Assign(ctx, identity.Principal{}, identity.Grant{Scope: scope, Name: name, Role: roleID(c.t, role), PrincipalID: app.ObjectID})
	check(c.t, err)
	c.objects[name] = app.ObjectID
	token, err := c.ids.IssueToken(ctx, identity.TokenRequest{AppID: app.AppID, Secret: string(secret.Reveal()), Resource: "https://management.azure.com/"})
	check(c.t, err)
	return token.Access
}

func roleID(t *testing.T, name string) string {
	role, ok := identity.RoleByName(name)
	if !ok {
		t.Fatal(name)
	}
	return identity.RoleDefinitionID("/subscriptions/"+computeSub, role)
}

// base gives Debian 12 a small tar of our own as source.
func (c *compute) base(path string) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	const text = "root:x:0:0::/root:/bin/sh\n"
	check(c.t, w.WriteHeader(&tar.Header{Name: "etc/passwd", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg, ModTime: time.Unix(1, 0)}))
	_, err := io.WriteString(w, text)
	check(c.t, err)
	check(c.t, w.Close())
	check(c.t, os.WriteFile(path, b.Bytes(), 0o644))
	ref, src, err := gallery.ParseAlias("Debian:debian-12:12=" + path)
	check(c.t, err)
	check(c.t, c.images.Catalogue.SetAlias(c.t.Context(), ref, src))
}

// ServeHTTP adds the Owner's token to requests without one and plays the loops.
func (c *compute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch who := r.Header.Get("X-Who"); {
	case r.Header.Get("Authorization") != "":
	case who == "reader":
		r.Header.Set("Authorization", "Bearer "+c.reader)
	default:
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	c.face.ServeHTTP(w, r)
	if r.Header.Get("X-Hold") == "" {
		c.work(r.Context())
	}
}

// work ends what is open: of images truly, of machines as a provider and an
// agent that always succeed would have it.
func (c *compute) work(ctx context.Context) {
	for range 2 { // a machine waits for its disk
		ops, err := c.images.Store.OpenOperations(ctx)
		check(c.t, err)
		for _, op := range ops {
			if c.images.Works(op.Kind) {
				check(c.t, c.images.Work(ctx, op))
			} else if machine.Owns(op.Kind) {
				c.power(ctx, op)
			}
		}
	}
}

func (c *compute) power(ctx context.Context, op resource.Operation) {
	item, err := c.machines.ByUID(ctx, op.UID)
	check(c.t, err)
	switch op.Kind {
	case machine.OpDelete:
		check(c.t, c.images.Attach(ctx, item.VM.OSDisk.ID, ""))
		check(c.t, c.machines.Store.DeleteResource(ctx, op.ResourceID, &op))
	case machine.OpDeallocate:
		check(c.t, c.machines.End(ctx, op, nil, machine.Deallocated))
	case machine.OpPowerOff:
		check(c.t, c.machines.End(ctx, op, nil, machine.Stopped))
	default:
		_, err := c.machines.Booting(ctx, item, "boot", "token", op.GUID)
		check(c.t, err)
		_, refused, err := c.machines.Hello(ctx, op.UID, machine.Agent{BootID: "boot", Token: "token", Version: "1.0.0", OSName: "Debian GNU/Linux 12 (bookworm)"})
		check(c.t, err)
		if refused != "" {
			c.t.Fatal(refused)
		}
		check(c.t, c.machines.SSHAt(ctx, op.UID, "127.0.0.1", 50000))
		check(c.t, c.machines.End(ctx, op, nil, machine.Running))
	}
}

func TestComputeConversations(t *testing.T) {
	webtest.Run(t, "testdata/compute", func(t *testing.T) http.Handler { return newCompute(t) },
		"Cache-Control", "Pragma", "Expires", "Server", "Strict-Transport-Security", "X-Content-Type-Options", "Date", "X-Ms-Correlation-Request-Id", "Content-Length")
}

// ask sends a request and reads the JSON answer.
func (c *compute) ask(method, path, body string, header ...string) (int, http.Header, map[string]any) {
	c.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	answer := map[string]any{}
	if w.Body.Len() > 0 {
		check(c.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}
	return w.Code, w.Header(), answer
}
