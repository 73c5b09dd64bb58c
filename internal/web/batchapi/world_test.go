package batchapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/provider/fake"
	"millpond/internal/schedule"
	"millpond/internal/store"
	"millpond/internal/web"
	"millpond/internal/web/batchapi"
	"millpond/internal/web/webtest"
)

// Fixed ids, which testdata names.
const (
	tenantID  = "7e0a0000-0000-4000-8000-000000000001"
	strangeID = "7e0a0000-0000-4000-8000-000000000002"
	subID     = "5b000000-0000-4000-8000-000000000001"
	accountID = "/subscriptions/" + subID + "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct"
)

// The accounts' keys; the signing of a request proves the first or the second.
var keys = [2][]byte{[]byte("first key of acct, 32 bytes long"), []byte("second key of acct, 32 bytes too")}

// world is a deployment: real nouns over SQLite, the loops over the fake
// provider, and nodes that run a task by writing its files. Its clock stands
// still until a conversation moves it.
type world struct {
	t      *testing.T
	dir    string
	clock  *webtest.Clock
	db     *store.DB
	api    *batchapi.API
	sched  *schedule.Scheduler
	tokens func() map[string]string // by principal; made when one is asked for
	next   string                   // the last nextLink
	log    *lockedBuffer

	byPath, byHost http.Handler

	cancelled chan func()   // ends a stubborn task
	imaged    chan struct{} // closed when the slow image is made

	mu    sync.Mutex
	nodes map[string]*node // uid
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: webtest.NewClock(), nodes: map[string]*node{}, log: &lockedBuffer{},
		cancelled: make(chan func(), 1), imaged: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(w.dir, "millpond.db"), Clock: w.clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	w.db = db
	sealer, err := identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	ids := identity.New(db, w.clock, sealer)
	directory := account.New(db, ids, w.clock, account.DefaultQuotas(), nil)
	rooms := gallery.New(gallery.Config{Store: db, Clock: w.clock, Worker: layer.NewLocal(layer.Limits{}), Data: w.dir, Offline: true,
		Directory: directory, Roles: ids, Region: account.Region})
	_, err = ids.AddTenant(t.Context(), tenantID, "Tenant")
	must(t, err)
	_, err = directory.AddSubscription(t.Context(), subID, tenantID, "Subscription", true)
	must(t, err)
	_, _, err = directory.PutGroup(t.Context(), subID, "rg", "westeurope", nil)
	must(t, err)
	w.tokens = sync.OnceValue(func() map[string]string { return principals(t, ids) })
	machines := fake.New(fake.Config{Capabilities: provider.Capabilities{Name: "fake", Parallel: 4}, OnStart: w.machineStarts, OnStop: w.machineStops})
	w.sched = schedule.New(schedule.Config{Store: db, Provider: machines, Worker: layer.NewLocal(layer.Limits{}), Nodes: gate{w}, Trees: images{rooms, w.imaged},
		Owners: accounts{}, Machines: noVMs{}, Clock: w.clock, Log: log, Size: machine.CoresAndMemory,
		Paths: schedule.Paths{Disks: filepath.Join(w.dir, "disks"), Nodes: filepath.Join(w.dir, "nodes")}})
	w.api = &batchapi.API{
		Accounts: accounts{}, Identity: ids, PoolStore: db, NodeStore: db, Reach: gate{w}, JobStore: db, TaskStore: db,
		Pools:  &pool.Pools{Store: db, Nodes: db, Images: images{rooms, nil}, Clock: w.clock, Size: machine.CoresAndMemory, Wake: w.sched.WakePool},
		Jobs:   &job.Jobs{Store: db, Tasks: db, Clock: w.clock, Wake: w.sched.WakeWork, Ending: w.sched.WakeEnds},
		Images: rooms.Catalogue, Clock: w.clock, Log: log, SSHHost: "127.0.0.1",
	}
	w.byPath, w.byHost = w.api.Face(web.PathMount("/batch/")), w.api.Face(web.HostMount)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.sched.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !strings.Contains(err.Error(), context.Canceled.Error()) {
			t.Error(err) // a world may end before its loops have looked around once
		}
		must(t, machines.Close(false))
	})
	return w
}

