package account_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

func TestBootstrapIsDoneOnce(t *testing.T) {
	r := newRoom(t)
	first := r.start
	if len(first.ClientSecret.Reveal()) < 40 || len(first.AccountKey.Reveal()) != 64 || len(account.EncodeKey(first.AccountKey)) != 88 {
		t.Fatalf("%+v", first)
	}
	admin := identity.Principal{TenantID: first.TenantID, ObjectID: first.ObjectID}
	if ok, err := r.ids.Allowed(r.ctx(), admin, "Microsoft.Authorization/roleAssignments/write", "/subscriptions/"+first.SubscriptionID); !ok || err != nil {
		t.Fatalf("not the owner: %v", err)
	}
	for _, ns := range []string{"Microsoft.Batch", "microsoft.compute", "Microsoft.Resources"} {
		if ok, err := r.Registered(r.ctx(), first.SubscriptionID, ns); !ok || err != nil {
			t.Errorf("%s: %v", ns, err)
		}
	}
	tenants, err := r.ids.Tenants(r.ctx())
	must(t, err)

	again := account.New(r.db, r.ids, r.clock, account.DefaultQuotas(), nil)
	second, err := again.Bootstrap(r.ctx(), account.Wish{ResourceGroup: "other", Location: "eastus", ClientSecret: string(first.ClientSecret.Reveal())})
	must(t, err)
	if second.TenantID != first.TenantID || second.SubscriptionID != first.SubscriptionID || second.ClientID != first.ClientID ||
		second.AccountName != first.AccountName || account.EncodeKey(second.AccountKey) != account.EncodeKey(first.AccountKey) ||
		string(second.ClientSecret.Reveal()) != string(first.ClientSecret.Reveal()) || second.Location != "westeurope" {
		t.Fatalf("%+v after %+v", second, first)
	}
	if all, err := r.ids.Tenants(r.ctx()); err != nil || len(all) != len(tenants) {
		t.Fatalf("%d tenants: %v", len(all), err)
	}
	none, err := again.Bootstrap(r.ctx(), account.Wish{ClientSecret: "wrong"})
	must(t, err)
	fresh, err := again.Bootstrap(r.ctx(), account.Wish{ClientSecret: "wrong", NeedSecret: true})
	must(t, err)
	app, err := r.ids.Application(r.ctx(), first.ClientID)
	must(t, err)
	if len(none.ClientSecret.Reveal()) != 0 || !app.Proves(string(fresh.ClientSecret.Reveal())) || !app.Proves(string(first.ClientSecret.Reveal())) {
		t.Fatal("client secrets")
	}
}

var errCut = errors.New("cut")

// cutStore lets a start die at its nth resource.
type cutStore struct {
	resource.Store
	left *int
}

func (c cutStore) CreateResource(ctx context.Context, rec resource.Record, op *resource.Operation) error {
	if *c.left--; *c.left < 0 {
		return errCut
	}
	return c.Store.CreateResource(ctx, rec, op)
}

func TestBootstrapGoesOnWhereItWasCut(t *testing.T) {
	for cut := range 3 {
		r := newRoom(t)
		// a second deployment in the same store is a store of its own
		must(t, r.ids.Store().DeleteSecrets(r.ctx(), "bootstrap"))
		left := cut
		dying := account.New(cutStore{r.db, &left}, r.ids, r.clock, account.DefaultQuotas(), nil)
		if _, err := dying.Bootstrap(r.ctx(), account.Wish{AccountName: "second", Location: "eastus"}); !errors.Is(err, errCut) {
			t.Fatalf("cut %d: %v", cut, err)
		}
		s, err := r.Bootstrap(r.ctx(), account.Wish{NeedSecret: true})
		must(t, err)
		if s.AccountName != "second" || s.Location != "eastus" || len(s.ClientSecret.Reveal()) == 0 {
			t.Fatalf("cut %d: %+v", cut, s)
		}
		subs, err := r.Subscriptions(r.ctx(), s.TenantID)
		must(t, err)
		if len(subs) != 1 {
			t.Fatalf("cut %d: %d subscriptions", cut, len(subs))
		}
	}
}

