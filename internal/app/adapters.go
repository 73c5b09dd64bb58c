package app

import (
	"context"
	"strings"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/layer"
	"millpond/internal/pool"
	"millpond/internal/web/batchapi"
)

// accounts shows the account room to the Batch face and the loops.
type accounts struct{ *account.Accounts }

// BatchAccount finds the account a request is for, by its name or host.
func (a accounts) BatchAccount(ctx context.Context, name string) (batchapi.Account, error) {
	find := a.ByName
	if strings.Contains(name, ".") {
		find = a.ByHost // the same name may stand for another account in another region
	}
	acct, err := find(ctx, name)
	if err != nil {
		return batchapi.Account{}, err
	}
	owner, err := a.owner(ctx, acct)
	if err != nil {
		return batchapi.Account{}, err
	}
	return batchapi.Account{
		Owner: owner, ID: acct.ID.String(), TenantID: owner.TenantID, LiveJobs: acct.Quotas.ActiveJobsAndSchedule,
		SharedKey: acct.Allows(account.SharedKey), AAD: acct.Allows(account.AAD),
		Keys: func(ctx context.Context) ([2][]byte, error) {
			k, err := a.Key(ctx, acct.UID)
			return [2][]byte{k.Primary.Reveal(), k.Secondary.Reveal()}, err
		},
	}, nil
}

// OwnerByUID tells the loops whose a pool is.
func (a accounts) OwnerByUID(ctx context.Context, uid string) (pool.Owner, error) {
	acct, err := a.ByUID(ctx, uid)
	if err != nil {
		return pool.Owner{}, err
	}
	return a.owner(ctx, acct)
}

func (a accounts) owner(ctx context.Context, acct account.Account) (pool.Owner, error) {
	tenant, err := a.Tenant(ctx, acct.ID.Subscription)
	return pool.Owner{
		UID: acct.UID, Name: acct.Name, Subscription: acct.ID.Subscription, TenantID: tenant, Region: acct.Location,
		PoolQuota: acct.Quotas.Pools, DedicatedCores: acct.Quotas.DedicatedCores, LowPriorityCores: acct.Quotas.LowPriorityCores,
	}, err
}

// images shows the gallery room to pools and the loops.
type images struct{ *gallery.Images }

// ImageFor asks the gallery room for every image rule.
func (g images) ImageFor(ctx context.Context, who identity.Principal, owner pool.Owner, ref pool.ImageReference, agentSKU string) (pool.Image, error) {
	r, err := g.Images.ImageFor(ctx, who,
		gallery.Asker{Subscription: owner.Subscription, Tenant: owner.TenantID, Region: owner.Region},
		gallery.ImageReference{Publisher: ref.Publisher, Offer: ref.Offer, SKU: ref.SKU, Version: ref.Version, VMImageID: ref.VMImageID},
		agentSKU, true)
	if err != nil {
		return pool.Image{}, err
	}
	return pool.Image{ExactVersion: r.ExactVersion, VersionID: r.VersionID, VersionUID: r.VersionUID, Catalogue: r.Catalogue,
		OSType: r.OSType, Region: owner.Region}, nil
}

// TreeFor gives the root of a pool's n-th node.
func (g images) TreeFor(ctx context.Context, image pool.Image, n int) (layer.Tree, error) {
	if image.OSType == "windows" {
		return layer.Tree{}, fault.New("AllocationFailed",
			"Windows nodes cannot run here: the machine provider of this deployment runs Linux only. Use a Linux image.")
	}
	return g.Images.TreeFor(ctx, gallery.Resolved{Catalogue: image.Catalogue, VersionID: image.VersionID,
		VersionUID: image.VersionUID, ExactVersion: image.ExactVersion}, image.Region, n)
}
