package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"millpond/internal/identity"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/store"
)

func config(path string) store.Config {
	return store.Config{SQLite: path, Clock: resource.SystemClock()}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Fatalf("got %v, want an error with %q", err, p)
		}
	}
}

func TestOpenNeedsOneDatabase(t *testing.T) {
	for _, c := range []store.Config{{}, {SQLite: "a", Postgres: "b", Clock: resource.SystemClock()}} {
		_, err := store.Open(t.Context(), c)
		wantText(t, err, "either an SQLite path or a PostgreSQL URL")
	}
	_, err := store.Open(t.Context(), config(filepath.Join(t.TempDir(), "none", "m.db")))
	wantText(t, err, "m.db.lock")
	_, err = store.Open(t.Context(), store.Config{Postgres: "postgres://%zz", Clock: resource.SystemClock()})
	wantText(t, err, "the PostgreSQL URL")
}

func TestPathsWithOddNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%41")
	check(t, os.Mkdir(dir, 0o700))
	db, err := store.Open(t.Context(), config(filepath.Join(dir, "m.db")))
	check(t, err)
	check(t, db.Close())
	check(t, db.Close())
	if _, err := os.Stat(filepath.Join(dir, "m.db")); err != nil {
		t.Fatal(err)
	}
}

// TestNewerSchema: an older binary must not touch what a newer one wrote.
func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	db, err := store.Open(t.Context(), config(path))
	check(t, err)
	check(t, db.Close())
	raw, err := sql.Open("sqlite", path)
	check(t, err)
	_, err = raw.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)`)
	check(t, err)
	check(t, raw.Close())
	_, err = store.Open(t.Context(), config(path))
	wantText(t, err, "has schema 4711", "knows schemas up to", path)
}

const holdEnv = "MILLPOND_TEST_HOLD_DB"

// TestOneProcess: a second process is told who has the file.
func TestOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHold$")
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	if line != "open\n" {
		t.Fatal(line)
	}
	_, err = store.Open(t.Context(), config(path))
	wantText(t, err, path+" is already in use by process "+fmt.Sprint(cmd.Process.Pid))
	check(t, in.Close())
	_ = cmd.Wait() // the pipe was closed under it
	db, err := store.Open(t.Context(), config(path))
	check(t, err)
	check(t, db.Close())
}

func TestHold(t *testing.T) {
	path := os.Getenv(holdEnv)
	if path == "" {
		return // by itself it has nothing to show: TestOneProcess runs it
	}
	db, err := store.Open(t.Context(), config(path))
	check(t, err)
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	check(t, db.Close())
}

// TestCopyIsABackup: after Close the one file holds everything.
func TestCopyIsABackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	db, err := store.Open(t.Context(), config(path))
	check(t, err)
	check(t, db.PutTenant(t.Context(), identity.Tenant{ID: "t"}))
	check(t, db.Close())
	raw, err := os.ReadFile(path)
	check(t, err)
	copied := filepath.Join(t.TempDir(), "copy.db")
	check(t, os.WriteFile(copied, raw, 0o600))
	db, err = store.Open(t.Context(), config(copied))
	check(t, err)
	_, err = db.GetTenant(t.Context(), "T")
	check(t, err)
	check(t, db.Close())
}

// TestGroup: requests that share a commit share no fate.
func TestGroup(t *testing.T) {
	db := openSQLite(t, resource.SystemClock())
	p := &pool.Pool{AccountUID: "a", State: pool.Active, Spec: pool.Spec{ID: "p"}}
	check(t, db.CreatePool(t.Context(), p, pool.Event{}))
	bad := errors.New("bad")
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			defer func() {
				if r := recover(); (r != nil) != (i%3 == 2) {
					t.Errorf("request %d: panic %v", i, r)
				}
			}()
			_, err := db.UpdatePool(t.Context(), p.UID, pool.Event{}, func(p *pool.Pool) error {
				p.TargetDedicated++
				switch i % 3 {
				case 1:
					return bad
				case 2:
					panic("a rule's own fault")
				}
				return nil
			})
			if errors.Is(err, bad) != (i%3 == 1) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	p, err := db.PoolByUID(t.Context(), p.UID)
	check(t, err)
	if p.TargetDedicated != 20 {
		t.Fatal(p.TargetDedicated)
	}
}

func TestContextThatEnded(t *testing.T) {
	db := openSQLite(t, resource.SystemClock())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.PutTenant(ctx, identity.Tenant{ID: "t"}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := db.ListTenants(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	all, err := db.ListTenants(t.Context())
	check(t, err)
	if len(all) != 0 {
		t.Fatal(all)
	}
}

func TestClosed(t *testing.T) {
	db := openSQLite(t, resource.SystemClock())
	check(t, db.Close())
	if err := db.PutTenant(t.Context(), identity.Tenant{ID: "t"}); err == nil {
		t.Fatal("written after Close")
	}
	if _, err := db.ListTenants(t.Context()); err == nil {
		t.Fatal("read after Close")
	}
}
