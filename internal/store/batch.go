package store

import (
	"database/sql"
	"encoding/json"
	"slices"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// recentKept is how many last tasks a node remembers, as Azure's recentTasks.
const recentKept = 10

var (
	useNodes = oneOf(`SELECT uid, pool_uid, state, state_at, scheduling, boot_id, slots, running_tasks, running_slots,
		total_run, total_succeeded, tick, recent FROM nodes WHERE uid`, `ORDER BY uid {lock}`)
	writeUse = define(`
		UPDATE nodes SET state = $1, state_at = $2, running_tasks = $3, running_slots = $4, total_run = $5,
		total_succeeded = $6, tick = $7, recent = $8, rev = rev + 1 WHERE uid = $9`)

	// A claimed, reported or lost task keeps its specification.
	writeTasks = manyRows(`WITH v (seq, rev, state, ending, succeeded, attempt, tick, run) AS (VALUES `,
		`(CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT),
		CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS TEXT))`, 8,
		`) UPDATE tasks SET state = v.state, ending = v.ending, succeeded = v.succeeded, attempt = v.attempt, tick = v.tick,
		run = v.run, rev = v.rev + 1 FROM v WHERE tasks.seq = v.seq AND tasks.rev = v.rev`).updating(`
		UPDATE tasks SET state = $3, ending = $4, succeeded = $5, attempt = $6, tick = $7, run = $8, rev = rev + 1
		WHERE seq = $1 AND rev = $2`)
	writeAttempts = manyRows(`WITH v (task, number, started, ended, outcome, exit_code) AS (VALUES `,
		`(CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT),
		CAST($6 AS BIGINT))`, 6,
		`) UPDATE attempts SET started = CASE WHEN v.started = 0 THEN attempts.started ELSE v.started END, ended = v.ended,
		outcome = v.outcome, exit_code = v.exit_code
		FROM v WHERE attempts.task = v.task AND attempts.number = v.number AND attempts.ended = 0`).updating(`
		UPDATE attempts SET started = CASE WHEN CAST($3 AS BIGINT) = 0 THEN started ELSE $3 END, ended = $4, outcome = $5, exit_code = $6
		WHERE task = $1 AND number = $2 AND ended = 0`)
	insertAttempts = manyRows(`
		INSERT INTO attempts (task, number, node_uid, boot_id, claimed, started, ended, outcome) VALUES `, "", 8, "")
)

// batch gathers what one transaction of the queue changes, so that each job and
// each node is written once however many tasks moved.
//
// Locks are taken tasks first, then nodes, then jobs; only claiming takes nodes
// first, and it never waits for a task.
type batch struct {
	t       *tx
	jobs    tallies
	nodes   map[string]*nodeUse
	tasks   []*storedTask // changed, in order of their first change
	changed map[int64]bool
	closed  []any // rows of writeAttempts
	opened  []any // rows of insertAttempts
}

// nodeUse is the part of a node that tasks change.
type nodeUse struct {
	pool.Node
	tick    resource.Ticks
	recent  string
	latest  []pool.RecentTask // newest first
	touched bool
}

func newBatch(t *tx) *batch {
	return &batch{t: t, jobs: tallies{}, nodes: map[string]*nodeUse{}, changed: map[int64]bool{}}
}

// lockNodes reads the nodes that are still there.
func (b *batch) lockNodes(uids []any) error {
	return useNodes.inChunks(uids, func(s *stmt, args []any) error {
		return each(&b.t.reader, s, func(rows *sql.Rows) (bool, error) {
			u := &nodeUse{}
			n := &u.Node
			err := rows.Scan(&n.UID, &n.PoolUID, &n.State, &n.StateAt, &n.Scheduling, &n.BootID, &n.Slots, &n.RunningTasks,
				&n.RunningSlots, &n.TotalRun, &n.TotalSucceeded, &u.tick, &u.recent)
			b.nodes[n.UID] = u
			return true, err
		}, args...)
	})
}

// write notes that a task changed.
func (b *batch) write(s *storedTask) {
	if !b.changed[s.seq] {
		b.changed[s.seq] = true
		b.tasks = append(b.tasks, s)
	}
}

// use changes what a node runs; a node that is gone has nothing to count.
func (b *batch) use(nodeUID string, tasks int, slots int64, s *storedTask) *nodeUse {
	u := b.nodes[nodeUID]
	if u == nil {
		return &nodeUse{}
	}
	u.touched = true
	u.RunningTasks += tasks
	u.RunningSlots += tasks * int(slots)
	if s != nil {
		u.latest = append(u.latest, recentTask(s))
	}
	return u
}

func recentTask(s *storedTask) pool.RecentTask {
	return pool.RecentTask{JobID: s.jobID, TaskID: s.Spec.ID, State: s.State, Start: s.Start, End: s.End,
		ExitCode: s.ExitCode, Result: s.Result, Retries: s.Retries, Requeues: s.Requeues}
}

// flush writes everything gathered.
func (b *batch) flush() error {
	args := make([]any, 0, len(b.tasks)*writeTasks.width)
	for _, s := range b.tasks {
		args = append(args, s.seq, s.Rev, s.State, s.EndWanted, flag(s.Result == job.Success), int64(s.Attempt),
			int64(s.tick), runDoc(s.Task))
		s.Rev++
	}
	n, err := b.t.execAll(writeTasks, args)
	if err != nil {
		return err
	}
	if int(n) != len(b.tasks) {
		return errConflict
	}
	if _, err := b.t.execAll(insertAttempts, b.opened); err != nil {
		return err
	}
	if _, err := b.t.execAll(writeAttempts, b.closed); err != nil {
		return err
	}
	uids := make([]string, 0, len(b.nodes))
	for uid, u := range b.nodes {
		if u.touched {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	for _, uid := range uids {
		if err := b.writeNode(b.nodes[uid]); err != nil {
			return err
		}
	}
	return b.t.writeTallies(b.jobs)
}

// writeNode writes what tasks changed of a node. An idle node that got a task is
// running, and back; a node in any other state stays in it. That change makes no
// event of its own: the tasks' events tell it.
func (b *batch) writeNode(u *nodeUse) error {
	if state := idleOrRunning(u.State, u.RunningTasks); state != u.State {
		u.State, u.StateAt = state, b.t.after(u.tick)
		u.tick = u.StateAt
	}
	recent, err := mergeRecent(u.recent, u.latest)
	if err != nil {
		return err
	}
	_, err = b.t.exec(writeUse, u.State, int64(u.StateAt), int64(u.RunningTasks), int64(u.RunningSlots), int64(u.TotalRun),
		int64(u.TotalSucceeded), int64(u.tick), recent, u.UID)
	return err
}

// mergeRecent puts the latest (in order of time) before the kept ones, one entry
// a task.
func mergeRecent(kept string, latest []pool.RecentTask) (string, error) {
	if len(latest) == 0 {
		return kept, nil
	}
	var old []pool.RecentTask
	if len(kept) > 0 && len(latest) < recentKept {
		if err := json.Unmarshal([]byte(kept), &old); err != nil {
			return "", err
		}
	}
	slices.Reverse(latest)
	var out []pool.RecentTask
	for _, r := range append(latest, old...) {
		same := func(o pool.RecentTask) bool { return o.JobID == r.JobID && o.TaskID == r.TaskID }
		if len(out) < recentKept && !slices.ContainsFunc(out, same) {
			out = append(out, r)
		}
	}
	return recentDoc(out), nil
}
