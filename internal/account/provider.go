package account

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Provider is a namespace of Resource Manager that this service answers for.
type Provider struct {
	Namespace string
	Types     []ProviderType
	// Always says that it needs no registration, as Azure's own two.
	Always bool
}

// ProviderType is one kind of resource of a provider and the api-versions its
// clients are known to send; others are accepted too.
type ProviderType struct {
	Name     string
	Versions []string
	Regional bool // exists in every region, against global
}

// Registration states as clients read them.
const (
	Registered    = "Registered"
	NotRegistered = "NotRegistered"
)

var (
	computeVersions = []string{"2025-04-01", "2024-07-01", "2024-03-01", "2023-09-01", "2023-03-01", "2022-11-01", "2022-08-01", "2022-03-01", "2021-11-01"}
	diskVersions    = []string{"2025-01-02", "2024-03-02", "2023-10-02", "2023-04-02", "2022-07-02", "2022-03-02", "2021-12-01"}
	galleryVersions = []string{"2025-03-03", "2024-03-03", "2023-07-03", "2022-08-03", "2022-03-03", "2022-01-03", "2021-10-01", "2021-07-01"}
	batchVersions   = []string{"2025-06-01", "2024-07-01", "2024-02-01", "2023-11-01", "2023-05-01", "2022-10-01", "2022-06-01", "2022-01-01", "2021-06-01", "2019-08-01"}
)

var providers = []Provider{
	{Namespace: "Microsoft.Batch", Types: []ProviderType{
		{"batchAccounts", batchVersions, true}, {"batchAccounts/pools", batchVersions, true},
		{"operations", batchVersions, false}, {"locations", batchVersions, false}, {"locations/quotas", batchVersions, false},
		{"locations/checkNameAvailability", batchVersions, false}, {"locations/accountOperationResults", batchVersions, false},
		{"locations/virtualMachineSkus", batchVersions, false},
	}},
	{Namespace: "Microsoft.Compute", Types: []ProviderType{
		{"virtualMachines", computeVersions, true}, {"images", computeVersions, true},
		{"disks", diskVersions, true}, {"snapshots", diskVersions, true},
		{"galleries", galleryVersions, true}, {"galleries/images", galleryVersions, true}, {"galleries/images/versions", galleryVersions, true},
		{"locations", computeVersions, false}, {"locations/operations", computeVersions, false},
		{"locations/DiskOperations", diskVersions, false}, {"locations/capsOperations", galleryVersions, false},
		{"locations/publishers", computeVersions, false}, {"locations/vmSizes", computeVersions, false}, {"locations/usages", computeVersions, false},
		{"skus", []string{"2021-07-01", "2019-04-01"}, true}, {"operations", computeVersions, false},
	}},
	{Namespace: "Microsoft.Resources", Always: true, Types: []ProviderType{
		{"subscriptions", []string{"2022-12-01", "2021-04-01", "2019-11-01", "2016-06-01"}, false},
		{"resourceGroups", []string{"2022-09-01", "2021-04-01", "2019-10-01"}, false},
		{"tenants", []string{"2022-12-01", "2019-11-01"}, false}, {"locations", []string{"2022-12-01"}, false},
		{"providers", []string{"2021-04-01"}, false}, {"resources", []string{"2021-04-01"}, false},
	}},
	{Namespace: "Microsoft.Authorization", Always: true, Types: []ProviderType{
		{"roleAssignments", []string{"2022-04-01", "2020-04-01-preview", "2018-09-01-preview", "2015-07-01"}, false},
		{"roleDefinitions", []string{"2022-04-01", "2018-01-01-preview", "2015-07-01"}, false},
	}},
}

// Providers lists every namespace this service answers for.
func Providers() []Provider { return providers }

// ProviderNamed finds a namespace in any casing; InvalidResourceNamespace.
func ProviderNamed(namespace string) (Provider, error) {
	for _, p := range providers {
		if strings.EqualFold(p.Namespace, namespace) {
			return p, nil
		}
	}
	return Provider{}, fault.Newf("InvalidResourceNamespace", "The resource namespace '%s' is invalid.", namespace)
}

// State is the provider's registration state in the subscription.
func (s Subscription) State(p Provider) string {
	if p.Always || s.providers[resource.Fold(p.Namespace)] {
		return Registered
	}
	return NotRegistered
}

// Registered reports whether the subscription has the namespace. Namespaces
// this service does not answer for are not registered.
func (a *Accounts) Registered(ctx context.Context, subscription, namespace string) (bool, error) {
	s, err := a.Subscription(ctx, subscription)
	if err != nil {
		return false, err
	}
	p, err := ProviderNamed(namespace)
	return err == nil && s.State(p) == Registered, nil
}

// MustBeRegistered refuses as Resource Manager does for resources of a
// namespace that was never registered: MissingSubscriptionRegistration.
func (a *Accounts) MustBeRegistered(ctx context.Context, subscription, namespace string) error {
	ok, err := a.Registered(ctx, subscription, namespace)
	if err != nil || ok {
		return err
	}
	return fault.Newf("MissingSubscriptionRegistration",
		"The subscription is not registered to use namespace '%s'. See https://aka.ms/rps-not-found for how to register subscriptions.", namespace)
}

// Register registers a namespace at once, and Unregister takes it back.
func (a *Accounts) Register(ctx context.Context, subscription, namespace string) (Subscription, Provider, error) {
	return a.register(ctx, subscription, namespace, true)
}

// Unregister leaves resources of the namespace as they are; new ones are
// refused.
func (a *Accounts) Unregister(ctx context.Context, subscription, namespace string) (Subscription, Provider, error) {
	return a.register(ctx, subscription, namespace, false)
}

func (a *Accounts) register(ctx context.Context, subscription, namespace string, on bool) (Subscription, Provider, error) {
	p, err := ProviderNamed(namespace)
	if err != nil {
		return Subscription{}, p, err
	}
	if _, err := a.Subscription(ctx, subscription); err != nil {
		return Subscription{}, p, err
	}
	rec, err := a.store.UpdateResource(ctx, SubscriptionID(subscription), nil, func(rec *resource.Record) error {
		body, err := resource.Decode[subscriptionBody](*rec)
		if err != nil {
			return err
		}
		if body.Providers == nil {
			body.Providers = map[string]bool{}
		}
		body.Providers[resource.Fold(p.Namespace)] = on
		return rec.Encode(body)
	})
	a.subscriptions.drop()
	if err != nil {
		return Subscription{}, p, err
	}
	s, err := subscriptionOf(rec)
	return s, p, err
}
