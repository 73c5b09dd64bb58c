package schedule

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"millpond/internal/account"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/provider"
	"millpond/internal/provider/fake"
	"millpond/internal/resource"
	"millpond/internal/store"
)

const vmGroup = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"

// vmWorld is virtual machines over the real store, rooms and layers, with the
// fake provider and agents that say hello as soon as they are started.
type vmWorld struct {
	t        *testing.T
	dir      string
	clock    resource.Clock
	db       *store.DB
	images   *gallery.Images
	machines *machine.Machines
	world    *fake.World

	mu      sync.Mutex
	boots   []provider.Machine // every start, in order
	mute    bool               // agents say nothing
	fail    error              // the provider's answer to Create
	dies    bool               // machines end right after their start
	opened  map[string]bool    // SSH ports
	dropped []string           // scopes whose role assignments are taken back

	provider *fake.Provider
	loops    *VMs
	stop     func()
}

func newVMWorld(t *testing.T) *vmWorld {
	t.Helper()
	w := &vmWorld{t: t, dir: t.TempDir(), clock: resource.SystemClock(), world: fake.NewWorld(), opened: map[string]bool{}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(w.dir, "db"), Clock: w.clock})
	w.check(err)
	t.Cleanup(func() { db.Close() })
	w.db = db
	w.check(db.CreateResource(t.Context(), resource.Record{ID: vmGroup, State: resource.Succeeded, Location: "westeurope"}, nil))
	w.up()
	t.Cleanup(func() { w.stop() })
	w.base()
	return w
}

func (w *vmWorld) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// up is a life of the server; down ends it and leaves the machines.
func (w *vmWorld) up() {
	worker := layer.NewLocal(layer.Limits{})
	w.machines = &machine.Machines{Store: w.db, Clock: w.clock, Region: account.Region}
	w.images = gallery.New(gallery.Config{
		Store: w.db, Clock: w.clock, Worker: worker, Blobs: layer.Blobs{Dir: filepath.Join(w.dir, "layers")}, Data: w.dir, Region: account.Region, Roles: w,
	})
	w.machines.Images, w.images.Sources = w.images, w.machines
	w.provider = fake.New(fake.Config{World: w.world, OnStart: w.started, Before: w.before})
	log := slog.New(slog.DiscardHandler)
	w.loops = NewVMs(VMsConfig{Machines: w.machines, Provider: w.provider, Worker: worker, SSH: w, Log: log, Paths: Paths{Nodes: filepath.Join(w.dir, "nodes")}})
	w.machines.Wake = w.loops.Wake
	disks := NewImages(w.images, log, w.loops.Wake)
	w.images.Wake = disks.Wake
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.loops.Run(ctx) })
	wg.Go(func() { _ = disks.Run(ctx) })
	wg.Go(func() {
		for gone := range w.provider.Exits() {
			w.loops.Exited(ctx, gone.ID, gone.BootID)
		}
	})
	p := w.provider
	w.stop = sync.OnceFunc(func() {
		cancel()
		w.check(p.Close(true))
		wg.Wait()
	})
}

func (w *vmWorld) Allowed(context.Context, identity.Principal, string, string) (bool, error) {
	return true, nil
}

func (w *vmWorld) DropScope(_ context.Context, scope string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped = append(w.dropped, scope)
	return nil
}

func (w *vmWorld) before(_ context.Context, op fake.Op, _ provider.Machine) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if op == fake.Create {
		return w.fail
	}
	return nil
}

func (w *vmWorld) started(m provider.Machine) {
	w.mu.Lock()
	w.boots = append(w.boots, m)
	mute, dies := w.mute, w.dies
	w.mu.Unlock()
	go func() {
		if dies {
			w.provider.Exit(m.ID)
			return
		}
		if !mute {
			_, _, _ = w.loops.Hello(context.Background(), job.Greeting{NodeUID: m.ID, BootID: m.BootID, Token: m.Token, AgentVersion: "1"})
		}
	}()
}

func (w *vmWorld) OpenSSH(_ context.Context, uid string, want int) (string, int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened[uid] = true
	return "127.0.0.1", max(want, 50000), nil
}

func (w *vmWorld) CloseSSH(uid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.opened, uid)
}

func (w *vmWorld) Drop(string) {}

