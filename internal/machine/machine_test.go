package machine_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/resource"
	"millpond/internal/store"
)

const group = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"

type room struct {
	*machine.Machines
	images *gallery.Images
}

func newRoom(t *testing.T) *room {
	t.Helper()
	clock, data := resource.SystemClock(), t.TempDir()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(data, "db"), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.CreateResource(t.Context(), resource.Record{ID: group, State: resource.Succeeded, Location: "westeurope"}, nil); err != nil {
		t.Fatal(err)
	}
	images := gallery.New(gallery.Config{
		Store: db, Clock: clock, Worker: layer.NewLocal(layer.Limits{}), Blobs: layer.Blobs{Dir: filepath.Join(data, "layers")}, Data: data, Region: account.Region,
	})
	m := &machine.Machines{Store: db, Clock: clock, Images: images, Region: account.Region}
	images.Sources = m
	return &room{m, images}
}

func vmID(name string) resource.ID {
	id, _ := resource.ParseID(group + "/providers/" + machine.TypeVM + "/" + name)
	return id
}

func spec(name string) machine.Spec {
	return machine.Spec{
		ID: vmID(name), Location: "westeurope", HasProfile: true, AdminName: "azureuser", NoPassword: true,
		Keys:   []machine.SSHKey{{Data: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC/fuqxcdMEuoKlF4ofsfINXfSTlP8PBOGi+OA/723Ep me"}},
		Origin: gallery.Origin{Reference: &gallery.Reference{Publisher: "Debian", Offer: "debian-12", SKU: "12"}},
	}
}

func TestSizesFoldTheirNames(t *testing.T) {
	for name, want := range map[string]machine.Size{
		"Standard_A1_v2":  {Name: "Standard_A1_v2", Cores: 1, MemoryMiB: 2048, TempMiB: 10240, DataDisks: 2},
		"STANDARD_D2_V3":  {Name: "Standard_D2_v3", Cores: 2, MemoryMiB: 8192, TempMiB: 51200, DataDisks: 4},
		"standard_d4s_v5": {Name: "Standard_D4s_v5", Cores: 4, MemoryMiB: 16384, DataDisks: 8},
	} {
		if got, ok := machine.SizeOf(name); !ok || got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, ok := machine.SizeOf("standard_a1_v2 "); ok || len(machine.Sizes()) < 60 {
		t.Error("too few, or a blank passes")
	}
	for _, s := range machine.Sizes() {
		if s.Cores < 1 || s.MemoryMiB < 512 || !strings.HasPrefix(s.Name, "Standard_") {
			t.Errorf("%+v", s)
		}
	}
}

// TestPowerStates plays random acts and ends of operations against the rules:
// what is allowed from where, and that one act at a time is under way.
func TestPowerStates(t *testing.T) {
	r := newRoom(t)
	names := 0
	rapid.Check(t, func(rt *rapid.T) {
		names++
		name := "vm" + string(rune('a'+names%26)) + strings.Repeat("x", names/26)
		ctx := context.Background()
		done, err := r.Put(ctx, spec(name))
		if err != nil {
			rt.Fatal(err)
		}
		state, open, generalized := machine.Starting, done.Operation, false
		acts := map[string]func(context.Context, resource.ID) (*resource.Operation, error){
			"start": r.Start, "stop": r.PowerOff, "deallocate": r.Deallocate, "restart": r.Restart,
		}
		goal := map[string]string{"start": machine.Running, "stop": machine.Stopped, "deallocate": machine.Deallocated, "restart": machine.Running, "create": machine.Running}
		under := "create"
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			act := rapid.SampledFrom([]string{"start", "stop", "deallocate", "restart", "generalize", "end", "end", "end"}).Draw(rt, "act")
			switch act {
			case "end":
				if open == nil {
					continue
				}
				if err := r.End(ctx, *open, nil, goal[under]); err != nil {
					rt.Fatal(err)
				}
				state, open = goal[under], nil
			case "generalize":
				err := r.Generalize(ctx, vmID(name))
				ok := open == nil && (state == machine.Stopped || state == machine.Deallocated)
				if ok != (err == nil) {
					rt.Fatalf("generalize while %s, operation %v: %v", state, open != nil, err)
				}
				generalized = generalized || ok
			default:
				op, err := acts[act](ctx, vmID(name))
				switch {
				case open != nil:
					if !fault.Is(err, "AnotherOperationInProgress") {
						rt.Fatalf("%s during %s: %v", act, under, err)
					}
				case generalized && (act == "start" || act == "restart"), act == "restart" && state != machine.Running:
					if !fault.Is(err, "OperationNotAllowed") {
						rt.Fatalf("%s while %s, generalized %v: %v", act, state, generalized, err)
					}
				case err != nil:
					rt.Fatalf("%s while %s: %v", act, state, err)
				case op == nil:
					if state != goal[act] && !(act == "stop" && state == machine.Deallocated) {
						rt.Fatalf("%s did nothing while %s", act, state)
					}
				default:
					open, under = op, act
				}
			}
			item, err := r.Get(ctx, vmID(name))
			if err != nil {
				rt.Fatal(err)
			}
			if open == nil && item.VM.Power != state || (item.Record.State == resource.Succeeded) != (open == nil) || item.VM.Generalized != generalized {
				rt.Fatalf("%s, provisioning %s, generalized %v; want %s, %v, %v", item.VM.Power, item.Record.State, item.VM.Generalized, state, open == nil, generalized)
			}
		}
	})
}

func TestMachinesHaveTheirOwnAddress(t *testing.T) {
	r := newRoom(t)
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		done, err := r.Put(t.Context(), spec(name))
		if err != nil {
			t.Fatal(err)
		}
		if seen[done.VM.IP()] {
			t.Fatal("an address twice: ", done.VM.IP())
		}
		seen[done.VM.IP()] = true
	}
	if ip := (machine.VM{Number: 600}).IP(); ip != "127.66.3.101" {
		t.Error(ip)
	}
}

func TestRepeatedCreateAndUpdate(t *testing.T) {
	r := newRoom(t)
	ctx := t.Context()
	done, err := r.Put(ctx, spec("vm"))
	if err != nil || !done.Created {
		t.Fatal(err)
	}
	// The same request again while it is made.
	if _, err := r.Put(ctx, spec("VM")); !fault.Is(err, "AnotherOperationInProgress") {
		t.Fatal(err)
	}
	if err := r.End(ctx, *done.Operation, nil, machine.Running); err != nil {
		t.Fatal(err)
	}
	again := spec("vm")
	again.Tags, again.Keys = map[string]string{"a": "b"}, nil // as a client sends back what it read
	if done, err = r.Put(ctx, again); err != nil || done.Created || done.Operation != nil || done.Record.Tags["a"] != "b" {
		t.Fatalf("%+v %v", done, err)
	}
	again.Size = "Standard_D2_v3"
	if _, err := r.Put(ctx, again); !fault.Is(err, "OperationNotAllowed") {
		t.Fatal(err)
	}
	other := spec("other")
	other.DiskName = done.VM.OSDisk.Name
	if _, err := r.Put(ctx, other); !fault.Is(err, "Conflict") {
		t.Fatal("a disk of another machine must not be taken over:", err)
	}
}
