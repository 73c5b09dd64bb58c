package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"millpond/internal/resource"
)

// postgresConns bounds the connections of one server; PostgreSQL's usual limit
// is 100 for all.
const postgresConns = 16

// retries bounds how often a transaction is run again after losing against
// another one. Each round one of them wins, so many are needed only when many
// servers write one row.
const retries = 50

func (db *DB) openPostgres(ctx context.Context, c Config) error {
	db.d = postgres
	conf, err := pgx.ParseConfig(c.Postgres)
	if err != nil {
		return fmt.Errorf("store: the PostgreSQL URL: %w", err)
	}
	schema := c.Schema
	if schema == "" {
		schema = "millpond"
	}
	name := pgx.Identifier{schema}.Sanitize()
	conf.RuntimeParams["search_path"] = name
	conf.RuntimeParams["application_name"] = "millpond"
	// A busy server prepares each of our statements in a few sizes.
	conf.StatementCacheCapacity = 1024

	pool := stdlib.OpenDB(*conf)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db.onClose(pool.Close)
	if err := makeSchema(ctx, pool, name); err != nil {
		return fmt.Errorf("store: make schema %s: %w", schema, err)
	}
	if err := migrate(ctx, pool, postgres, schema); err != nil {
		return fmt.Errorf("%w (schema %s)", err, schema)
	}
	db.reads = &session{q: pool}
	db.writes = &directWriter{clock: db.clock, log: db.log, db: pool}
	return nil
}

// makeSchema makes the schema when it is missing; two servers may do so at once.
func makeSchema(ctx context.Context, db *sql.DB, name string) error {
	_, err := db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+name)
	if err != nil && sqlState(err) == uniqueViolation {
		return nil
	}
	return err
}

// SQLSTATE codes we act on.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// session runs statements on a pool or a transaction; pgx keeps them prepared
// on each connection by itself.
type session struct {
	q interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (s *session) exec(ctx context.Context, st *stmt, args []any) (int64, error) {
	res, err := s.q.ExecContext(ctx, st.text[postgres.index], args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *session) query(ctx context.Context, st *stmt, args []any) (*sql.Rows, error) {
	return s.q.QueryContext(ctx, st.text[postgres.index], args...)
}

// directWriter gives each request a transaction of its own: PostgreSQL gathers
// commits by itself. Rows are locked as they are read, so READ COMMITTED serves.
type directWriter struct {
	clock resource.Clock
	log   *slog.Logger
	db    *sql.DB
}

func (w *directWriter) write(ctx context.Context, f func(*tx) error) error {
	for n := 1; ; n++ {
		err := w.once(ctx, f)
		state := sqlState(err)
		if !errors.Is(err, errConflict) && state != serializationFailure && state != deadlockDetected || n == retries {
			return err
		}
		w.log.Debug("store: a transaction is run again", "time", n, "error", err)
	}
}

func (w *directWriter) once(ctx context.Context, f func(*tx) error) error {
	txn, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = txn.Rollback() }() // nothing after a commit
	t := &tx{reader: reader{ctx: ctx, run: &session{q: txn}}, d: postgres, now: w.clock.Now()}
	if err := f(t); err != nil {
		return err
	}
	if err := t.writeEvents(); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}
