package store

import (
	"context"
	"database/sql"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

var (
	runningOn   = define(taskRow + `JOIN attempts a ON a.task = t.seq WHERE a.node_uid = $1 AND a.ended = 0 ORDER BY t.seq`)
	endingTasks = define(taskRow + `WHERE t.state = 'running' AND t.ending <> '' ORDER BY t.seq`)
	allOrphans  = define(`SELECT task_uid, number, node_uid, slots FROM orphans ORDER BY task_uid, number`)
	endTasks    = define(`
		UPDATE tasks SET ending = $1, rev = rev + 1
		WHERE job = (SELECT no FROM jobs WHERE uid = $2) AND state = 'running' AND ending = ''`)
	workingPools = define(`
		SELECT p.uid FROM pools p WHERE EXISTS (
			SELECT 1 FROM jobs j WHERE j.account_uid = p.account_uid AND j.pool_key = p.id_key AND j.state = 'active' AND j.active > 0)
		ORDER BY p.uid`)
	waitingTasks = define(`
		SELECT CAST(COALESCE(SUM(active), 0) AS BIGINT) FROM jobs WHERE account_uid = $1 AND pool_key = $2 AND state = 'active'`)
	taskAttempts = define(`
		SELECT t.uid, a.number, a.node_uid, a.boot_id, a.claimed, a.started, a.ended, a.outcome, a.exit_code
		FROM tasks t JOIN attempts a ON a.task = t.seq WHERE t.uid = $1 ORDER BY a.number`)

	// A chunk is the same rows in each of the three.
	chunkCounts = define(`
		SELECT CASE WHEN state = 'active' THEN 'active' WHEN state = 'completed' AND succeeded = 1 THEN 'success' ELSE 'failure' END,
		count(*), CAST(SUM(slots) AS BIGINT) FROM tasks WHERE seq IN (
			SELECT seq FROM tasks WHERE job = $1 ORDER BY id_key LIMIT $2) GROUP BY 1`)
	deleteChunkAttempts = define(`
		DELETE FROM attempts WHERE task IN (SELECT seq FROM tasks WHERE job = $1 ORDER BY id_key LIMIT $2)`)
	deleteChunk = define(`
		DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE job = $1 ORDER BY id_key LIMIT $2)`)
)

// removeChunk is how many tasks one transaction of RemoveJob deletes: others
// wait for the writer meanwhile.
const removeChunk = 2000

// RunningOn satisfies job.TaskStore.
func (db *DB) RunningOn(ctx context.Context, nodeUID string) ([]*job.Task, error) {
	return list(db.read(ctx), runningOn, scanTask, nodeUID)
}

// ToEnd satisfies job.TaskStore.
func (db *DB) ToEnd(ctx context.Context) ([]*job.Task, error) {
	out, err := list(db.read(ctx), endingTasks, scanTask)
	if err != nil {
		return nil, err
	}
	orphans, err := list(db.read(ctx), allOrphans, scanOrphan)
	for _, o := range orphans {
		out = append(out, &job.Task{UID: o.taskUID, Attempt: o.number, NodeUID: o.nodeUID})
	}
	return out, err
}

// EndJobTasks satisfies job.TaskStore. A task that is ending already keeps its
// reason.
func (db *DB) EndJobTasks(ctx context.Context, jobUID, reason string) (running int, err error) {
	err = db.write(ctx, func(t *tx) error {
		n, err := t.exec(endTasks, reason, jobUID)
		if err != nil {
			return err
		}
		j, err := one(&t.reader, jobByUID, noJob, scanJob, jobUID)
		if err != nil {
			return err
		}
		if running = j.Counts.Running; n > 0 {
			t.changed("job", jobUID, pool.Event{Cause: "tasks end: " + reason}, j.State, j.State, 0)
		}
		return nil
	})
	return running, err
}

// PoolsWithWork satisfies job.TaskStore.
func (db *DB) PoolsWithWork(ctx context.Context) ([]string, error) {
	return list(db.read(ctx), workingPools, scanString)
}

// Attempts satisfies job.TaskStore. A deleted task has none.
func (db *DB) Attempts(ctx context.Context, taskUID string) ([]job.Attempt, error) {
	return list(db.read(ctx), taskAttempts, func(rows *sql.Rows) (a job.Attempt, err error) {
		var exit sql.Null[int]
		err = rows.Scan(&a.TaskUID, &a.Number, &a.NodeUID, &a.BootID, &a.Claimed, &a.Started, &a.Ended, &a.Outcome, &exit)
		if exit.Valid {
			a.Exit = &exit.V
		}
		return a, err
	}, taskUID)
}

// RecentTasks satisfies job.TaskStore; a node remembers at most ten.
func (db *DB) RecentTasks(ctx context.Context, nodeUID string, limit int) ([]pool.RecentTask, error) {
	n, err := db.NodeByUID(ctx, nodeUID)
	if err != nil {
		return nil, err
	}
	return n.Recent[:min(limit, len(n.Recent))], nil
}

// WaitingTasks satisfies job.TaskStore.
func (db *DB) WaitingTasks(ctx context.Context, accountUID, poolID string) (int, error) {
	n, err := one(db.read(ctx), waitingTasks, nil, scanInt, accountUID, resource.Fold(poolID))
	return int(n), err
}

// RemoveJob satisfies job.JobStore. It deletes in chunks; a call cut short is
// taken up by the next one.
func (db *DB) RemoveJob(ctx context.Context, uid string) error {
	for more := true; more; {
		err := db.write(ctx, func(t *tx) (err error) {
			more, err = t.removeSome(uid)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeSome deletes a chunk of a job's tasks, or the job when none is left.
func (t *tx) removeSome(uid string) (more bool, err error) {
	j, err := one(&t.reader, lockJob, noJob, scanStoredJob, uid)
	if err != nil {
		return false, err
	}
	if j.Counts.Running > 0 {
		return false, fault.New("JobBeingTerminated", "")
	}
	c := tallies{}
	err = each(&t.reader, chunkCounts, func(rows *sql.Rows) (bool, error) {
		var kind string
		var n, slots int64
		err := rows.Scan(&kind, &n, &slots)
		c.take(j.no, kind, n, slots)
		return true, err
	}, j.no, removeChunk)
	if err != nil {
		return false, err
	}
	if len(c) == 0 {
		t.changed("job", uid, pool.Event{}, j.State, "", 0)
		_, err = t.exec(deleteJob, j.no)
		return false, err
	}
	if _, err := t.exec(deleteChunkAttempts, j.no, removeChunk); err != nil {
		return false, err
	}
	if _, err := t.exec(deleteChunk, j.no, removeChunk); err != nil {
		return false, err
	}
	return true, t.writeTallies(c)
}

// take counts n tasks of a kind (active, success, failure) out.
func (c tallies) take(no int64, kind string, n, slots int64) {
	if c[no] == nil {
		c[no] = new([8]int64)
	}
	i := map[string]int{job.Active: 0, job.Success: 2, job.Failure: 3}[kind]
	c[no][i] -= n
	c[no][i+4] -= slots
}
