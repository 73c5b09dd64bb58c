package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"millpond/internal/resource"
)

// errConflict makes the writer run a transaction again: a row changed between
// being read and being written.
var errConflict = errors.New("store: a row was changed by another transaction")

// runner runs statements on one connection, transaction or pool.
type runner interface {
	exec(ctx context.Context, s *stmt, args []any) (int64, error)
	query(ctx context.Context, s *stmt, args []any) (*sql.Rows, error)
}

// reader runs queries.
type reader struct {
	ctx context.Context
	run runner
}

// tx is a write transaction. now is its instant; events are written at its end.
type tx struct {
	reader
	d      *dialect
	now    resource.Ticks
	events []Event
}

// after is the instant of a change to a row whose latest instant is last.
func (t *tx) after(last resource.Ticks) resource.Ticks { return max(t.now, last+1) }

// exec runs s and tells how many rows it changed.
func (t *tx) exec(s *stmt, args ...any) (int64, error) {
	n, err := t.run.exec(t.ctx, s, args)
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	return n, nil
}

// guarded runs an update of one row that names the rev it was read with.
func (t *tx) guarded(s *stmt, args ...any) error {
	n, err := t.exec(s, args...)
	if err == nil && n != 1 {
		return errConflict
	}
	return err
}

// list runs s and scans every row. No rows stay open: a transaction has one
// connection and its next statement needs it.
func list[T any](r *reader, s *stmt, scan func(*sql.Rows) (T, error), args ...any) ([]T, error) {
	var out []T
	err := each(r, s, func(rows *sql.Rows) (bool, error) {
		v, err := scan(rows)
		out = append(out, v)
		return err == nil, err
	}, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each runs s and calls f with every row until f says false.
func each(r *reader, s *stmt, f func(*sql.Rows) (bool, error), args ...any) error {
	rows, err := r.run.query(r.ctx, s, args)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = rows.Close() }() // what matters of it is in rows.Err
	for rows.Next() {
		more, err := f(rows)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if !more {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// one runs s and scans its first row; none is missing, or nil when that is nil.
func one[T any](r *reader, s *stmt, missing error, scan func(*sql.Rows) (T, error), args ...any) (T, error) {
	found, err := list(r, s, scan, args...)
	if err == nil && len(found) == 0 {
		var zero T
		return zero, missing
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return found[0], nil
}

func scanInt(rows *sql.Rows) (n int64, err error) {
	err = rows.Scan(&n)
	return n, err
}

func scanString(rows *sql.Rows) (s string, err error) {
	err = rows.Scan(&s)
	return s, err
}

// scanDoc reads a row whose only column is a document.
func scanDoc[T any](rows *sql.Rows) (v T, err error) {
	var doc sql.RawBytes
	if err = rows.Scan(&doc); err == nil {
		err = json.Unmarshal(doc, &v)
	}
	return v, err
}

// encode writes a document. The nouns' types always have a JSON form.
func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T has no JSON form: %v", v, err))
	}
	return string(raw)
}

// statements keeps statements prepared on a connection, or on a pool whose
// database/sql prepares them on each connection at its first use. They end with
// the connection.
type statements struct {
	on interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	mu   sync.RWMutex
	kept map[*stmt]prepared
}

type prepared struct{ stmt *sql.Stmt }

func (k *statements) get(ctx context.Context, s *stmt) (prepared, error) {
	k.mu.RLock()
	p, ok := k.kept[s]
	k.mu.RUnlock()
	if ok {
		return p, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.kept[s]; ok {
		return p, nil
	}
	made, err := k.on.PrepareContext(ctx, s.text[sqlite.index])
	if err != nil {
		return prepared{}, err
	}
	if k.kept == nil {
		k.kept = map[*stmt]prepared{}
	}
	k.kept[s] = prepared{made}
	return k.kept[s], nil
}
