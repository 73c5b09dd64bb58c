package account

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Spec is the wish for an account. Empty strings stand for what was not sent.
type Spec struct {
	Location            string
	Tags                map[string]string
	AutoStorage         string // storageAccountId
	PoolAllocationMode  string
	PublicNetworkAccess string
	KeySource           string // of encryption
	IdentityType        string
	AuthenticationModes []string // nil is all
	// Refused names a property of the contract that has no field here.
	Refused string
}

// check finds every fault of the wish at once.
func (s Spec) check() error {
	var wrong fault.Problems
	refuse := func(set bool, name, reason string) {
		if set {
			wrong.Add(fault.Unsupported(name, reason))
		}
	}
	refuse(s.AutoStorage != "", "properties.autoStorage",
		"No storage account can be known here: the service has no Microsoft.Storage provider. Leave autoStorage out")
	refuse(s.PoolAllocationMode != "" && !strings.EqualFold(s.PoolAllocationMode, "BatchService"), "properties.poolAllocationMode",
		"Only BatchService is offered")
	refuse(s.PublicNetworkAccess != "" && !strings.EqualFold(s.PublicNetworkAccess, "Enabled"), "properties.publicNetworkAccess",
		"Only Enabled is offered; who reaches the service is decided by its listen address")
	refuse(s.KeySource != "" && !strings.EqualFold(s.KeySource, "Microsoft.Batch"), "properties.encryption.keySource",
		"Only Microsoft.Batch is offered")
	refuse(s.IdentityType != "" && !strings.EqualFold(s.IdentityType, "None"), "identity.type", "Only None is offered")
	refuse(s.Refused != "", s.Refused, "The property is not offered")
	_, err := modes(s.AuthenticationModes)
	wrong.Add(err)
	wrong.Add(checkTags(s.Tags))
	return wrong.Err()
}

// modes gives the account's ways of authentication in Azure's order.
func modes(given []string) ([]string, error) {
	all := []string{SharedKey, AAD, TaskAuthenticationToken}
	if given == nil {
		return all, nil
	}
	var chosen []string
	for _, m := range all {
		for _, g := range given {
			if strings.EqualFold(m, g) {
				chosen = append(chosen, m)
				break
			}
		}
	}
	if len(chosen) != len(given) || len(chosen) == 0 {
		return nil, fault.Property("properties.allowedAuthenticationModes", strings.Join(given, ","), "The values are SharedKey, AAD and TaskAuthenticationToken, each at most once")
	}
	return chosen, nil
}

// Put makes an account or changes one, and gives the finished operation whose
// result clients poll for.
func (a *Accounts) Put(ctx context.Context, subscription, group, name string, spec Spec) (resource.Operation, error) {
	if !accountName.MatchString(name) {
		return resource.Operation{}, fault.New("InvalidAccountName", nameRule).With("target", "accountName")
	}
	region, err := needRegion(spec.Location, "LocationNotAvailableForResourceType")
	if err != nil {
		return resource.Operation{}, err
	}
	if err := spec.check(); err != nil {
		return resource.Operation{}, err
	}
	if err := a.MustBeRegistered(ctx, subscription, "Microsoft.Batch"); err != nil {
		return resource.Operation{}, err
	}
	g, err := a.Group(ctx, subscription, group)
	if err != nil {
		return resource.Operation{}, err
	}
	a.naming.Lock()
	defer a.naming.Unlock()
	there, err := a.Account(ctx, subscription, group, name)
	switch {
	case err == nil:
		return a.replace(ctx, there, region, spec)
	case !fault.Is(err, "ResourceNotFound"):
		return resource.Operation{}, err
	}
	if err := a.roomFor(ctx, subscription, name, region); err != nil {
		return resource.Operation{}, err
	}
	return a.create(ctx, AccountID(g.ID.Subscription, g.ID.ResourceGroup, name), region, spec)
}

const nameRule = "Account name is invalid. The name must be between 3 and 24 characters long and use only lower-case letters and numbers."

// roomFor checks that the name is free in the region and the subscription may
// have one more account there.
func (a *Accounts) roomFor(ctx context.Context, subscription, name, region string) error {
	all, err := a.accounts.all(ctx)
	if err != nil {
		return err
	}
	mine := 0
	for _, acct := range all {
		if acct.Location != region {
			continue
		}
		if strings.EqualFold(acct.Name, name) {
			return fault.Newf("AccountAlreadyExists", "An account named '%s' is already in use.", name)
		}
		if strings.EqualFold(acct.ID.Subscription, subscription) {
			mine++
		}
	}
	if limit := a.quotas.AccountsPerRegion; limit > 0 && mine >= limit {
		return fault.Newf("SubscriptionQuotaReached", "The regional account quota of %d Batch accounts for the specified subscription has been reached.", limit)
	}
	return nil
}