func (w *vmWorld) base() {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	w.check(tw.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}))
	w.check(tw.Close())
	path := filepath.Join(w.dir, "base.tar")
	w.check(os.WriteFile(path, b.Bytes(), 0o600))
	ref, src, err := gallery.ParseAlias("Debian:debian-12:12=" + path)
	w.check(err)
	w.check(w.images.Catalogue.SetAlias(w.t.Context(), ref, src))
}

func (w *vmWorld) id(name string) resource.ID {
	id, err := resource.ParseID(vmGroup + "/providers/" + machine.TypeVM + "/" + name)
	w.check(err)
	return id
}

func (w *vmWorld) put(name string) resource.Operation {
	w.t.Helper()
	done, err := w.machines.Put(w.t.Context(), machine.Spec{
		ID: w.id(name), Location: "westeurope", Size: "Standard_A1_v2", HasProfile: true, AdminName: "azureuser", Password: "Secret-1234",
		Origin: gallery.Origin{Reference: &gallery.Reference{Publisher: "Debian", Offer: "debian-12", SKU: "12"}},
	})
	w.check(err)
	return *done.Operation
}

// ended waits for the end of an operation.
func (w *vmWorld) ended(op *resource.Operation, want string) resource.Operation {
	w.t.Helper()
	var now resource.Operation
	w.until(func() bool {
		var err error
		now, err = w.db.GetOperation(w.t.Context(), op.GUID)
		w.check(err)
		return now.Status != resource.InProgress
	})
	if now.Status != want {
		w.t.Fatalf("%s ended %s: %v", op.Kind, now.Status, now.Error)
	}
	return now
}

func (w *vmWorld) until(holds func() bool) {
	w.t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-late:
			w.t.Fatal("it never came to be")
		case <-tick.C:
		}
	}
}

func (w *vmWorld) vm(name string) machine.Item {
	w.t.Helper()
	item, err := w.machines.Get(w.t.Context(), w.id(name))
	w.check(err)
	return item
}

func (w *vmWorld) running() []provider.Instance {
	w.t.Helper()
	list, err := w.provider.List(w.t.Context())
	w.check(err)
	return list
}

func (w *vmWorld) do(act func(context.Context, resource.ID) (*resource.Operation, error), want string) {
	w.t.Helper()
	op, err := act(w.t.Context(), w.id("vm"))
	w.check(err)
	w.ended(op, want)
}

func (w *vmWorld) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestVMLivesAndGoes(t *testing.T) {
	w := newVMWorld(t)
	op := w.put("vm")
	w.ended(&op, resource.Succeeded)
	item := w.vm("vm")
	if item.VM.Power != machine.Running || item.VM.SSH() != "127.0.0.1:50000" || item.Record.State != resource.Succeeded {
		t.Fatalf("%+v", item)
	}
	first := w.running()
	if len(first) != 1 || first[0].BootID != item.VM.BootID {
		t.Fatal(first)
	}
	w.do(w.machines.Restart, resource.Succeeded)
	if again := w.running(); len(again) != 1 || again[0].BootID == first[0].BootID {
		t.Fatal("a restart must be another boot", again)
	}
	w.do(w.machines.Deallocate, resource.Succeeded)
	if item = w.vm("vm"); len(w.running()) != 0 || item.VM.Power != machine.Deallocated || item.VM.SSH() != "" || w.opened[item.Record.UID] {
		t.Fatalf("%+v", item)
	}
	w.do(w.machines.Start, resource.Succeeded)
	disk := w.vm("vm").VM.OSDisk.ID
	w.do(w.machines.Delete, resource.Succeeded)
	id, _ := resource.ParseID(disk)
	d, err := w.images.GetDisk(t.Context(), id)
	if err != nil || d.Body.ManagedBy != "" || len(w.running()) != 0 {
		t.Fatal(d, err)
	}
	if left, err := os.ReadDir(filepath.Join(w.dir, "nodes")); err == nil && len(left) != 0 {
		t.Fatalf("left over: %v", left)
	}
}

func TestVMIsStartedAgainWhenItEnds(t *testing.T) {
	w := newVMWorld(t)
	op := w.put("vm")
	w.ended(&op, resource.Succeeded)
	uid, boot := w.vm("vm").Record.UID, w.vm("vm").VM.BootID
	w.provider.Exit(uid)
	w.until(func() bool { vm := w.vm("vm").VM; return vm.BootID != boot && vm.Up() })
	w.set(func() { w.dies = true })
	w.provider.Exit(uid)
	w.until(func() bool { return w.vm("vm").VM.Power == machine.Stopped })
	w.set(func() { w.dies = false })
	w.do(w.machines.Start, resource.Succeeded)
}

