package account

import (
	"context"
	"net"
	"regexp"
	"strings"
	"sync"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Accounts is every act on subscriptions, groups and Batch accounts. Make it
// with New; it is safe for use by many requests at once.
type Accounts struct {
	store  resource.Store
	ids    *identity.Identity
	clock  resource.Clock
	quotas Quotas
	wake   func()

	naming        sync.Mutex // held from the check of a name to its use
	subscriptions cached[Subscription]
	accounts      cached[Account]
	keys          keyCache
}

// New makes the service. quotas are given to accounts made from now on; wake
// tells the loops that a deletion was begun, and may be nil.
func New(store resource.Store, ids *identity.Identity, clock resource.Clock, quotas Quotas, wake func()) *Accounts {
	if wake == nil {
		wake = func() {}
	}
	a := &Accounts{store: store, ids: ids, clock: clock, quotas: quotas, wake: wake}
	a.subscriptions = cached[Subscription]{store: store, clock: clock, typ: TypeSubscription, decode: subscriptionOf}
	a.accounts = cached[Account]{store: store, clock: clock, typ: TypeAccount, decode: accountOf}
	a.keys.by = map[string]kept{}
	return a
}

// Quotas of one Batch account, in cores and counts.
type Quotas struct {
	DedicatedCores        int `json:"dedicatedCores"`
	LowPriorityCores      int `json:"lowPriorityCores"`
	Pools                 int `json:"pools"`
	ActiveJobsAndSchedule int `json:"activeJobsAndSchedules"`
	// AccountsPerRegion is the subscription's, in each region.
	AccountsPerRegion int `json:"accountsPerRegion,omitempty"`
}

// DefaultQuotas are Azure's for pools, jobs and accounts. Cores are set high:
// Azure raises them on request, and here nobody is asked.
func DefaultQuotas() Quotas {
	return Quotas{DedicatedCores: 10_000, LowPriorityCores: 10_000, Pools: 100, ActiveJobsAndSchedule: 300, AccountsPerRegion: 50}
}

// Ways to prove oneself to an account (allowedAuthenticationModes).
const (
	SharedKey               = "SharedKey"
	AAD                     = "AAD"
	TaskAuthenticationToken = "TaskAuthenticationToken"
)

// Account is a Batch account. What it does not hold on purpose is its address:
// faces build accountEndpoint from the request.
type Account struct {
	ID                  resource.ID
	UID                 string
	Name                string
	Location            string // short name of the region
	Tags                map[string]string
	State               string
	Created             resource.Ticks
	Modified            resource.Ticks // of the last user write: ETag and Last-Modified
	Quotas              Quotas
	AuthenticationModes []string
	// NodeEndpoint is the GUID in nodeManagementEndpoint.
	NodeEndpoint string
}

type accountBody struct {
	Quotas              Quotas   `json:"quotas"`
	AuthenticationModes []string `json:"authenticationModes"`
	NodeEndpoint        string   `json:"nodeEndpoint"`
}

func accountOf(rec resource.Record) (Account, error) {
	id, err := resource.ParseID(rec.ID)
	if err != nil {
		return Account{}, err
	}
	body, err := resource.Decode[accountBody](rec)
	return Account{
		ID: id, UID: rec.UID, Name: id.Name(), Location: rec.Location, Tags: rec.Tags, State: rec.State,
		Created: rec.Created, Modified: rec.Modified,
		Quotas: body.Quotas, AuthenticationModes: body.AuthenticationModes, NodeEndpoint: body.NodeEndpoint,
	}, err
}

// Allows reports whether the account takes the way of authentication.
func (a Account) Allows(mode string) bool {
	for _, m := range a.AuthenticationModes {
		if m == mode {
			return true
		}
	}
	return false
}

// accountName is Azure's rule, and why names fold to themselves.
var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// AccountID is the resource id of an account.
func AccountID(subscription, group, name string) resource.ID {
	return resource.ID{Subscription: subscription, ResourceGroup: group}.In("Microsoft.Batch").Child("batchAccounts", name)
}

// Account finds one by its place; ResourceNotFound, ResourceGroupNotFound.
func (a *Accounts) Account(ctx context.Context, subscription, group, name string) (Account, error) {
	if _, err := a.Group(ctx, subscription, group); err != nil {
		return Account{}, err
	}
	all, err := a.accounts.all(ctx)
	if err != nil {
		return Account{}, err
	}
	id := AccountID(subscription, group, name)
	for _, acct := range all {
		if acct.ID.Fold() == id.Fold() {
			return acct, nil
		}
	}
	return Account{}, notFound(id)
}

// List gives the accounts of a subscription, or of one group of it.
func (a *Accounts) List(ctx context.Context, subscription, group string) ([]Account, error) {
	if group != "" {
		if _, err := a.Group(ctx, subscription, group); err != nil {
			return nil, err
		}
	}
	all, err := a.accounts.all(ctx)
	if err != nil {
		return nil, err
	}
	mine := []Account{}
	for _, acct := range all {
		if strings.EqualFold(acct.ID.Subscription, subscription) && (group == "" || strings.EqualFold(acct.ID.ResourceGroup, group)) {
			mine = append(mine, acct)
		}
	}
	return mine, nil
}

// ByName finds an account by its name alone, as the path style does; one that
// is being deleted is AccountNotFound. So is a name used in two regions: only
// the host style can tell them apart.
func (a *Accounts) ByName(ctx context.Context, name string) (Account, error) {
	return a.one(ctx, name, "")
}

// ByHost finds an account by a host of the form account.region.domain[:port].
func (a *Accounts) ByHost(ctx context.Context, host string) (Account, error) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	labels := strings.SplitN(host, ".", 3)
	if len(labels) < 3 {
		return Account{}, missing(host)
	}
	region, _, ok := Region(labels[1])
	if !ok {
		return Account{}, missing(labels[0])
	}
	return a.one(ctx, labels[0], region)
}

// ByUID finds an account by its uid.
func (a *Accounts) ByUID(ctx context.Context, uid string) (Account, error) {
	all, err := a.accounts.all(ctx)
	if err != nil {
		return Account{}, err
	}
	for _, acct := range all {
		if acct.UID == uid {
			return acct, nil
		}
	}
	return Account{}, missing(uid)
}

func (a *Accounts) one(ctx context.Context, name, region string) (Account, error) {
	all, err := a.accounts.all(ctx)
	if err != nil {
		return Account{}, err
	}
	var found []Account
	for _, acct := range all {
		// One that is being deleted has no endpoint any more, or pools made now
		// would keep it from ever being empty.
		if strings.EqualFold(acct.Name, name) && (region == "" || acct.Location == region) && acct.State != resource.Deleting {
			found = append(found, acct)
		}
	}
	if len(found) != 1 {
		return Account{}, missing(name)
	}
	return found[0], nil
}

func missing(name string) error {
	return fault.Newf("AccountNotFound", "The specified account '%s' does not exist.", clip(name))
}

// notFound is Resource Manager's sentence for a missing resource.
func notFound(id resource.ID) error {
	return fault.Newf("ResourceNotFound",
		"The Resource '%s/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		id.Type(), clip(strings.Join(id.Names, "/")), clip(id.ResourceGroup))
}