func (a *Accounts) create(ctx context.Context, id resource.ID, region string, spec Spec) (resource.Operation, error) {
	now := a.clock.Now()
	rec := resource.Record{ID: id.String(), UID: uuid.NewString(), Location: region, Tags: spec.Tags, State: resource.Succeeded, Created: now, Modified: now}
	chosen, err := modes(spec.AuthenticationModes)
	if err != nil {
		return resource.Operation{}, err
	}
	quotas := a.quotas
	quotas.AccountsPerRegion = 0
	if err := rec.Encode(accountBody{Quotas: quotas, AuthenticationModes: chosen, NodeEndpoint: uuid.NewString()}); err != nil {
		return resource.Operation{}, err
	}
	// Keys first: an account without keys would be worse than keys without one.
	if err := a.newKeys(ctx, rec.UID); err != nil {
		return resource.Operation{}, err
	}
	op := a.finished(rec, "accounts.create")
	if err := a.store.CreateResource(ctx, rec, &op); err != nil {
		_ = a.ids.Store().DeleteSecrets(ctx, rec.UID) // nobody knows the uid; what stays is waste, not harm
		return resource.Operation{}, err
	}
	a.accounts.drop()
	return op, nil
}

// finished is an operation that ended as it began: accounts need no loop.
func (a *Accounts) finished(rec resource.Record, kind string) resource.Operation {
	now := a.clock.Now()
	return resource.Operation{
		GUID: uuid.NewString(), ResourceID: rec.ID, UID: rec.UID, Kind: kind,
		Status: resource.Succeeded, Location: rec.Location, Start: now, End: now,
	}
}

func (a *Accounts) replace(ctx context.Context, there Account, region string, spec Spec) (resource.Operation, error) {
	if there.Location != region {
		return resource.Operation{}, fault.Newf("InvalidResourceLocation",
			"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
			there.Name, there.Location, there.ID.ResourceGroup, region)
	}
	tags := spec.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	chosen, err := modes(spec.AuthenticationModes)
	if err != nil {
		return resource.Operation{}, err
	}
	op := a.finished(resource.Record{ID: there.ID.String(), UID: there.UID, Location: region}, "accounts.update")
	_, err = a.write(ctx, there, tags, chosen, &op)
	return op, err
}

// Update is PATCH: tags and authentication modes; what is nil stays.
func (a *Accounts) Update(ctx context.Context, subscription, group, name string, c Spec) (Account, error) {
	if err := c.check(); err != nil {
		return Account{}, err
	}
	there, err := a.Account(ctx, subscription, group, name)
	if err != nil {
		return Account{}, err
	}
	var chosen []string
	if c.AuthenticationModes != nil {
		if chosen, err = modes(c.AuthenticationModes); err != nil {
			return Account{}, err
		}
	}
	rec, err := a.write(ctx, there, c.Tags, chosen, nil)
	if err != nil {
		return Account{}, err
	}
	return accountOf(rec)
}

// write changes an account; nil leaves a part as it is.
func (a *Accounts) write(ctx context.Context, there Account, tags map[string]string, chosen []string, op *resource.Operation) (resource.Record, error) {
	now := a.clock.Now()
	defer a.accounts.drop()
	return a.store.UpdateResource(ctx, there.ID.String(), op, func(rec *resource.Record) error {
		if rec.UID != there.UID || rec.State == resource.Deleting {
			return fault.Newf("ResourceBeingDeleted", "The Batch account '%s' is being deleted.", there.Name)
		}
		if tags != nil {
			rec.Tags = tags
		}
		rec.Modified = now
		body, err := resource.Decode[accountBody](*rec)
		if err != nil {
			return err
		}
		if chosen != nil {
			body.AuthenticationModes = chosen
		}
		return rec.Encode(body)
	})
}

// Delete marks an account Deleting; a loop empties it and then calls
// FinishAccountDelete.
func (a *Accounts) Delete(ctx context.Context, subscription, group, name string) (resource.Operation, error) {
	there, err := a.Account(ctx, subscription, group, name)
	if err != nil {
		return resource.Operation{}, err
	}
	defer a.accounts.drop()
	return a.startDelete(ctx, there.ID, there.Location, KindAccountDelete)
}

// FinishAccountDelete removes an account whose pools and jobs are gone: its
// keys, its role assignments, its record, and ends the operation. It may be
// called again after a crash.
func (a *Accounts) FinishAccountDelete(ctx context.Context, op resource.Operation) error {
	rec, err := a.store.GetResource(ctx, op.ResourceID)
	if gone(err) || err == nil && rec.UID != op.UID {
		return a.store.EndOperation(ctx, op.GUID, nil, nil)
	}
	if err != nil {
		return err
	}
	if err := a.ids.DropScope(ctx, rec.ID); err != nil {
		return err
	}
	if err := a.store.DeleteResource(ctx, rec.ID, &op); err != nil {
		return err
	}
	a.accounts.drop()
	a.keys.drop(rec.UID)
	return a.ids.Store().DeleteSecrets(ctx, rec.UID)
}

// NameAvailable tells why a name cannot be used in a region; reason is
// AlreadyExists or Invalid, "" when it is free.
func (a *Accounts) NameAvailable(ctx context.Context, name, location string) (reason, message string, err error) {
	region, err := needRegion(location, "LocationNotAvailableForResourceType")
	if err != nil {
		return "", "", err
	}
	if !accountName.MatchString(name) {
		return "Invalid", nameRule, nil
	}
	all, err := a.accounts.all(ctx)
	if err != nil {
		return "", "", err
	}
	for _, acct := range all {
		if strings.EqualFold(acct.Name, name) && acct.Location == region {
			return "AlreadyExists", fmt.Sprintf("An account named '%s' is already in use.", name), nil
		}
	}
	return "", "", nil
}

// AccountQuota is how many accounts a subscription may have in a region.
func (a *Accounts) AccountQuota() int { return a.quotas.AccountsPerRegion }