func TestServerRestartFindsItsVMs(t *testing.T) {
	w := newVMWorld(t)
	op := w.put("vm")
	w.ended(&op, resource.Succeeded)
	boot := w.vm("vm").VM.BootID
	w.stop()
	w.up()
	w.check(w.loops.Pass(t.Context()))
	if r := w.running(); len(r) != 1 || r[0].BootID != boot {
		t.Fatal("a running machine must be adopted as it is", r)
	}
	w.stop()
	w.world = fake.NewWorld()
	w.up()
	w.until(func() bool { vm := w.vm("vm").VM; return vm.BootID != boot && vm.Up() })
}

func TestServerRestartGoesOnWithCreate(t *testing.T) {
	w := newVMWorld(t)
	w.set(func() { w.mute = true })
	op := w.put("vm")
	w.until(func() bool { return len(w.running()) == 1 })
	w.stop()
	w.set(func() { w.mute = false })
	w.world = fake.NewWorld() // the machine died with the server
	w.up()
	w.ended(&op, resource.Succeeded)
}

func TestVMThatCannotStartFails(t *testing.T) {
	w := newVMWorld(t)
	w.set(func() { w.fail = errors.New("no room") })
	op := w.put("vm")
	if end := w.ended(&op, resource.Failed); !strings.Contains(end.Error.Message, "no room") {
		t.Fatal(end.Error)
	}
	if item := w.vm("vm"); item.Record.State != resource.Failed || item.VM.Power != machine.Stopped {
		t.Fatalf("%+v", item)
	}
	w.set(func() { w.fail, w.dies = nil, true })
	w.do(w.machines.Start, resource.Failed)
	w.set(func() { w.dies = false })
	w.do(w.machines.Start, resource.Succeeded)
}

func TestVMWithoutSourceFailsAndSaysWhy(t *testing.T) {
	w := newVMWorld(t)
	w.check(os.Remove(filepath.Join(w.dir, "base.tar")))
	op := w.put("vm")
	if end := w.ended(&op, resource.Failed); !strings.Contains(end.Error.Message, "--alias Debian:debian-12:12=SOURCE") {
		t.Fatal(end.Error)
	}
	w.do(w.machines.Delete, resource.Succeeded)
}

func TestVMDeletedWhileItIsMade(t *testing.T) {
	w := newVMWorld(t)
	w.set(func() { w.mute = true })
	op := w.put("vm")
	w.until(func() bool { return len(w.running()) == 1 })
	w.do(w.machines.Delete, resource.Succeeded)
	w.ended(&op, resource.Failed)
	if len(w.running()) != 0 {
		t.Fatal(w.running())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dropped) == 0 || !strings.HasSuffix(w.dropped[0], "/virtualMachines/vm") {
		t.Errorf("roles dropped at %q", w.dropped)
	}
}

func TestVMAgentMustProveItsStart(t *testing.T) {
	w := newVMWorld(t)
	op := w.put("vm")
	w.ended(&op, resource.Succeeded)
	item := w.vm("vm")
	for name, g := range map[string]job.Greeting{
		"another boot":  {NodeUID: item.Record.UID, BootID: "x", Token: w.boots[0].Token},
		"wrong token":   {NodeUID: item.Record.UID, BootID: item.VM.BootID, Token: "x"},
		"empty boot id": {NodeUID: item.Record.UID},
	} {
		r, known, err := w.loops.Hello(t.Context(), g)
		if err != nil || !known || r.Refused == "" {
			t.Errorf("%s: %+v %v %v", name, r, known, err)
		}
	}
	if _, known, err := w.loops.Hello(t.Context(), job.Greeting{NodeUID: "nobody"}); known || err != nil {
		t.Error(known, err)
	}
	r, _, err := w.loops.Hello(t.Context(), job.Greeting{NodeUID: item.Record.UID, BootID: item.VM.BootID, Token: w.boots[0].Token})
	if err != nil || r.Refused != "" || len(r.Users) != 1 || r.Users[0].Name != "azureuser" || !r.Users[0].Login || !strings.HasPrefix(r.Users[0].PasswordHash, "$2a$") {
		t.Errorf("%+v %v", r, err)
	}
}
