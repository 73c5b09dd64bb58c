package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

var (
	insertResource = define(`
		INSERT INTO resources (id_key, type_key, uid, state, tick, rev, doc) VALUES ($1, $2, $3, $4, $5, 1, $6)
		ON CONFLICT DO NOTHING`)
	selectResource = define(`SELECT rev, tick, doc FROM resources WHERE id_key = $1`)
	lockResource   = define(`SELECT rev, tick, doc FROM resources WHERE id_key = $1 {lock}`)
	updateResource = define(`
		UPDATE resources SET state = $1, tick = $2, rev = rev + 1, doc = $3 WHERE id_key = $4 AND rev = $5`)
	deleteResources = define(`DELETE FROM resources WHERE id_key = $1 OR (id_key >= $2 AND id_key < $3)`)
	listResources   = define(`
		SELECT rev, tick, doc FROM resources
		WHERE id_key >= $1 AND id_key < $2 AND ($3 = '' OR state = $3) ORDER BY id_key`)
	listResourcesOfType = define(`
		SELECT rev, tick, doc FROM resources
		WHERE type_key = $4 AND id_key >= $1 AND id_key < $2 AND ($3 = '' OR state = $3) ORDER BY id_key`)
)

// resourceRow is a record with the instant no later change may be before.
type resourceRow struct {
	rec  resource.Record
	tick resource.Ticks
}

func scanResource(rows *sql.Rows) (r resourceRow, err error) {
	var doc sql.RawBytes
	var rev int64
	if err = rows.Scan(&rev, &r.tick, &doc); err != nil {
		return r, err
	}
	err = json.Unmarshal(doc, &r.rec)
	r.rec.Rev = rev
	return r, err
}

// keyOf is an id's key and parts.
func keyOf(id string) (string, resource.ID, error) {
	parts, err := resource.ParseID(id)
	if err != nil {
		return "", parts, err
	}
	return parts.Fold(), parts, nil
}

// below is the range of keys under key: "0" follows "/" bytewise.
func below(key string) (from, to string) { return key + "/", key + "0" }

// CreateResource satisfies resource.Store.
func (db *DB) CreateResource(ctx context.Context, rec resource.Record, op *resource.Operation) error {
	key, id, err := keyOf(rec.ID)
	if err != nil {
		return err
	}
	if rec.UID == "" {
		rec.UID = newUID()
	}
	return db.write(ctx, func(t *tx) error {
		if err := t.parentStands(id); err != nil {
			return err
		}
		rec := rec
		stampNew(t.now, &rec.Created, &rec.Modified)
		n, err := t.exec(insertResource, key, resource.Fold(id.Type()), rec.UID, rec.State,
			int64(max(rec.Created, rec.Modified)), encode(rec))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.Newf("ResourceExists", "The resource '%s' already exists.", rec.ID)
		}
		t.changed("resource", rec.UID, pool.Event{Cause: rec.ID}, "", rec.State, 0)
		return t.putOperation(op, rec)
	})
}

// parentStands checks what a new resource is made in. Subscriptions are not
// looked for: account knows them.
func (t *tx) parentStands(id resource.ID) error {
	parent := id.Parent()
	if parent.ResourceGroup == "" && parent.Provider == "" {
		return nil
	}
	row, err := one(&t.reader, lockResource, missingParent(id, parent), scanResource, parent.Fold())
	if err != nil {
		return err
	}
	if row.rec.State == resource.Deleting {
		if parent.Provider == "" {
			return fault.Newf("ResourceGroupBeingDeleted",
				"The resource group '%s' is in deprovisioning state and cannot perform this operation.", parent.ResourceGroup)
		}
		return fault.Newf("OperationNotAllowed",
			"The operation is not allowed because the parent resource '%s' is being deleted.", parent)
	}
	return nil
}

func missingParent(id, parent resource.ID) error {
	if parent.Provider == "" {
		return notFound(parent)
	}
	return fault.Newf("ParentResourceNotFound",
		"Failed to perform 'write' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
		id.Type(), parent)
}

