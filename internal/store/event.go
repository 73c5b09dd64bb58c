package store

import (
	"context"
	"database/sql"

	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Event is one change, kept in the transaction of the change; with its actor
// it is the audit log. Noun is pool, node, job, task, resource or assignment.
// From is empty for a birth and To for a removal.
type Event struct {
	Seq     int64
	At      resource.Ticks
	Actor   string
	Noun    string
	UID     string
	From    string
	To      string
	Cause   string
	Attempt int
}

var insertEvents = manyRows(`
	INSERT INTO events (at, actor, noun, uid, from_state, to_state, cause, attempt) VALUES `, "", 8, "")

var selectEvents = define(`
	SELECT seq, at, actor, noun, uid, from_state, to_state, cause, attempt
	FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`)

// Numbers rise with time, so what is too old is what comes before the first
// event that is not: with nothing to prune only one row is read.
var pruneEvents = define(`
	DELETE FROM events WHERE seq IN (SELECT seq FROM events
		WHERE seq < COALESCE((SELECT seq FROM events WHERE at >= $1 ORDER BY seq LIMIT 1), 9223372036854775807)
		ORDER BY seq LIMIT 5000)`)

// changed notes a change for the end of the transaction. A change of ours (no
// actor, no cause) that leaves the state alone is not worth a row.
func (t *tx) changed(noun, uid string, by pool.Event, from, to string, attempt int) {
	if from == to && by == (pool.Event{}) {
		return
	}
	t.events = append(t.events, Event{
		At: t.now, Actor: by.Actor, Noun: noun, UID: uid, From: from, To: to, Cause: by.Cause, Attempt: attempt,
	})
}

func (t *tx) writeEvents() error {
	if len(t.events) == 0 {
		return nil
	}
	args := make([]any, 0, len(t.events)*insertEvents.width)
	for _, e := range t.events {
		args = append(args, int64(e.At), e.Actor, e.Noun, e.UID, e.From, e.To, e.Cause, int64(e.Attempt))
	}
	_, err := t.execAll(insertEvents, args)
	return err
}

// Events gives up to limit events after the seq after, oldest first. Numbers
// may have gaps, and on PostgreSQL a lower number may appear after a higher one.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	return list(db.read(ctx), selectEvents, func(rows *sql.Rows) (e Event, err error) {
		err = rows.Scan(&e.Seq, &e.At, &e.Actor, &e.Noun, &e.UID, &e.From, &e.To, &e.Cause, &e.Attempt)
		return e, err
	}, after, limit)
}

// PruneEvents removes events older than before and tells how many; it works in
// short transactions.
func (db *DB) PruneEvents(ctx context.Context, before resource.Ticks) (int64, error) {
	var sum int64
	for {
		var n int64
		err := db.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(pruneEvents, int64(before))
			return err
		})
		if sum += n; err != nil || n == 0 {
			return sum, err
		}
	}
}
