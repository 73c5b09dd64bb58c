package store

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"

	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

var (
	_ resource.Store = (*DB)(nil)
	_ identity.Store = (*DB)(nil)
	_ pool.PoolStore = (*DB)(nil)
	_ pool.NodeStore = (*DB)(nil)
	_ job.JobStore   = (*DB)(nil)
	_ job.TaskStore  = (*DB)(nil)
)

// Config chooses the database. Exactly one of SQLite and Postgres is set.
type Config struct {
	SQLite   string // path of the database file; its folder exists
	Postgres string // URL, such as postgres://user@/db?host=/run/postgresql
	Schema   string // PostgreSQL schema, made when missing; "" = millpond
	Clock    resource.Clock
	Log      *slog.Logger // nil = none
}

// DB keeps all nouns. It is safe for concurrent use.
type DB struct {
	d       *dialect
	clock   resource.Clock
	log     *slog.Logger
	reads   runner
	writes  writer
	closers []func() error
}

// writer runs f in a transaction: all of it is kept, or none when f or the
// commit fails. f may run twice.
type writer interface {
	write(ctx context.Context, f func(*tx) error) error
}

// Open opens the database and brings its schema forward. It fails when the
// schema is newer than this binary, and for SQLite when another process has it
// open.
func Open(ctx context.Context, c Config) (*DB, error) {
	if (c.SQLite == "") == (c.Postgres == "") {
		return nil, errors.New("store: give either an SQLite path or a PostgreSQL URL")
	}
	if c.Clock == nil {
		return nil, errors.New("store: the clock is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{clock: c.Clock, log: c.Log}
	open := db.openSQLite
	if c.Postgres != "" {
		open = db.openPostgres
	}
	if err := open(ctx, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close finishes writes under way and closes the database. For SQLite the
// write-ahead log is folded into the file first, so that a copy of the one file
// is a whole backup. Closing twice is allowed.
func (db *DB) Close() error {
	var errs []error
	for i := len(db.closers) - 1; i >= 0; i-- {
		errs = append(errs, db.closers[i]())
	}
	db.closers = nil
	return errors.Join(errs...)
}

func (db *DB) onClose(f func() error) { db.closers = append(db.closers, f) }

// write is one transaction of the public methods.
func (db *DB) write(ctx context.Context, f func(*tx) error) error {
	return db.writes.write(ctx, f)
}

// read is the reader of the public methods; each uses one statement, so that
// what it returns is of one instant.
func (db *DB) read(ctx context.Context) *reader { return &reader{ctx: ctx, run: db.reads} }

// newUID makes a uid. Version 7 begins with the time, so that rows made
// together lie together in the index of uids; the rest is from crypto/rand.
func newUID() string { return uuid.Must(uuid.NewV7()).String() }

// flag is how both databases keep a truth.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