func TestAccountRules(t *testing.T) {
	r := newRoom(t)
	sub, group := r.start.SubscriptionID, r.start.ResourceGroup
	for name, tc := range map[string]struct {
		name string
		spec account.Spec
		code string
	}{
		"short":       {"ab", account.Spec{Location: "westeurope"}, "InvalidAccountName"},
		"long":        {strings.Repeat("a", 25), account.Spec{Location: "westeurope"}, "InvalidAccountName"},
		"upper":       {"Acct", account.Spec{Location: "westeurope"}, "InvalidAccountName"},
		"dash":        {"a-cct", account.Spec{Location: "westeurope"}, "InvalidAccountName"},
		"no location": {"acct", account.Spec{}, "LocationRequired"},
		"location":    {"acct", account.Spec{Location: "mars"}, "LocationNotAvailableForResourceType"},
		"storage":     {"acct", account.Spec{Location: "westeurope", AutoStorage: "/subscriptions/x"}, "UnsupportedProperty"},
		"allocation":  {"acct", account.Spec{Location: "westeurope", PoolAllocationMode: "UserSubscription"}, "UnsupportedProperty"},
		"network":     {"acct", account.Spec{Location: "westeurope", PublicNetworkAccess: "Disabled"}, "UnsupportedProperty"},
		"encryption":  {"acct", account.Spec{Location: "westeurope", KeySource: "Microsoft.KeyVault"}, "UnsupportedProperty"},
		"identity":    {"acct", account.Spec{Location: "westeurope", IdentityType: "SystemAssigned"}, "UnsupportedProperty"},
		"modes":       {"acct", account.Spec{Location: "westeurope", AuthenticationModes: []string{"SharedKey", "Kerberos"}}, "InvalidPropertyValue"},
		"no modes":    {"acct", account.Spec{Location: "westeurope", AuthenticationModes: []string{}}, "InvalidPropertyValue"},
		"elsewhere":   {account.DefaultAccount, account.Spec{Location: "eastus"}, "InvalidResourceLocation"},
	} {
		if _, err := r.Put(r.ctx(), sub, group, tc.name, tc.spec); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want %s", name, err, tc.code)
		}
	}
	if _, err := r.Put(r.ctx(), sub, "none", "acct", account.Spec{Location: "eastus"}); !fault.Is(err, "ResourceGroupNotFound") {
		t.Error(err)
	}
	// every fault of one wish is reported
	_, err := r.Put(r.ctx(), sub, group, "acct", account.Spec{Location: "eastus", AutoStorage: "x", KeySource: "y", IdentityType: "z"})
	for _, property := range []string{"properties.autoStorage", "properties.encryption.keySource", "identity.type"} {
		if !strings.Contains(err.Error(), property) {
			t.Errorf("%s is missing: %v", property, err)
		}
	}
}

