package store

import (
	"context"
	"errors"
)

func (db *DB) openPostgres(ctx context.Context, c Config) error {
	return errors.New("store: PostgreSQL is not wired yet")
}