// principals makes the owner and the reader of the account, one without a role
// and a stranger of another tenant, and gives their tokens for Batch and, named
// arm-, for Resource Manager.
func principals(t *testing.T, ids *identity.Identity) map[string]string {
	t.Helper()
	ctx, tokens := t.Context(), map[string]string{}
	_, err := ids.AddTenant(ctx, strangeID, "Strangers")
	must(t, err)
	for i, who := range []struct{ name, tenant, role string }{
		{"owner", tenantID, identity.RoleOwner}, {"reader", tenantID, identity.RoleReader}, {"nobody", tenantID, ""}, {"stranger", strangeID, ""},
	} {
		n := string(rune('1' + i))
		app, secret, err := ids.AddApplication(ctx, identity.Application{TenantID: who.tenant, DisplayName: who.name,
			AppID: "a9900000-0000-4000-8000-00000000000" + n, ObjectID: "0b1ec700-0000-4000-8000-00000000000" + n})
		must(t, err)
		for prefix, resource := range map[string]string{"": "https://batch.core.windows.net/", "arm-": "https://management.azure.com/"} {
			token, err := ids.IssueToken(ctx, identity.TokenRequest{AppID: app.AppID, Secret: string(secret.Reveal()), Resource: resource})
			must(t, err)
			tokens[prefix+who.name] = token.Access
		}
		if who.role != "" {
			_, err = ids.Assign(ctx, identity.Principal{TenantID: tenantID, ObjectID: app.ObjectID}, identity.Grant{
				Scope: accountID, Role: who.role, PrincipalID: app.ObjectID, Name: "a5000000-0000-4000-8000-00000000000" + n})
			must(t, err)
		}
	}
	return tokens
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// accounts has two Batch accounts and one that refuses shared keys.
type accounts struct{}

func (accounts) BatchAccount(_ context.Context, name string) (batchapi.Account, error) {
	name, _, _ = strings.Cut(strings.ToLower(name), ".") // the whole host, when the account came by host
	if name != "acct" && name != "other" && name != "aadonly" {
		return batchapi.Account{}, fault.New("AccountNotFound", "")
	}
	return batchapi.Account{Owner: owner(name), ID: strings.TrimSuffix(accountID, "acct") + name, TenantID: tenantID,
		SharedKey: name != "aadonly", AAD: name != "other", LiveJobs: 4,
		Keys: func(context.Context) ([2][]byte, error) {
			if name == "other" {
				return [2][]byte{[]byte("the other account's first key..."), []byte("the other account's second key..")}, nil
			}
			return keys, nil
		}}, nil
}

func (accounts) OwnerByUID(_ context.Context, uid string) (pool.Owner, error) {
	return owner(strings.TrimPrefix(uid, "uid-")), nil
}

func owner(name string) pool.Owner {
	return pool.Owner{UID: "uid-" + name, Name: name, Subscription: subID, TenantID: tenantID, Region: "westeurope",
		PoolQuota: 5, DedicatedCores: 100, LowPriorityCores: 100}
}

// images is the real rules of pool images; their trees need not exist here.
type images struct {
	*gallery.Images
	imaged chan struct{}
}

func (g images) ImageFor(ctx context.Context, who identity.Principal, o pool.Owner, ref pool.ImageReference, agentSKU string) (pool.Image, error) {
	r, err := g.Images.ImageFor(ctx, who, gallery.Asker{Subscription: o.Subscription, Tenant: o.TenantID, Region: o.Region},
		gallery.ImageReference{Publisher: ref.Publisher, Offer: ref.Offer, SKU: ref.SKU, Version: ref.Version, VMImageID: ref.VMImageID}, agentSKU, true)
	return pool.Image{ExactVersion: r.ExactVersion, Catalogue: r.Catalogue, OSType: r.OSType, Region: o.Region}, err
}

// TreeFor gives a tree at once, save that Debian 11 is long in the making and
// Ubuntu has no source.
func (g images) TreeFor(ctx context.Context, image pool.Image, _ int) (layer.Tree, error) {
	if strings.HasPrefix(image.Catalogue, "debian:debian-11") {
		select {
		case <-g.imaged:
		case <-ctx.Done():
			return layer.Tree{}, ctx.Err()
		}
	}
	if strings.HasPrefix(image.Catalogue, "canonical:") {
		return layer.Tree{}, fault.New("ImageUnavailable", "The image has no source here.")
	}
	return layer.Tree{Root: "/", Dirs: []string{"usr"}}, nil
}

type noVMs struct{}

func (noVMs) Hello(context.Context, job.Greeting) (job.Reception, bool, error) {
	return job.Reception{}, false, nil
}
func (noVMs) SSHAt(context.Context, string, string, int) error { return nil }
func (noVMs) Exited(context.Context, string, string)           {}
func (noVMs) Known(context.Context) (map[string]bool, error)   { return nil, nil }

// lockedBuffer is a log that many may write and one may read.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
