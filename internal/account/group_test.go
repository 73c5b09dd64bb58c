package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

func TestGroupRules(t *testing.T) {
	r := newRoom(t)
	sub := r.start.SubscriptionID
	for name, code := range map[string]string{
		"ok": "", "Über.(1)_-x": "", "x.": "InvalidResourceName", "": "InvalidResourceName", "a b": "InvalidResourceName",
		"a/b": "InvalidResourceName", strings.Repeat("a", 90): "", strings.Repeat("a", 91): "InvalidResourceName", "..": "InvalidResourceName",
	} {
		if _, _, err := r.PutGroup(r.ctx(), sub, name, "eastus", nil); fault.CodeOf(err) != code {
			t.Errorf("%q: %v, want %q", name, err, code)
		}
	}
	g, created, err := r.PutGroup(r.ctx(), sub, "Mixed", "East US", map[string]string{"a": "b"})
	if err != nil || !created || g.Location != "eastus" {
		t.Fatalf("%+v %v", g, err)
	}
	g, created, err = r.PutGroup(r.ctx(), sub, "MIXED", "eastus", nil)
	if err != nil || created || g.ID.ResourceGroup != "Mixed" || len(g.Tags) != 0 {
		t.Fatalf("%+v %v %v", g, created, err)
	}
	if _, _, err := r.PutGroup(r.ctx(), sub, "mixed", "westus", nil); !fault.Is(err, "InvalidResourceGroupLocation") {
		t.Fatal(err)
	}
	if _, _, err := r.PutGroup(r.ctx(), sub, "x", "mars", nil); !fault.Is(err, "LocationNotAvailableForResourceGroup") {
		t.Fatal(err)
	}
	if _, _, err := r.PutGroup(r.ctx(), uuid.NewString(), "x", "eastus", nil); !fault.Is(err, "SubscriptionNotFound") {
		t.Fatal(err)
	}
	many := map[string]string{}
	for range 51 {
		many[uuid.NewString()] = ""
	}
	if _, _, err := r.PutGroup(r.ctx(), sub, "x", "eastus", many); !fault.Is(err, "InvalidPropertyValue") {
		t.Fatal(err)
	}
	if _, err := r.Group(r.ctx(), sub, "none"); !fault.Is(err, "ResourceGroupNotFound") {
		t.Fatal(err)
	}
}

