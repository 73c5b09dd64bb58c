package batchapi

import (
	"millpond/internal/gallery"
	"millpond/internal/pool"
	"millpond/internal/web"
)

func (a *API) listSupportedImages(c *web.Call) (web.Reply, error) {
	listed, err := a.Images.List(c.Context())
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[gallery.Listed, SupportedImage]{
		of: "supportedimages", field: imageField, key: func(l gallery.Listed) string { return l.Key() },
		next: func(after string, limit int) ([]gallery.Listed, error) {
			var rest []gallery.Listed
			for _, l := range listed {
				if l.Key() > after && len(rest) < limit {
					rest = append(rest, l)
				}
			}
			return rest, nil
		},
		show: always(supportedOut),
	})
}

func supportedOut(l gallery.Listed) SupportedImage {
	out := SupportedImage{
		ImageReference:   &ImageReference{Publisher: new(l.Publisher), Offer: new(l.Offer), SKU: new(l.SKU), Version: new("latest")},
		VerificationType: new(ImageVerificationType(verification(l))), NodeAgentSKUID: new(l.AgentSKU),
		Capabilities: l.Capabilities, OSType: new(OSType(l.OSType)),
	}
	if at, ok := web.ParseTime(l.EndOfLife); ok {
		out.BatchSupportEndOfLife = &at
	}
	return out
}

func verification(l gallery.Listed) string {
	if l.Verified {
		return "verified"
	}
	return "unverified"
}

func imageField(l gallery.Listed) func(string) any {
	return func(path string) any {
		switch path {
		case "nodeAgentSKUId":
			return l.AgentSKU
		case "verificationType":
			return verification(l)
		case "osType":
			return l.OSType
		case "imageReference/publisher":
			return l.Publisher
		case "imageReference/offer":
			return l.Offer
		case "imageReference/sku":
			return l.SKU
		}
		return unknown{}
	}
}

func (a *API) listPoolNodeCounts(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	ctx := c.Context()
	counts, err := a.PoolStore.NodeCounts(ctx, acct.Owner.UID)
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[*pool.Pool, PoolNodeCounts]{
		of: "poolnodecounts", key: poolKey,
		next: func(after string, limit int) ([]*pool.Pool, error) {
			return a.PoolStore.ListPools(ctx, acct.Owner.UID, after, limit)
		},
		field: func(p *pool.Pool) func(string) any {
			return func(path string) any {
				if path == "poolId" {
					return p.Spec.ID
				}
				return unknown{}
			}
		},
		show: always(func(p *pool.Pool) PoolNodeCounts {
			return PoolNodeCounts{PoolID: new(p.Spec.ID), Dedicated: stateCounts(counts[p.UID][true]), LowPriority: stateCounts(counts[p.UID][false])}
		}),
	})
}

// stateCounts shows every state, also those without a node.
func stateCounts(by map[string]int) *NodeCounts {
	total := 0
	for _, n := range by {
		total += n
	}
	n := func(state string) *int32 { return countOf(by[state]) }
	return &NodeCounts{
		Creating: n(pool.NodeCreating), Idle: n(pool.NodeIdle), LeavingPool: n(pool.NodeLeaving), Offline: n(pool.NodeOffline),
		Preempted: n(pool.NodePreempted), Rebooting: n(pool.NodeRebooting), Reimaging: n(pool.NodeReimaging),
		Running: n(pool.NodeRunning), Starting: n(pool.NodeStarting), StartTaskFailed: n(pool.NodeStartTaskFailed),
		Unusable: n(pool.NodeUnusable), Unknown: n(pool.NodeUnknown), WaitingForStartTask: n(pool.NodeWaiting),
		Total: countOf(total),
	}
}
