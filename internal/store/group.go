package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"millpond/internal/resource"
)

var errClosed = errors.New("store: closed")

var (
	begin    = define(`BEGIN IMMEDIATE`)
	commit   = define(`COMMIT`)
	rollback = define(`ROLLBACK`)
	save     = define(`SAVEPOINT request`)
	release  = define(`RELEASE request`)
	undo     = define(`ROLLBACK TO request`)
)

// groupWriter is SQLite's one writer: it gathers what is queued into one
// transaction, each request in its own savepoint, and commits once.
type groupWriter struct {
	clock   resource.Clock
	log     *slog.Logger
	conn    *sql.Conn
	queue   chan *request
	quit    chan struct{} // closed by close: no further requests
	stopped chan struct{} // closed when the loop has ended
	statements
}

type request struct {
	ctx   context.Context
	f     func(*tx) error
	err   error
	panic any
	done  chan struct{}
}

// late reports whether the caller's context ended before the request began.
func (r *request) late() bool {
	r.err = r.ctx.Err()
	return r.err != nil
}

func (g *groupWriter) write(ctx context.Context, f func(*tx) error) error {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case g.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.quit:
		return errClosed
	}
	// Not left before the end: f writes into its caller's variables.
	select {
	case <-r.done:
	case <-g.stopped:
		select {
		case <-r.done:
		default:
			return errClosed
		}
	}
	if r.panic != nil {
		panic(r.panic)
	}
	return r.err
}

func (g *groupWriter) loop() {
	defer close(g.stopped)
	for {
		select {
		case r := <-g.queue:
			g.group(r)
		case <-g.quit:
			for {
				select {
				case r := <-g.queue:
					g.group(r)
				default:
					return
				}
			}
		}
	}
}

// group runs first and whatever is queued meanwhile, commits and answers.
func (g *groupWriter) group(first *request) {
	members := []*request{first}
	err := g.simple(begin)
	if err == nil {
		err = g.member(first)
		begun := time.Now() //nolint:forbidigo // how long callers really wait is no rule
		for err == nil && time.Since(begun) < groupTime {
			r := g.queued()
			if r == nil {
				break
			}
			members = append(members, r)
			err = g.member(r)
		}
		if err == nil {
			err = g.simple(commit)
		}
		if err != nil {
			g.log.Error("store: a group of writes failed", "requests", len(members), "error", err)
			_ = g.simple(rollback) // SQLite may have rolled back by itself
		}
	}
	for _, r := range members {
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("store: commit: %w", err)
		}
		close(r.done)
	}
}

func (g *groupWriter) queued() *request {
	select {
	case r := <-g.queue:
		return r
	default:
		return nil
	}
}

// member runs one request in its savepoint. Its error means that the whole
// transaction is lost (disk full, I/O), not that the request failed.
func (g *groupWriter) member(r *request) error {
	if r.late() {
		return nil
	}
	if err := g.simple(save); err != nil {
		return err
	}
	r.err = g.run(r)
	if r.err != nil || r.panic != nil {
		if err := g.simple(undo); err != nil {
			return err
		}
	}
	return g.simple(release)
}

// run calls f. Statements are not interrupted when the caller's context ends:
// SQLite would undo the whole group.
func (g *groupWriter) run(r *request) error {
	defer func() { r.panic = recover() }()
	t := &tx{reader: reader{ctx: context.WithoutCancel(r.ctx), run: g}, d: sqlite, now: g.clock.Now()}
	if err := r.f(t); err != nil {
		return err
	}
	return t.writeEvents()
}

func (g *groupWriter) simple(s *stmt) error {
	_, err := g.exec(context.Background(), s, nil)
	return err
}

func (g *groupWriter) exec(ctx context.Context, s *stmt, args []any) (int64, error) {
	st, err := g.get(ctx, s)
	if err != nil {
		return 0, err
	}
	res, err := st.stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (g *groupWriter) query(ctx context.Context, s *stmt, args []any) (*sql.Rows, error) {
	st, err := g.get(ctx, s)
	if err != nil {
		return nil, err
	}
	return st.stmt.QueryContext(ctx, args...)
}

// close lets the queue run empty and folds the log into the file.
func (g *groupWriter) close() error {
	close(g.quit)
	<-g.stopped
	ctx := context.Background()
	_, err := g.conn.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err != nil {
		err = fmt.Errorf("store: checkpoint: %w", err)
	}
	return errors.Join(err, g.conn.Close())
}
