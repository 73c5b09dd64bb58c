package pool

import (
	"context"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Owner is what a pool's rules need to know of its Batch account.
type Owner struct {
	UID              string
	Name             string
	Subscription     string
	TenantID         string
	Region           string // short name
	PoolQuota        int
	DedicatedCores   int // quota over all pools of the account
	LowPriorityCores int
}

// Images resolves and checks the image of a pool: every image rule of the
// requirements stands behind it.
type Images interface {
	ImageFor(ctx context.Context, who identity.Principal, owner Owner, ref ImageReference, agentSKU string) (Image, error)
}

// Pools is every act on pools and their nodes.
type Pools struct {
	Store  PoolStore
	Nodes  NodeStore
	Images Images
	Clock  resource.Clock
	// Size gives cores and memory of a VM size in any casing; ok is false for an
	// unknown one.
	Size func(name string) (cores, memoryMiB int, ok bool)
	// Wake tells the loops that a pool or its nodes changed.
	Wake func(poolUID string)
}

// Targets is what a resize asks for; nil leaves a count as it is.
type Targets struct {
	Dedicated    *int
	LowPriority  *int
	Timeout      resource.Span // 0 = the default of 15 minutes
	Deallocation string        // requeue by default
}

// Create is every rule of POST /pools: the specification, the quota and the
// image; the nodes come later, by the loops.
func (ps *Pools) Create(ctx context.Context, who identity.Principal, owner Owner, spec Spec, want Targets) (*Pool, error) {
	spec.VMSize = resource.Fold(spec.VMSize)
	spec.Defaults()
	if want.Timeout == 0 {
		want.Timeout = DefaultResizeTimeout
	}
	dedicated, low := valueOf(want.Dedicated), valueOf(want.LowPriority)
	cores, _, _ := ps.Size(spec.VMSize)
	var p fault.Problems
	p.Add(spec.Check(cores))
	p.Add(CheckTargets(dedicated, low, want.Timeout))
	if err := p.Err(); err != nil {
		return nil, err
	}
	image, err := ps.Images.ImageFor(ctx, who, owner, spec.ImageReference, spec.NodeAgentSKU)
	if err != nil {
		return nil, err
	}
	n, err := ps.Store.CountPools(ctx, owner.UID)
	if err != nil {
		return nil, err
	}
	if n >= owner.PoolQuota {
		if _, err := ps.Store.GetPool(ctx, owner.UID, spec.ID); err == nil {
			return nil, fault.New("PoolExists", "")
		}
		return nil, fault.New("PoolQuotaReached", "The maximum number of pools for the Batch account has been reached.")
	}
	now := ps.Clock.Now()
	created := &Pool{
		AccountUID: owner.UID, Spec: spec, Image: image,
		State: Active, StateAt: now, Allocation: Resizing, AllocationAt: now,
		Created: now, Modified: now, ResizeStarted: now,
		TargetDedicated: dedicated, TargetLowPriority: low,
		ResizeTimeout: want.Timeout, Deallocation: "requeue",
	}
	if err := ps.Store.CreatePool(ctx, created, by(who, "PoolAdd")); err != nil {
		return nil, err
	}
	ps.Wake(created.UID)
	return created, nil
}

// Patch holds the parts of a pool that PATCH replaces whole when they are given.
type Patch struct {
	StartTask         *StartTask
	Metadata          *[]Metadata
	CommunicationMode *string
}

// Update is PATCH /pools/{id}: nodes see a new start task when they next boot.
func (ps *Pools) Update(ctx context.Context, who identity.Principal, owner Owner, id string, check func(*Pool) error, patch Patch) (*Pool, error) {
	return ps.write(ctx, owner, id, by(who, "PoolPatch"), check, func(p *Pool) error {
		spec := p.Spec
		if patch.StartTask != nil {
			start := *patch.StartTask
			spec.StartTask = &start
		}
		if patch.Metadata != nil {
			spec.Metadata = *patch.Metadata
		}
		if patch.CommunicationMode != nil {
			spec.CommunicationMode = *patch.CommunicationMode
		}
		spec.Defaults()
		cores, _, _ := ps.Size(spec.VMSize)
		if err := spec.Check(cores); err != nil {
			return err
		}
		p.Spec = spec
		return nil
	})
}

// Resize is POST /pools/{id}/resize: the target counts at once, the nodes come
// or go by the loops.
func (ps *Pools) Resize(ctx context.Context, who identity.Principal, owner Owner, id string, check func(*Pool) error, want Targets) (*Pool, error) {
	if want.Dedicated == nil && want.LowPriority == nil {
		return nil, fault.Missing("targetDedicatedNodes")
	}
	if want.Timeout == 0 {
		want.Timeout = DefaultResizeTimeout
	}
	option, err := deallocation(want.Deallocation)
	if err != nil {
		return nil, err
	}
	return ps.write(ctx, owner, id, by(who, "PoolResize"), check, func(p *Pool) error {
		if p.Allocation != Steady {
			return fault.New("PoolBeingResized", "")
		}
		if want.Dedicated != nil {
			p.TargetDedicated = *want.Dedicated
		}
		if want.LowPriority != nil {
			p.TargetLowPriority = *want.LowPriority
		}
		if err := CheckTargets(p.TargetDedicated, p.TargetLowPriority, want.Timeout); err != nil {
			return err
		}
		p.resize(p.Modified, want.Timeout, option)
		return nil
	})
}

// resize starts an allocation; the errors of the last one end here.
func (p *Pool) resize(at resource.Ticks, timeout resource.Span, option string) {
	p.Allocation, p.AllocationAt, p.ResizeStarted = Resizing, at, at
	p.ResizeTimeout, p.Deallocation, p.ResizeErrors = timeout, option, nil
	p.Departing = nil
}

// StopResize is POST /pools/{id}/stopresize. The ETag stays as it is
// (facts/wire.md 2.1), so this is no user write.
func (ps *Pools) StopResize(ctx context.Context, who identity.Principal, owner Owner, id string, check func(*Pool) error) (*Pool, error) {
	stored, err := ps.Store.GetPool(ctx, owner.UID, id)
	if err != nil {
		return nil, err
	}
	now := ps.Clock.Now()
	p, err := ps.Store.UpdatePool(ctx, stored.UID, by(who, "PoolStopResize"), func(p *Pool) error {
		if err := writable(p, check); err != nil {
			return err
		}
		if p.Allocation != Resizing {
			return fault.New("OperationInvalidForCurrentState", "The specified operation is not valid for the current state of the resource.").
				With("Reason", "The pool is not being resized.")
		}
		p.Allocation, p.AllocationAt = Stopping, now
		return nil
	})
	if err != nil {
		return nil, err
	}
	ps.Wake(p.UID)
	return p, nil
}

// Delete is DELETE /pools/{id}: nodes leave, then the pool goes.
func (ps *Pools) Delete(ctx context.Context, who identity.Principal, owner Owner, id string, check func(*Pool) error) error {
	_, err := ps.write(ctx, owner, id, by(who, "PoolDelete"), check, func(p *Pool) error {
		p.Remove(p.Modified)
		return nil
	})
	return err
}

// Remove marks the pool to be deleted with all its nodes, whose tasks wait again
// whatever the last resize said (Azure's rule for DELETE).
func (p *Pool) Remove(at resource.Ticks) {
	p.Deallocation, p.Departing = "requeue", nil
	p.State, p.StateAt = Deleting, at
	p.Allocation, p.AllocationAt = Resizing, at
	p.TargetDedicated, p.TargetLowPriority = 0, 0
}

// write is a user's change of a pool: refused while it is being deleted or
// when the request's conditions do not hold; it moves the ETag.
func (ps *Pools) write(ctx context.Context, owner Owner, id string, by Event, check func(*Pool) error, change func(*Pool) error) (*Pool, error) {
	stored, err := ps.Store.GetPool(ctx, owner.UID, id)
	if err != nil {
		return nil, err
	}
	now := ps.Clock.Now()
	p, err := ps.Store.UpdatePool(ctx, stored.UID, by, func(p *Pool) error {
		if err := writable(p, check); err != nil {
			return err
		}
		p.Modified = max(now, p.Modified+1)
		return change(p)
	})
	if err != nil {
		return nil, err
	}
	ps.Wake(p.UID)
	return p, nil
}

func writable(p *Pool, check func(*Pool) error) error {
	if check != nil {
		if err := check(p); err != nil {
			return err
		}
	}
	if p.State == Deleting {
		return fault.New("PoolBeingDeleted", "")
	}
	return nil
}

func deallocation(option string) (string, error) {
	switch o := resource.Fold(option); o {
	case "":
		return "requeue", nil
	case "requeue", "terminate", "taskcompletion":
		return o, nil
	case "retaineddata":
		return "", fault.Unsupported("nodeDeallocationOption", "retaineddata is not supported: a leaving node's files go with it.")
	default:
		return "", fault.Property("nodeDeallocationOption", option, "The value must be requeue, terminate or taskcompletion.")
	}
}

func by(who identity.Principal, cause string) Event { return Event{Actor: who.Actor(), Cause: cause} }

func valueOf(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
