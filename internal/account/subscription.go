package account

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Types of the resources this room owns.
const (
	TypeSubscription = "Microsoft.Resources/subscriptions"
	TypeGroup        = "Microsoft.Resources/resourceGroups"
	TypeAccount      = "Microsoft.Batch/batchAccounts"
)

// Subscription belongs to one tenant and remembers which providers were
// registered in it.
type Subscription struct {
	ID          string
	TenantID    string
	DisplayName string
	providers   map[string]bool // folded namespace
}

type subscriptionBody struct {
	TenantID    string          `json:"tenantId"`
	DisplayName string          `json:"displayName"`
	Providers   map[string]bool `json:"providers"`
}

// SubscriptionID is the resource id of a subscription's GUID.
func SubscriptionID(guid string) string { return "/subscriptions/" + guid }

// AddSubscription makes a subscription in a tenant; id "" takes a new one.
// registered says whether the providers are registered already, as in a
// deployment's own subscription; others start without, as in Azure.
func (a *Accounts) AddSubscription(ctx context.Context, id, tenantID, displayName string, registered bool) (Subscription, error) {
	if _, err := a.ids.Tenant(ctx, tenantID); err != nil {
		return Subscription{}, err
	}
	if id == "" {
		id = uuid.NewString()
	}
	body := subscriptionBody{TenantID: tenantID, DisplayName: displayName, Providers: map[string]bool{}}
	for _, p := range providers {
		if registered {
			body.Providers[resource.Fold(p.Namespace)] = true
		}
	}
	now := a.clock.Now()
	rec := resource.Record{ID: SubscriptionID(id), UID: uuid.NewString(), State: resource.Succeeded, Created: now, Modified: now}
	if err := rec.Encode(body); err != nil {
		return Subscription{}, err
	}
	defer a.subscriptions.drop() // also when it exists: then another made it unseen
	if err := a.store.CreateResource(ctx, rec, nil); err != nil {
		return Subscription{}, err
	}
	return subscriptionOf(rec)
}

func subscriptionOf(rec resource.Record) (Subscription, error) {
	id, err := resource.ParseID(rec.ID)
	if err != nil {
		return Subscription{}, err
	}
	body, err := resource.Decode[subscriptionBody](rec)
	return Subscription{ID: id.Subscription, TenantID: body.TenantID, DisplayName: body.DisplayName, providers: body.Providers}, err
}

// Subscriptions lists those of a tenant; "" lists all.
func (a *Accounts) Subscriptions(ctx context.Context, tenantID string) ([]Subscription, error) {
	all, err := a.subscriptions.all(ctx)
	if err != nil {
		return nil, err
	}
	var mine []Subscription
	for _, s := range all {
		if tenantID == "" || strings.EqualFold(s.TenantID, tenantID) {
			mine = append(mine, s)
		}
	}
	return mine, nil
}

// Subscription finds one by its GUID; SubscriptionNotFound.
func (a *Accounts) Subscription(ctx context.Context, guid string) (Subscription, error) {
	all, err := a.subscriptions.all(ctx)
	if err != nil {
		return Subscription{}, err
	}
	for _, s := range all {
		if strings.EqualFold(s.ID, guid) {
			return s, nil
		}
	}
	return Subscription{}, fault.Newf("SubscriptionNotFound", "The subscription '%s' could not be found.", guid)
}

// Tenant is the tenant of a subscription; SubscriptionNotFound.
func (a *Accounts) Tenant(ctx context.Context, subscription string) (string, error) {
	s, err := a.Subscription(ctx, subscription)
	return s.TenantID, err
}
