package batchapi

import (
	"strings"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) createPool(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body PoolAdd
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec, want, err := poolSpec(&body)
	if err != nil {
		return web.Reply{}, err
	}
	if id := spec.ImageReference.VMImageID; c.Version < v2019Aug && strings.Contains(resource.Fold(id), "/galleries/") {
		return web.Reply{}, fault.Property("virtualMachineImageId", id, "Gallery images need api-version "+v2019Aug+" or later.")
	}
	p, err := a.Pools.Create(c.Context(), c.Principal, acct.Owner, spec, want)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Created(p.Modified, c.URL("pools", p.Spec.ID)), nil
}

func (a *API) listPools(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[*pool.Pool, *Pool]{
		of: "pools", key: poolKey, field: poolField,
		next: func(after string, limit int) ([]*pool.Pool, error) {
			return a.PoolStore.ListPools(c.Context(), acct.Owner.UID, after, limit)
		},
		show: always(func(p *pool.Pool) *Pool { return poolOut(c, p) }),
	})
}

func poolKey(p *pool.Pool) string { return folded(p.Spec.ID) }

// findPool is the pool of the path, with the read's conditions checked.
func (a *API) findPool(c *web.Call) (Account, *pool.Pool, error) {
	acct, err := a.account(c)
	if err != nil {
		return acct, nil, err
	}
	p, err := a.PoolStore.GetPool(c.Context(), acct.Owner.UID, c.Param("poolId"))
	return acct, p, err
}

func (a *API) getPool(c *web.Call) (web.Reply, error) {
	_, p, err := a.findPool(c)
	if err != nil {
		return web.Reply{}, err
	}
	if err := c.Conditions().Check(p.Modified); err != nil {
		return web.Reply{}, err
	}
	return web.Entity("pools/@Element", p.Modified, poolOut(c, p)), nil
}

func (a *API) poolExists(c *web.Call) (web.Reply, error) {
	_, p, err := a.findPool(c)
	if err != nil {
		return web.Reply{}, err
	}
	if err := c.Conditions().Check(p.Modified); err != nil {
		return web.Reply{}, err
	}
	return web.Empty(p.Modified), nil
}

// poolCheck hands the request's conditions into the noun's transaction.
func poolCheck(c *web.Call) func(*pool.Pool) error {
	return func(p *pool.Pool) error { return c.Conditions().Check(p.Modified) }
}

func (a *API) updatePool(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body PoolPatch
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := onlySupports("", &body, "startTask", "metadata", "targetNodeCommunicationMode", "applicationPackageReferences"); err != nil {
		return web.Reply{}, err
	}
	if err := packages(body.ApplicationPackageReferences); err != nil {
		return web.Reply{}, err
	}
	var patch pool.Patch
	if body.StartTask != nil {
		if patch.StartTask, err = startTask(body.StartTask); err != nil {
			return web.Reply{}, err
		}
	}
	if body.Metadata != nil {
		patch.Metadata = new(metadata(body.Metadata))
	}
	if body.TargetNodeCommunicationMode != nil {
		patch.CommunicationMode = new(string(*body.TargetNodeCommunicationMode))
	}
	p, err := a.Pools.Update(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), poolCheck(c), patch)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(p.Modified), nil
}

func (a *API) deletePool(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return deleted(), a.Pools.Delete(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), poolCheck(c))
}

func (a *API) resizePool(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body PoolResize
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	want := pool.Targets{Dedicated: whole(body.TargetDedicatedNodes), LowPriority: whole(body.TargetLowPriorityNodes),
		Timeout: span(body.ResizeTimeout), Deallocation: string(val(body.NodeDeallocationOption))}
	if body.TargetDedicated != nil {
		want.Dedicated = whole(body.TargetDedicated)
	}
	p, err := a.Pools.Resize(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), poolCheck(c), want)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(p.Modified), nil
}

func (a *API) stopPoolResize(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	p, err := a.Pools.StopResize(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), poolCheck(c))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(p.Modified), nil
}

func (a *API) removeNodes(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body NodeRemove
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	p, err := a.Pools.Remove(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), body.NodeList, poolCheck(c),
		pool.Targets{Timeout: span(body.ResizeTimeout), Deallocation: string(val(body.NodeDeallocationOption))})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(p.Modified), nil
}
