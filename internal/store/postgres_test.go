package store_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/store"
	"millpond/internal/store/storetest"
)

// postgresURL is where scripts/postgres runs one; CI must have it.
func postgresURL(t testing.TB) string {
	url := os.Getenv("MILLPOND_TEST_POSTGRES")
	if url == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("MILLPOND_TEST_POSTGRES is not set: start one with scripts/postgres")
		}
		t.Skip("MILLPOND_TEST_POSTGRES is not set: scripts/postgres run go test ./internal/store")
	}
	return url
}

// openPostgres opens a schema of its own and drops it at the end.
func openPostgres(t testing.TB, clock resource.Clock) *store.DB {
	t.Helper()
	return openSchema(t, "Test "+strings.ToLower(rand.Text()), clock)
}

func openSchema(t testing.TB, schema string, clock resource.Clock) *store.DB {
	t.Helper()
	url := postgresURL(t)
	db, err := store.Open(t.Context(), store.Config{Postgres: url, Schema: schema, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+pgx.Identifier{schema}.Sanitize()+` CASCADE`); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestPostgres(t *testing.T) {
	postgresURL(t)
	storetest.Run(t, func(t *testing.T, clock resource.Clock) storetest.DB { return openPostgres(t, clock) })
}

// TestPostgresTwoServers: two start at once on an empty database and share it.
func TestPostgresTwoServers(t *testing.T) {
	postgresURL(t)
	schema := "Test " + strings.ToLower(rand.Text())
	var dbs [2]*store.DB
	var wait sync.WaitGroup
	for i := range dbs {
		wait.Go(func() {
			var err error
			dbs[i], err = store.Open(t.Context(), store.Config{Postgres: postgresURL(t), Schema: schema, Clock: resource.SystemClock()})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	check(t, dbs[0].PutTenant(t.Context(), identity.Tenant{ID: "t"}))
	_, err := dbs[1].GetTenant(t.Context(), "t")
	check(t, err)
	check(t, dbs[0].Close())
	check(t, dbs[1].Close())
	openSchema(t, schema, resource.SystemClock()) // to be dropped
}
