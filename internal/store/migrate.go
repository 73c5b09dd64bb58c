package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema forward to this binary's number and refuses a
// schema that is already beyond it: an older binary would write rows the newer
// one no longer understands.
//
// schema names what two servers must not migrate at the same time; SQLite has
// only one.
func migrate(ctx context.Context, db *sql.DB, d *dialect, schema string) error {
	steps, err := migrationSteps(d)
	if err != nil {
		return err
	}
	opts := []goose.ProviderOption{
		goose.WithGoMigrations(steps...),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	}
	if d == postgres {
		locker, err := lock.NewPostgresSessionLocker(
			lock.WithLockID(int64(crc32.ChecksumIEEE([]byte("millpond "+schema)))),
			lock.WithLockTimeout(1, 300)) // ask every second, for five minutes
		if err != nil {
			return fmt.Errorf("store: migration lock: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(d.goose, db, nil, opts...)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	has, knows, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("store: read the schema's number: %w", err)
	}
	if has > knows {
		return fmt.Errorf("store: the database has schema %d and this millpond knows schemas up to %d: start a newer millpond, or another data folder", has, knows)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate from schema %d to %d: %w", has, knows, err)
	}
	return nil
}

func migrationSteps(d *dialect) ([]*goose.Migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("store: migration %s: %w", name, err)
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		up := func(ctx context.Context, tx *sql.Tx) error {
			for _, one := range strings.SplitAfter(d.pieces.Replace(string(text)), ";\n") {
				if strings.TrimSpace(one) == "" {
					continue
				}
				if _, err := tx.ExecContext(ctx, one); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}
		steps = append(steps, goose.NewGoMigration(number, &goose.GoFunc{RunTx: up}, nil))
	}
	return steps, nil
}
