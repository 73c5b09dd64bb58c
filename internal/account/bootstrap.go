package account

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

// Wish is what a first start makes; empty names take the defaults.
type Wish struct {
	ResourceGroup string
	Location      string
	AccountName   string
	// ClientSecret is the one admin.json holds from an earlier start, "" for none.
	ClientSecret string
	// NeedSecret asks for a client secret that works: the given one if it does,
	// else a new one beside the old.
	NeedSecret bool
}

// Start is what admin.json needs. ClientSecret is empty unless it was made or
// proved now; the account's fields are empty when somebody deleted it.
type Start struct {
	TenantID       string
	SubscriptionID string
	ClientID       string
	ObjectID       string
	ClientSecret   identity.Secret
	ResourceGroup  string
	Location       string
	AccountName    string
	AccountKey     identity.Secret // the raw key; EncodeKey gives its base64
}

// Defaults of a first start. The region is a real one of Azure's.
const (
	DefaultGroup    = "millpond"
	DefaultLocation = "westeurope"
	DefaultAccount  = "millpond"
)

// plan is chosen before anything is made and kept sealed, so that a start cut
// short goes on with the same ids.
type plan struct {
	Tenant, Subscription, App, Object, Assignment string
	Group, Location, Account                      string
	Done                                          bool
}

const (
	planOwner = "bootstrap"
	planName  = "plan"
)

// Bootstrap makes tenant, subscription, a service principal with Owner, group
// and Batch account at the first start, goes on where a start was cut short,
// and changes nothing at later ones: what a user deleted stays deleted.
func (a *Accounts) Bootstrap(ctx context.Context, w Wish) (Start, error) {
	p, err := a.plan(ctx, w)
	if err != nil {
		return Start{}, err
	}
	secret, err := a.makePrincipal(ctx, p, w)
	if err != nil {
		return Start{}, err
	}
	if !p.Done {
		if err := a.makeResources(ctx, p); err != nil {
			return Start{}, err
		}
		p.Done = true
		if err := a.keepPlan(ctx, p); err != nil {
			return Start{}, err
		}
	}
	s := Start{
		TenantID: p.Tenant, SubscriptionID: p.Subscription, ClientID: p.App, ObjectID: p.Object, ClientSecret: secret,
		ResourceGroup: p.Group, Location: p.Location,
	}
	acct, err := a.Account(ctx, p.Subscription, p.Group, p.Account)
	if gone(err) {
		return s, nil
	}
	if err != nil {
		return Start{}, err
	}
	keys, err := a.Key(ctx, acct.UID)
	s.AccountName, s.AccountKey = acct.Name, keys.Primary
	return s, err
}

func (a *Accounts) plan(ctx context.Context, w Wish) (plan, error) {
	sealed, err := a.ids.Store().GetSecret(ctx, planOwner, planName)
	if err != nil {
		return plan{}, err
	}
	if sealed != nil {
		clear, err := a.ids.Sealer().Open(planOwner, planName, sealed)
		if err != nil {
			return plan{}, err
		}
		var p plan
		if err := json.Unmarshal(clear.Reveal(), &p); err != nil {
			return plan{}, fault.New("InternalError", "").Because(err)
		}
		return p, nil
	}
	// What is kept is gone on with for ever, so a mistake must not get that far.
	if _, err := needRegion(either(w.Location, DefaultLocation), "LocationNotAvailableForResourceGroup"); err != nil {
		return plan{}, err
	}
	p := plan{
		Tenant: uuid.NewString(), Subscription: uuid.NewString(), App: uuid.NewString(), Object: uuid.NewString(), Assignment: uuid.NewString(),
		Group: either(w.ResourceGroup, DefaultGroup), Location: either(w.Location, DefaultLocation), Account: either(w.AccountName, DefaultAccount),
	}
	return p, a.keepPlan(ctx, p)
}

func (a *Accounts) keepPlan(ctx context.Context, p plan) error {
	clear, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return a.ids.Store().PutSecret(ctx, planOwner, planName, a.ids.Sealer().Seal(planOwner, planName, clear))
}

// makePrincipal makes tenant and application, and gives a secret that works
// when one was asked for or made.
func (a *Accounts) makePrincipal(ctx context.Context, p plan, w Wish) (identity.Secret, error) {
	if _, err := a.ids.Tenant(ctx, p.Tenant); fault.Is(err, "TenantNotFound") {
		if _, err := a.ids.AddTenant(ctx, p.Tenant, "Millpond"); err != nil {
			return identity.Secret{}, err
		}
	} else if err != nil {
		return identity.Secret{}, err
	}
	app, err := a.ids.Application(ctx, p.App)
	switch {
	case fault.Is(err, "ApplicationNotFound"):
		_, secret, err := a.ids.AddApplication(ctx, identity.Application{TenantID: p.Tenant, AppID: p.App, ObjectID: p.Object, DisplayName: "millpond-admin"})
		return secret, err
	case err != nil:
		return identity.Secret{}, err
	case w.ClientSecret != "" && app.Proves(w.ClientSecret):
		return identity.NewSecret([]byte(w.ClientSecret)), nil
	case w.NeedSecret:
		return a.ids.AddClientSecret(ctx, p.App)
	}
	return identity.Secret{}, nil
}

func (a *Accounts) makeResources(ctx context.Context, p plan) error {
	_, err := a.AddSubscription(ctx, p.Subscription, p.Tenant, "Millpond", true)
	if err != nil && !fault.Is(err, "ResourceExists") {
		return err
	}
	admin := identity.Principal{TenantID: p.Tenant, ObjectID: p.Object, AppID: p.App}
	if _, err := a.ids.Assign(ctx, admin, identity.Grant{
		Scope: SubscriptionID(p.Subscription), Name: p.Assignment, Role: identity.RoleOwner,
		PrincipalID: p.Object, PrincipalType: "ServicePrincipal",
	}); err != nil {
		return err
	}
	if _, _, err := a.PutGroup(ctx, p.Subscription, p.Group, p.Location, nil); err != nil {
		return err
	}
	_, err = a.Put(ctx, p.Subscription, p.Group, p.Account, Spec{Location: p.Location})
	return err
}

func either(given, otherwise string) string {
	if given != "" {
		return given
	}
	return otherwise
}
