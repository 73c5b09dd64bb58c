package store

import (
	"cmp"
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

var (
	putOperation = define(`
		INSERT INTO operations (guid, resource_id, uid, status, started, doc) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (guid) DO UPDATE SET resource_id = excluded.resource_id, uid = excluded.uid,
		status = excluded.status, started = excluded.started, doc = excluded.doc`)
	selectOperation = define(`SELECT doc FROM operations WHERE guid = $1`)
	lockOperation   = define(`SELECT doc FROM operations WHERE guid = $1 {lock}`)
	openOperations  = define(`SELECT doc FROM operations WHERE status = 'InProgress' ORDER BY started, guid`)
)

// putOperation writes op, born with or about rec. Callers leave out what the
// store knows: the resource's id and uid, the start, the status.
func (t *tx) putOperation(op *resource.Operation, rec resource.Record) error {
	if op == nil {
		return nil
	}
	o := *op
	o.ResourceID, o.UID = cmp.Or(o.ResourceID, rec.ID), cmp.Or(o.UID, rec.UID)
	o.Start = cmp.Or(o.Start, t.now)
	o.Status = cmp.Or(o.Status, resource.InProgress)
	if o.End != 0 {
		o.End = max(o.End, o.Start+1)
	}
	_, err := t.exec(putOperation, resource.Fold(o.GUID), resource.Fold(o.ResourceID), o.UID, o.Status, int64(o.Start), encode(o))
	return err
}

func noOperation(guid string) error {
	return fault.Newf("OperationNotFound", "The operation '%s' could not be found.", guid)
}

// GetOperation satisfies resource.Store; a missing one gives OperationNotFound.
func (db *DB) GetOperation(ctx context.Context, guid string) (resource.Operation, error) {
	return one(db.read(ctx), selectOperation, noOperation(guid), scanDoc[resource.Operation], resource.Fold(guid))
}

// OpenOperations satisfies resource.Store; the oldest come first.
func (db *DB) OpenOperations(ctx context.Context) ([]resource.Operation, error) {
	return list(db.read(ctx), openOperations, scanDoc[resource.Operation])
}

// EndOperation satisfies resource.Store. An operation that has ended stays as
// it ended: the loop's step may come twice.
func (db *DB) EndOperation(ctx context.Context, guid string, failure *fault.Error, change func(*resource.Record) error) error {
	return db.write(ctx, func(t *tx) error {
		op, err := one(&t.reader, lockOperation, noOperation(guid), scanDoc[resource.Operation], resource.Fold(guid))
		if err != nil || op.Status != resource.InProgress {
			return err
		}
		op.Status, op.Error = resource.Succeeded, failure
		if failure != nil {
			op.Status = resource.Failed
		}
		op.End = t.after(op.Start)
		if change != nil {
			if err := t.changeSubject(op, change); err != nil {
				return err
			}
		}
		return t.putOperation(&op, resource.Record{})
	})
}

// changeSubject changes the resource of an operation, unless it is gone or a
// namesake took its place.
func (t *tx) changeSubject(op resource.Operation, change func(*resource.Record) error) error {
	key := resource.Fold(op.ResourceID)
	gone := errors.New("gone")
	row, err := one(&t.reader, lockResource, gone, scanResource, key)
	if errors.Is(err, gone) || err == nil && row.rec.UID != op.UID {
		return nil
	}
	if err == nil {
		_, err = t.changeResource(key, row, change)
	}
	return err
}
