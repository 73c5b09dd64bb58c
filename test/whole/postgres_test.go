package whole

import (
	"context"
	"net/url"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"millpond/test/rig"
)

// TestPostgres is a server's life on the other database: a pool, tasks, SIGKILL,
// and the next server that goes on with the same boots.
func TestPostgres(t *testing.T) {
	base := os.Getenv("MILLPOND_TEST_POSTGRES")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("MILLPOND_TEST_POSTGRES is not set: start one with scripts/postgres")
		}
		t.Skip("MILLPOND_TEST_POSTGRES is not set: scripts/postgres run go test ./test/whole")
	}
	s := rig.StartWith(t, rig.Setup{Args: []string{"--database", database(t, base)}})
	s.Do("POST", "/pools", s.Pool("p", 2, 1), nil)
	s.Do("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "p"}}, nil)
	before := s.Idle("p", 2)
	if o := s.Run("j", "one", rig.Script("echo one"), nil); o.Stdout != "one\n" {
		t.Errorf("%+v", o)
	}
	s.Kill()
	s.Up()
	if diff := cmp.Diff(before, s.Idle("p", 2)); diff != "" {
		t.Errorf("after SIGKILL: %s", diff)
	}
	if o := s.Run("j", "two", rig.Script("echo two"), nil); o.Stdout != "two\n" {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(s.Data + "/millpond.db"); !os.IsNotExist(err) {
		t.Errorf("a second database in the folder: %v", err)
	}
}

// database makes a database of the test's own and drops it at the end, when the
// server has gone.
func database(t *testing.T, base string) string {
	t.Helper()
	const name = "millpond_whole"
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	do := func(statement string) {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, base)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	do("CREATE DATABASE " + name)
	t.Cleanup(func() { do("DROP DATABASE " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}
