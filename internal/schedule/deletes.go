package schedule

import (
	"context"
	"log/slog"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/job"
	"millpond/internal/machine"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// DeletesConfig is what NewDeletes wires together.
type DeletesConfig struct {
	Accounts  *account.Accounts
	Images    *gallery.Images
	Machines  *machine.Machines
	Resources resource.Store
	Store     Store
	Clock     resource.Clock
	Log       *slog.Logger
	WakePool  func(uid string)
	WakeEnds  func()
}

// Deletes ends the deletion of resource groups and Batch accounts: it has what
// lies in them deleted, then the things themselves.
type Deletes struct {
	DeletesConfig
	woken chan struct{}
}

// NewDeletes makes the loop; nothing runs before Run.
func NewDeletes(c DeletesConfig) *Deletes {
	return &Deletes{DeletesConfig: c, woken: make(chan struct{}, 1)}
}

// Wake tells that a deletion was begun.
func (d *Deletes) Wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// Run passes whenever it is woken, soon again while a deletion is under way,
// and every SweepEvery, until ctx ends.
func (d *Deletes) Run(ctx context.Context) error {
	for {
		open, err := d.Pass(ctx)
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("deletes pass", "error", err)
		}
		wait := SweepEvery
		if open {
			wait = retryAfter // other loops do the parts; none of them knows of us
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.woken:
		case <-d.Clock.After(wait):
		}
	}
}

// Pass takes every open deletion one step on; open tells whether any is left.
func (d *Deletes) Pass(ctx context.Context) (open bool, err error) {
	ops, err := d.Resources.OpenOperations(ctx)
	if err != nil {
		return false, err
	}
	for _, op := range ops {
		switch op.Kind {
		case account.KindGroupDelete:
			done, err := d.Accounts.FinishGroupDelete(ctx, op, d.remove)
			if err != nil {
				d.Log.Debug("group delete goes on", "group", op.ResourceID, "error", err)
			}
			open = open || !done
		case account.KindAccountDelete:
			done, err := d.emptyAccount(ctx, op)
			if err != nil {
				return true, err
			}
			open = open || !done
		}
	}
	return open, nil
}

// remove asks the room that owns a resource to begin deleting it.
func (d *Deletes) remove(ctx context.Context, rec resource.Record) error {
	id, err := resource.ParseID(rec.ID)
	if err != nil {
		return err
	}
	switch {
	case id.Is(account.TypeAccount):
		_, err = d.Accounts.Delete(ctx, id.Subscription, id.ResourceGroup, id.Name())
	case id.Is(machine.TypeVM):
		_, err = d.Machines.Delete(ctx, id)
	default:
		_, err = d.Images.Delete(ctx, id)
	}
	return err
}

// emptyAccount deletes the account's jobs and pools, and when they are gone the
// account.
func (d *Deletes) emptyAccount(ctx context.Context, op resource.Operation) (done bool, err error) {
	jobs, err := d.Store.ListJobs(ctx, op.UID, "", 1000)
	if err != nil {
		return false, err
	}
	now := d.Clock.Now()
	for _, j := range jobs {
		if j.State == job.Deleting {
			continue
		}
		_, err := d.Store.UpdateJob(ctx, j.UID, system("AccountDelete"), func(j *job.Job) error {
			j.Remove(now)
			return nil
		})
		if err := ignoreGone(err); err != nil {
			return false, err
		}
	}
	d.WakeEnds()
	pools, err := d.Store.ListPools(ctx, op.UID, "", 1000)
	if err != nil {
		return false, err
	}
	for _, p := range pools {
		if p.State != pool.Deleting {
			_, err := d.Store.UpdatePool(ctx, p.UID, system("AccountDelete"), func(p *pool.Pool) error {
				p.Remove(now)
				return nil
			})
			if err != nil && !fault.Is(err, "PoolNotFound") {
				return false, err
			}
		}
		d.WakePool(p.UID)
	}
	if len(jobs)+len(pools) > 0 {
		return false, nil
	}
	return true, d.Accounts.FinishAccountDelete(ctx, op)
}