func TestGroupDeleteEmptiesStepByStep(t *testing.T) {
	r := newRoom(t)
	sub := r.start.SubscriptionID
	_, _, err := r.PutGroup(r.ctx(), sub, "rg", "eastus", nil)
	must(t, err)
	root := resource.ID{Subscription: sub, ResourceGroup: "rg"}.In("Microsoft.Compute")
	vm, disk, gallery := root.Child("virtualMachines", "vm"), root.Child("disks", "d"), root.Child("galleries", "g")
	for _, id := range []resource.ID{disk, gallery, gallery.Child("images", "i"), vm} {
		must(t, r.db.CreateResource(r.ctx(), resource.Record{ID: id.String(), UID: uuid.NewString(), State: resource.Succeeded}, nil))
	}
	_, err = r.Put(r.ctx(), sub, "rg", "inside", account.Spec{Location: "eastus"})
	must(t, err)
	admin := identity.Principal{TenantID: r.start.TenantID, ObjectID: r.start.ObjectID}
	_, err = r.ids.Assign(r.ctx(), admin, identity.Grant{Scope: gallery.String(), Name: uuid.NewString(), Role: identity.RoleReader, PrincipalID: r.start.ObjectID})
	must(t, err)

	op, err := r.DeleteGroup(r.ctx(), sub, "RG")
	must(t, err)
	if again, err := r.DeleteGroup(r.ctx(), sub, "rg"); err != nil || again.GUID != op.GUID {
		t.Fatalf("%v %v", again, err)
	}
	if _, err := r.Put(r.ctx(), sub, "rg", "late", account.Spec{Location: "eastus"}); !fault.Is(err, "ResourceGroupBeingDeleted") {
		t.Fatalf("made in a dying group: %v", err)
	}
	if _, _, err := r.PutGroup(r.ctx(), sub, "rg", "eastus", nil); !fault.Is(err, "ResourceGroupBeingDeleted") {
		t.Fatal(err)
	}
	var order []string
	busy := errors.New("the disk is attached")
	remove := func(ctx context.Context, rec resource.Record) error {
		id, err := resource.ParseID(rec.ID)
		must(t, err)
		order = append(order, id.Type())
		switch {
		case id.Is(account.TypeAccount):
			op, err := r.Delete(ctx, id.Subscription, id.ResourceGroup, id.Name())
			if err != nil {
				return err
			}
			return r.FinishAccountDelete(ctx, op)
		case id.Is("Microsoft.Compute/disks") && len(order) < 8:
			return busy
		default:
			return r.db.DeleteResource(ctx, rec.ID, nil)
		}
	}
	done, err := r.FinishGroupDelete(r.ctx(), op, remove)
	if done || !errors.Is(err, busy) {
		t.Fatalf("first step: %v %v", done, err)
	}
	want := "Microsoft.Compute/virtualMachines Microsoft.Compute/galleries/images Microsoft.Compute/galleries Microsoft.Compute/disks Microsoft.Batch/batchAccounts"
	if got := strings.Join(order, " "); got != want {
		t.Fatalf("order %s", got)
	}
	order = append(order, "", "", "")
	for step := 0; !done; step++ {
		if step > 5 {
			t.Fatal("never done")
		}
		if done, err = r.FinishGroupDelete(r.ctx(), op, remove); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := r.FinishGroupDelete(r.ctx(), op, remove); !done || err != nil {
		t.Fatalf("after the end: %v %v", done, err)
	}
	ended, err := r.db.GetOperation(r.ctx(), op.GUID)
	if err != nil || ended.Status != resource.Succeeded {
		t.Fatalf("%+v %v", ended, err)
	}
	if _, err := r.Group(r.ctx(), sub, "rg"); !fault.Is(err, "ResourceGroupNotFound") {
		t.Fatal(err)
	}
	if left, err := r.ids.Assignments(r.ctx(), "/subscriptions/"+sub, true); err != nil || len(left) != 1 {
		t.Fatalf("%d assignments: %v", len(left), err)
	}
	if _, err := r.ByName(r.ctx(), "inside"); !fault.Is(err, "AccountNotFound") {
		t.Fatal(err)
	}
}

func TestSecondSubscriptionStartsUnregistered(t *testing.T) {
	r := newRoom(t)
	s, err := r.AddSubscription(r.ctx(), "", r.start.TenantID, "Second", false)
	must(t, err)
	_, _, err = r.PutGroup(r.ctx(), s.ID, "rg", "eastus", nil)
	must(t, err)
	if _, err := r.Put(r.ctx(), s.ID, "rg", "acct", account.Spec{Location: "eastus"}); !fault.Is(err, "MissingSubscriptionRegistration") {
		t.Fatal(err)
	}
	s, p, err := r.Register(r.ctx(), s.ID, "microsoft.batch")
	must(t, err)
	if p.Namespace != "Microsoft.Batch" || s.State(p) != account.Registered {
		t.Fatalf("%+v %s", p, s.State(p))
	}
	_, err = r.Put(r.ctx(), s.ID, "rg", "acct", account.Spec{Location: "eastus"})
	must(t, err)
	if _, _, err := r.Unregister(r.ctx(), s.ID, "Microsoft.Batch"); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Registered(r.ctx(), s.ID, "Microsoft.Batch"); ok || err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Registered(r.ctx(), s.ID, "Microsoft.Nothing"); ok || err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Register(r.ctx(), s.ID, "Microsoft.Nothing"); !fault.Is(err, "InvalidResourceNamespace") {
		t.Fatal(err)
	}
	if tenant, err := r.Tenant(r.ctx(), strings.ToUpper(s.ID)); err != nil || tenant != r.start.TenantID {
		t.Fatalf("%s %v", tenant, err)
	}
	held, err := r.Held(r.ctx(), s.ID, "")
	if err != nil || len(held) != 1 {
		t.Fatalf("%d held: %v", len(held), err)
	}
}
