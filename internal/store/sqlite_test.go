package store_test

import (
	"path/filepath"
	"testing"

	"millpond/internal/resource"
	"millpond/internal/store"
	"millpond/internal/store/storetest"
)

func openSQLite(t testing.TB, clock resource.Clock) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "m.db"), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock resource.Clock) storetest.DB { return openSQLite(t, clock) })
}
