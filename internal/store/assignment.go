package store

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

var (
	insertAssignment = define(`
		INSERT INTO assignments (id_key, scope_key, role_key, principal_key, doc) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`)
	lockAssignment   = define(`SELECT doc FROM assignments WHERE id_key = $1 {lock}`)
	deleteAssignment = define(`DELETE FROM assignments WHERE id_key = $1`)
	listAssignments  = define(`SELECT doc FROM assignments ORDER BY id_key`)
	assignmentsAt    = oneOf(`SELECT doc FROM assignments WHERE scope_key`, `ORDER BY id_key`)
	assignmentsBelow = define(`SELECT doc FROM assignments WHERE scope_key >= $1 AND scope_key < $2 ORDER BY id_key`)
)

// scopeKey folds a scope; the root is "/".
func scopeKey(scope string) string {
	return "/" + strings.Trim(resource.Fold(scope), "/")
}

// CreateAssignment satisfies identity.Store. Role definitions are compared by
// their GUID: their id may be given under a subscription or without one.
func (db *DB) CreateAssignment(ctx context.Context, a identity.Assignment) error {
	role := a.RoleDefinitionID[strings.LastIndex(a.RoleDefinitionID, "/")+1:]
	return db.write(ctx, func(t *tx) error {
		a := a
		stampNew(t.now, &a.Created, &a.Updated)
		n, err := t.exec(insertAssignment, resource.Fold(a.ID), scopeKey(a.Scope), resource.Fold(role),
			resource.Fold(a.PrincipalID), encode(a))
		if err == nil && n == 0 {
			return fault.New("RoleAssignmentExists", "The role assignment already exists.")
		}
		t.changed("assignment", a.Name, pool.Event{Actor: a.CreatedBy, Cause: a.ID}, "", "", 0)
		return err
	})
}

// ListAssignments satisfies identity.Store.
func (db *DB) ListAssignments(ctx context.Context, scope string, under bool) ([]identity.Assignment, error) {
	r := db.read(ctx)
	key := scopeKey(scope)
	if key == "/" && under {
		return list(r, listAssignments, scanDoc[identity.Assignment])
	}
	var found []identity.Assignment
	err := assignmentsAt.inChunks(scopesAbove(key), func(s *stmt, args []any) error {
		some, err := list(r, s, scanDoc[identity.Assignment], args...)
		found = append(found, some...)
		return err
	})
	if err != nil || !under {
		return found, err
	}
	from, to := below(key)
	more, err := list(r, assignmentsBelow, scanDoc[identity.Assignment], from, to)
	return append(found, more...), err
}

// scopesAbove gives key and every scope it lies in, to the root.
func scopesAbove(key string) []any {
	scopes := []any{"/"}
	for i := 1; i < len(key); i++ {
		if key[i] == '/' {
			scopes = append(scopes, key[:i])
		}
	}
	if key != "/" {
		scopes = append(scopes, key)
	}
	return scopes
}

// DeleteAssignment satisfies identity.Store.
func (db *DB) DeleteAssignment(ctx context.Context, id string) (identity.Assignment, error) {
	var gone identity.Assignment
	err := db.write(ctx, func(t *tx) (err error) {
		missing := fault.Newf("RoleAssignmentNotFound", "The role assignment '%s' is not found.", id[strings.LastIndex(id, "/")+1:])
		gone, err = one(&t.reader, lockAssignment, missing, scanDoc[identity.Assignment], resource.Fold(id))
		if err != nil {
			return err
		}
		t.changed("assignment", gone.Name, pool.Event{Cause: gone.ID}, "", "", 0)
		_, err = t.exec(deleteAssignment, resource.Fold(id))
		return err
	})
	return gone, err
}