func TestAccountNamesAreUniquePerRegion(t *testing.T) {
	r := newRoom(t)
	sub := r.start.SubscriptionID
	_, _, err := r.PutGroup(r.ctx(), sub, "other", "eastus", nil)
	must(t, err)
	if _, err := r.Put(r.ctx(), sub, "other", account.DefaultAccount, account.Spec{Location: "West Europe"}); !fault.Is(err, "AccountAlreadyExists") {
		t.Fatal(err)
	}
	home, err := r.ByName(r.ctx(), account.DefaultAccount)
	must(t, err)
	_, err = r.Put(r.ctx(), sub, "other", account.DefaultAccount, account.Spec{Location: "East US"})
	must(t, err)
	if _, err := r.ByName(r.ctx(), account.DefaultAccount); !fault.Is(err, "AccountNotFound") {
		t.Fatalf("an ambiguous name was chosen: %v", err)
	}
	for host, want := range map[string]string{
		account.DefaultAccount + ".westeurope.batch.azure.com":      home.UID,
		account.DefaultAccount + ".WESTEUROPE.batch.azure.com:8443": home.UID,
	} {
		got, err := r.ByHost(r.ctx(), host)
		if err != nil || got.UID != want {
			t.Errorf("%s: %v %v", host, got.ID, err)
		}
	}
	for _, host := range []string{"", "localhost", "127.0.0.1:8443", account.DefaultAccount + ".mars.batch.azure.com", account.DefaultAccount + ".northeurope.batch.azure.com", "x.westeurope.batch.azure.com"} {
		if _, err := r.ByHost(r.ctx(), host); !fault.Is(err, "AccountNotFound") {
			t.Errorf("%q: %v", host, err)
		}
	}
	for name, want := range map[string]string{account.DefaultAccount: "AlreadyExists", "free": "", "X": "Invalid"} {
		reason, _, err := r.NameAvailable(r.ctx(), name, "eastus")
		if err != nil || reason != want {
			t.Errorf("%s: %q %v", name, reason, err)
		}
	}
}

func TestAccountQuotaPerRegion(t *testing.T) {
	r := newRoom(t)
	q := account.DefaultQuotas()
	q.AccountsPerRegion = 2
	tight := account.New(r.db, r.ids, r.clock, q, nil)
	sub, group := r.start.SubscriptionID, r.start.ResourceGroup
	_, err := tight.Put(r.ctx(), sub, group, "second", account.Spec{Location: "westeurope"})
	must(t, err)
	if _, err := tight.Put(r.ctx(), sub, group, "third", account.Spec{Location: "westeurope"}); !fault.Is(err, "SubscriptionQuotaReached") {
		t.Fatal(err)
	}
	_, err = tight.Put(r.ctx(), sub, group, "third", account.Spec{Location: "eastus"})
	must(t, err)
}

func TestKeys(t *testing.T) {
	r := newRoom(t)
	acct, err := r.ByName(r.ctx(), account.DefaultAccount)
	must(t, err)
	before, err := r.Key(r.ctx(), acct.UID)
	must(t, err)
	after, err := r.RegenerateKey(r.ctx(), acct, "primary")
	must(t, err)
	if account.EncodeKey(before.Primary) == account.EncodeKey(after.Primary) || account.EncodeKey(before.Secondary) != account.EncodeKey(after.Secondary) {
		t.Fatal("the wrong key changed")
	}
	raw, err := base64.StdEncoding.DecodeString(account.EncodeKey(after.Primary))
	if err != nil || len(raw) != 64 {
		t.Fatalf("%d bytes: %v", len(raw), err)
	}
	if _, err := r.RegenerateKey(r.ctx(), acct, "Third"); !fault.Is(err, "InvalidPropertyValue") {
		t.Fatal(err)
	}
	sealed, err := r.db.GetSecret(r.ctx(), acct.UID, account.Primary)
	must(t, err)
	if strings.Contains(string(sealed), string(after.Primary.Reveal())) {
		t.Fatal("the key lies open in the store")
	}
	if _, err := r.Key(r.ctx(), "nobody"); !fault.Is(err, "AccountNotFound") {
		t.Fatal(err)
	}
	// a key another server changed is seen when the cache is old
	other := account.New(r.db, r.ids, r.clock, account.DefaultQuotas(), nil)
	changed, err := other.RegenerateKey(r.ctx(), acct, "Secondary")
	must(t, err)
	r.clock.advance(11 * time.Second)
	seen, err := r.Key(r.ctx(), acct.UID)
	must(t, err)
	if account.EncodeKey(seen.Secondary) != account.EncodeKey(changed.Secondary) {
		t.Fatal("the old key is still taken")
	}
}

