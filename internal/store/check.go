package store

import (
	"context"
	"database/sql"
	"fmt"
)

// invariants are queries that find a row where a count or a reference is wrong.
var invariants = []struct {
	name string
	find *stmt
}{
	{"counts of a job", define(`
		SELECT j.uid FROM jobs j LEFT JOIN (
			SELECT job,
				SUM(CASE WHEN state = 'active' THEN 1 ELSE 0 END) AS a,
				SUM(CASE WHEN state IN ('running', 'preparing') THEN 1 ELSE 0 END) AS r,
				SUM(CASE WHEN state = 'completed' AND succeeded = 1 THEN 1 ELSE 0 END) AS s,
				SUM(CASE WHEN state = 'completed' AND succeeded = 0 THEN 1 ELSE 0 END) AS f,
				SUM(CASE WHEN state = 'active' THEN slots ELSE 0 END) AS asl,
				SUM(CASE WHEN state IN ('running', 'preparing') THEN slots ELSE 0 END) AS rsl,
				SUM(CASE WHEN state = 'completed' AND succeeded = 1 THEN slots ELSE 0 END) AS ssl,
				SUM(CASE WHEN state = 'completed' AND succeeded = 0 THEN slots ELSE 0 END) AS fsl
			FROM tasks GROUP BY job) c ON c.job = j.no
		WHERE j.active <> COALESCE(c.a, 0) OR j.running <> COALESCE(c.r, 0)
		OR j.succeeded <> COALESCE(c.s, 0) OR j.failed <> COALESCE(c.f, 0)
		OR j.active_slots <> COALESCE(c.asl, 0) OR j.running_slots <> COALESCE(c.rsl, 0)
		OR j.succeeded_slots <> COALESCE(c.ssl, 0) OR j.failed_slots <> COALESCE(c.fsl, 0)`)},
	{"running tasks of a node", define(`
		SELECT n.uid FROM nodes n
		WHERE n.running_tasks <> (SELECT count(*) FROM attempts a WHERE a.node_uid = n.uid AND a.ended = 0)
			+ (SELECT count(*) FROM orphans o WHERE o.node_uid = n.uid)`)},
	{"running slots of a node", define(`
		SELECT n.uid FROM nodes n
		WHERE n.running_slots <> (SELECT COALESCE(SUM(t.slots), 0) FROM attempts a JOIN tasks t ON t.seq = a.task WHERE a.node_uid = n.uid AND a.ended = 0)
			+ (SELECT COALESCE(SUM(o.slots), 0) FROM orphans o WHERE o.node_uid = n.uid)`)},
	{"idle or running", define(`
		SELECT uid FROM nodes WHERE (state = 'idle' AND running_tasks > 0) OR (state = 'running' AND running_tasks = 0)`)},
	{"open attempt of a task", define(`
		SELECT t.uid FROM tasks t
		WHERE (CASE WHEN t.state IN ('running', 'preparing') THEN 1 ELSE 0 END)
			<> (SELECT count(*) FROM attempts a WHERE a.task = t.seq AND a.ended = 0 AND a.number = t.attempt)`)},
	{"attempt left open", define(`
		SELECT t.uid FROM attempts a JOIN tasks t ON t.seq = a.task WHERE a.ended = 0 AND a.number <> t.attempt`)},
	{"attempts of a task", define(`
		SELECT t.uid FROM tasks t WHERE t.attempt <> (SELECT count(*) FROM attempts a WHERE a.task = t.seq)`)},
	{"attempt without a task", define(`
		SELECT a.node_uid FROM attempts a LEFT JOIN tasks t ON t.seq = a.task WHERE t.seq IS NULL`)},
}

// Check counts what the counters count and names the first row that is wrong.
// It reads all tasks; tests use it, and whoever doubts a database.
func (db *DB) Check(ctx context.Context) error {
	for _, i := range invariants {
		uids, err := list(db.read(ctx), i.find, func(rows *sql.Rows) (string, error) { return scanString(rows) })
		if err != nil {
			return err
		}
		if len(uids) > 0 {
			return fmt.Errorf("store: %s: wrong in %d rows, first %s", i.name, len(uids), uids[0])
		}
	}
	return nil
}
