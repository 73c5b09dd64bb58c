package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	_ "modernc.org/sqlite" // driver "sqlite"
)

// groupTime bounds how long requests are gathered into one commit; nothing
// waits for it: with no request queued the commit is made at once.
const groupTime = 2 * time.Millisecond

// sqliteURL opens path with our settings. FULL makes a commit durable; the log
// is folded into the file when it has 32 MiB, which keeps a busy commit from
// paying for it every few milliseconds.
func sqliteURL(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"temp_store(MEMORY)", "wal_autocheckpoint(8000)",
	}, pragmas...)}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

func (db *DB) openSQLite(ctx context.Context, c Config) error {
	db.d = sqlite
	unlock, err := lockFile(c.SQLite)
	if err != nil {
		return err
	}
	db.onClose(unlock)

	// It holds hashes and sealed secrets; SQLite's other files get the same mode.
	f, err := os.OpenFile(c.SQLite, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	w, err := sql.Open("sqlite", sqliteURL(c.SQLite, "cache_size(-65536)"))
	if err != nil {
		return fmt.Errorf("store: open %s: %w", c.SQLite, err)
	}
	w.SetMaxOpenConns(1)
	db.onClose(w.Close)
	if err := migrate(ctx, w, sqlite, ""); err != nil {
		return fmt.Errorf("%w (%s)", err, c.SQLite)
	}
	conn, err := w.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: open %s: %w", c.SQLite, err)
	}

	r, err := sql.Open("sqlite", sqliteURL(c.SQLite, "query_only(1)", "cache_size(-16384)"))
	if err != nil {
		return fmt.Errorf("store: open %s: %w", c.SQLite, err)
	}
	readers := max(4, runtime.NumCPU())
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	// The readers go first, so that the writer's last checkpoint is complete.
	g := &groupWriter{
		clock: db.clock, log: db.log, conn: conn, statements: statements{on: conn},
		queue: make(chan *request, 256), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	db.onClose(g.close)
	db.onClose(r.Close)
	db.reads, db.writes = &pooled{statements{on: r}}, g
	go g.loop()
	return nil
}

// pooled runs statements on the readers' connections.
type pooled struct{ statements }

func (p *pooled) exec(ctx context.Context, s *stmt, args []any) (int64, error) {
	return 0, fmt.Errorf("a reader was asked to write: %s", strings.TrimSpace(s.text[sqlite.index]))
}

func (p *pooled) query(ctx context.Context, s *stmt, args []any) (*sql.Rows, error) {
	st, err := p.get(ctx, s)
	if err != nil {
		return nil, err
	}
	return st.stmt.QueryContext(ctx, args...)
}