func TestAccountUpdateAndDelete(t *testing.T) {
	r := newRoom(t)
	sub, group, name := r.start.SubscriptionID, r.start.ResourceGroup, account.DefaultAccount
	before, err := r.Account(r.ctx(), sub, group, name)
	must(t, err)
	after, err := r.Update(r.ctx(), strings.ToUpper(sub), strings.ToUpper(group), name, account.Spec{Tags: map[string]string{"a": "b"}, AuthenticationModes: []string{"aad"}})
	must(t, err)
	if after.Tags["a"] != "b" || after.Allows(account.SharedKey) || !after.Allows(account.AAD) || after.Modified <= before.Modified {
		t.Fatalf("%+v", after)
	}
	op, err := r.Put(r.ctx(), sub, group, name, account.Spec{Location: "westeurope"})
	must(t, err)
	if after, err = r.Account(r.ctx(), sub, group, name); err != nil || len(after.Tags) != 0 || !after.Allows(account.SharedKey) || after.UID != before.UID {
		t.Fatalf("%+v %v", after, err)
	}
	if op, err := r.db.GetOperation(r.ctx(), op.GUID); err != nil || op.Status != resource.Succeeded {
		t.Fatalf("%+v %v", op, err)
	}

	op, err = r.Delete(r.ctx(), sub, group, name)
	must(t, err)
	same, err := r.Delete(r.ctx(), sub, group, name)
	must(t, err)
	if op.GUID != same.GUID || r.wakes == 0 {
		t.Fatalf("two deletions of one account, %d wakes", r.wakes)
	}
	if acct, err := r.Account(r.ctx(), sub, group, name); err != nil || acct.State != resource.Deleting {
		t.Fatalf("%+v %v", acct, err)
	}
	if _, err := r.Update(r.ctx(), sub, group, name, account.Spec{Tags: map[string]string{}}); !fault.Is(err, "ResourceBeingDeleted") {
		t.Fatal(err)
	}
	if _, err := r.ByName(r.ctx(), name); !fault.Is(err, "AccountNotFound") {
		t.Fatalf("a dying account has an endpoint: %v", err)
	}
	if reason, _, err := r.NameAvailable(r.ctx(), name, "westeurope"); reason != "AlreadyExists" || err != nil {
		t.Fatalf("%q %v", reason, err)
	}
	for range 2 { // a crash makes it run again
		must(t, r.FinishAccountDelete(r.ctx(), op))
	}
	if _, err := r.Account(r.ctx(), sub, group, name); !fault.Is(err, "ResourceNotFound") {
		t.Fatal(err)
	}
	if _, err := r.Key(r.ctx(), before.UID); !fault.Is(err, "AccountNotFound") {
		t.Fatalf("keys outlive the account: %v", err)
	}
	// a namesake is another account, and late news of the first does not touch it
	_, err = r.Put(r.ctx(), sub, group, name, account.Spec{Location: "westeurope"})
	must(t, err)
	must(t, r.FinishAccountDelete(r.ctx(), op))
	if acct, err := r.Account(r.ctx(), sub, group, name); err != nil || acct.UID == before.UID {
		t.Fatalf("%+v %v", acct, err)
	}
	second, err := r.Bootstrap(r.ctx(), account.Wish{})
	must(t, err)
	if account.EncodeKey(second.AccountKey) == account.EncodeKey(r.start.AccountKey) {
		t.Fatal("the old key works on the namesake")
	}
}

func TestNamesOfRegions(t *testing.T) {
	seen := map[string]bool{}
	for _, info := range account.Regions() {
		if seen[info.Name] {
			t.Errorf("%s twice", info.Name)
		}
		seen[info.Name] = true
		for _, spelled := range []string{info.Name, info.Display, strings.ToUpper(info.Display)} {
			if short, display, ok := account.Region(spelled); !ok || short != info.Name || display != info.Display {
				t.Errorf("%s: %s %s %v", spelled, short, display, ok)
			}
		}
	}
	if _, _, ok := account.Region(""); ok || len(seen) < 40 {
		t.Errorf("%d regions", len(seen))
	}
}