// notFound is Resource Manager's answer for a missing resource (facts/wire.md 3.8).
func notFound(id resource.ID) error {
	if id.Provider == "" {
		if id.ResourceGroup == "" {
			return fault.Newf("SubscriptionNotFound", "The subscription '%s' could not be found.", id.Subscription)
		}
		return fault.Newf("ResourceGroupNotFound", "Resource group '%s' could not be found.", id.ResourceGroup)
	}
	name := id.Provider
	for i, t := range id.Types {
		name += "/" + t + "/" + id.Names[i]
	}
	where := ""
	if id.ResourceGroup != "" {
		where = " under resource group '" + id.ResourceGroup + "'"
	}
	return fault.Newf("ResourceNotFound",
		"The Resource '%s'%s was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", name, where)
}

// GetResource satisfies resource.Store.
func (db *DB) GetResource(ctx context.Context, id string) (resource.Record, error) {
	key, parts, err := keyOf(id)
	if err != nil {
		return resource.Record{}, err
	}
	row, err := one(db.read(ctx), selectResource, notFound(parts), scanResource, key)
	return row.rec, err
}

// ListResources satisfies resource.Store.
func (db *DB) ListResources(ctx context.Context, q resource.Query) ([]resource.Record, error) {
	from, to := below("")
	if q.Under != "" {
		key, _, err := keyOf(q.Under)
		if err != nil {
			return nil, err
		}
		from, to = below(key)
	}
	s, args := listResources, []any{from, to, q.State}
	if q.Type != "" {
		s, args = listResourcesOfType, append(args, resource.Fold(q.Type))
	}
	return list(db.read(ctx), s, func(rows *sql.Rows) (resource.Record, error) {
		row, err := scanResource(rows)
		return row.rec, err
	}, args...)
}

// UpdateResource satisfies resource.Store.
func (db *DB) UpdateResource(ctx context.Context, id string, op *resource.Operation, change func(*resource.Record) error) (resource.Record, error) {
	key, parts, err := keyOf(id)
	if err != nil {
		return resource.Record{}, err
	}
	var rec resource.Record
	err = db.write(ctx, func(t *tx) error {
		row, err := one(&t.reader, lockResource, notFound(parts), scanResource, key)
		if err != nil {
			return err
		}
		if rec, err = t.changeResource(key, row, change); err != nil {
			return err
		}
		return t.putOperation(op, rec)
	})
	return rec, err
}

// changeResource applies change to a row read under lock and writes it.
func (t *tx) changeResource(key string, row resourceRow, change func(*resource.Record) error) (resource.Record, error) {
	was, rec := row.rec, row.rec
	if err := change(&rec); err != nil {
		return rec, err
	}
	rec.ID, rec.UID, rec.Rev = was.ID, was.UID, was.Rev
	tick := t.advance(row.tick, instant{was.Modified, &rec.Modified})
	if err := t.guarded(updateResource, rec.State, int64(tick), encode(rec), key, was.Rev); err != nil {
		return rec, err
	}
	rec.Rev++
	t.changed("resource", rec.UID, pool.Event{}, was.State, rec.State, 0)
	return rec, nil
}

// DeleteResource satisfies resource.Store.
func (db *DB) DeleteResource(ctx context.Context, id string, op *resource.Operation) error {
	key, _, err := keyOf(id)
	if err != nil {
		return err
	}
	return db.write(ctx, func(t *tx) error {
		rows, err := list(&t.reader, lockResource, scanResource, key)
		if err != nil {
			return err
		}
		var rec resource.Record
		if len(rows) > 0 {
			rec = rows[0].rec
			t.changed("resource", rec.UID, pool.Event{Cause: rec.ID}, rec.State, "", 0)
		}
		// Again until nothing is left: on PostgreSQL a child that was being created
		// may only be seen by the next statement.
		from, to := below(key)
		for gone := int64(1); gone > 0; {
			if gone, err = t.exec(deleteResources, key, from, to); err != nil {
				return err
			}
		}
		if op == nil {
			return nil
		}
		ended := *op
		ended.Status, ended.End = resource.Succeeded, t.now
		return t.putOperation(&ended, rec)
	})
}
