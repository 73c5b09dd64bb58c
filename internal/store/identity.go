package store

import (
	"context"
	"database/sql"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

var (
	putTenant = define(`
		INSERT INTO tenants (id_key, doc) VALUES ($1, $2) ON CONFLICT (id_key) DO UPDATE SET doc = excluded.doc`)
	selectTenant = define(`SELECT doc FROM tenants WHERE id_key = $1`)
	listTenants  = define(`SELECT doc FROM tenants ORDER BY id_key`)

	putApplication = define(`
		INSERT INTO applications (app_key, object_key, doc) VALUES ($1, $2, $3)
		ON CONFLICT (app_key) DO UPDATE SET object_key = excluded.object_key, doc = excluded.doc`)
	selectApplication = define(`SELECT doc FROM applications WHERE app_key = $1 OR object_key = $1`)
	listApplications  = define(`SELECT doc FROM applications ORDER BY app_key`)

	putSecret = define(`
		INSERT INTO secrets (owner, name, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (owner, name) DO UPDATE SET sealed = excluded.sealed`)
	selectSecret  = define(`SELECT sealed FROM secrets WHERE owner = $1 AND name = $2`)
	deleteSecrets = define(`DELETE FROM secrets WHERE owner = $1`)
)

// PutTenant satisfies identity.Store.
func (db *DB) PutTenant(ctx context.Context, ten identity.Tenant) error {
	return db.write(ctx, func(t *tx) error {
		ten := ten
		stampNew(t.now, &ten.Created)
		_, err := t.exec(putTenant, resource.Fold(ten.ID), encode(ten))
		return err
	})
}

// GetTenant satisfies identity.Store.
func (db *DB) GetTenant(ctx context.Context, id string) (identity.Tenant, error) {
	missing := fault.Newf("TenantNotFound", "The tenant '%s' could not be found.", id)
	return one(db.read(ctx), selectTenant, missing, scanDoc[identity.Tenant], resource.Fold(id))
}

// ListTenants satisfies identity.Store.
func (db *DB) ListTenants(ctx context.Context) ([]identity.Tenant, error) {
	return list(db.read(ctx), listTenants, scanDoc[identity.Tenant])
}

// PutApplication satisfies identity.Store.
func (db *DB) PutApplication(ctx context.Context, a identity.Application) error {
	return db.write(ctx, func(t *tx) error {
		a := a
		stampNew(t.now, &a.Created)
		_, err := t.exec(putApplication, resource.Fold(a.AppID), resource.Fold(a.ObjectID), encode(a))
		return err
	})
}

// ApplicationByID satisfies identity.Store.
func (db *DB) ApplicationByID(ctx context.Context, id string) (identity.Application, error) {
	missing := fault.Newf("ApplicationNotFound", "The application '%s' could not be found.", id)
	return one(db.read(ctx), selectApplication, missing, scanDoc[identity.Application], resource.Fold(id))
}

// ListApplications satisfies identity.Store.
func (db *DB) ListApplications(ctx context.Context) ([]identity.Application, error) {
	return list(db.read(ctx), listApplications, scanDoc[identity.Application])
}

// PutSecret satisfies identity.Store.
func (db *DB) PutSecret(ctx context.Context, owner, name string, sealed []byte) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(putSecret, owner, name, sealed)
		return err
	})
}

// GetSecret satisfies identity.Store.
func (db *DB) GetSecret(ctx context.Context, owner, name string) ([]byte, error) {
	return one(db.read(ctx), selectSecret, nil, func(rows *sql.Rows) (sealed []byte, err error) {
		err = rows.Scan(&sealed)
		return sealed, err
	}, owner, name)
}

// DeleteSecrets satisfies identity.Store.
func (db *DB) DeleteSecrets(ctx context.Context, owner string) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(deleteSecrets, owner)
		return err
	})
}
