package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Outcomes of an attempt.
const (
	outcomeSuccess   = "success"
	outcomeFailure   = "failure"
	outcomeLost      = "lost"
	outcomeCancelled = "cancelled"
)

var (
	reportedTasks = oneOf(taskRow+`WHERE t.uid`, `ORDER BY t.seq {lock t}`)
	nodeAttempts  = define(taskRow + `JOIN attempts a ON a.task = t.seq
		WHERE a.node_uid = $1 AND a.ended = 0 ORDER BY t.seq {lock t}`)
	nodeOrphans = define(`SELECT task_uid, number, node_uid, slots FROM orphans WHERE node_uid = $1 ORDER BY task_uid, number {lock}`)
	findOrphan  = define(`
		SELECT task_uid, number, node_uid, slots FROM orphans WHERE task_uid = $1 AND number = $2 AND node_uid = $3 {lock}`)
	deleteOrphan = define(`DELETE FROM orphans WHERE task_uid = $1 AND number = $2`)
)

// ReportTasks satisfies job.TaskStore. The exactly-once of a settled attempt
// rests on the task's row: news is heard only while the task is running with
// that attempt on that node, and hearing the end changes that in the same
// transaction.
func (db *DB) ReportTasks(ctx context.Context, news []job.News, settle job.Settle) ([]*job.Task, error) {
	if len(news) == 0 {
		return nil, nil
	}
	var uids, nodes []any
	for _, n := range news {
		uids, nodes = append(uids, n.TaskUID), append(nodes, n.NodeUID)
	}
	out := make([]*job.Task, len(news))
	err := db.write(ctx, func(t *tx) error {
		b := newBatch(t)
		tasks := map[string]*storedTask{}
		err := reportedTasks.inChunks(distinct(uids), func(s *stmt, args []any) error {
			some, err := list(&t.reader, s, scanStoredTask, args...)
			for _, s := range some {
				tasks[s.UID] = s
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := b.lockNodes(distinct(nodes)); err != nil {
			return err
		}
		for i, n := range news {
			out[i] = nil
			s := tasks[n.TaskUID]
			if s == nil || !onNode(s.Task) || s.Attempt != n.Attempt || s.NodeUID != n.NodeUID {
				if err := b.stale(n); err != nil {
					return err
				}
				continue
			}
			if err := b.hear(s, n, settle); err != nil {
				return err
			}
			out[i] = s.Task
		}
		return b.flush()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// distinct keeps the first of equal values.
func distinct(values []any) []any {
	seen := make(map[any]bool, len(values))
	var out []any
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// hear applies news of the current attempt.
func (b *batch) hear(s *storedTask, n job.News, settle job.Settle) error {
	now := b.t.after(s.tick)
	if !n.Ended {
		started := cmp.Or(n.Started, n.At, now)
		s.Start, s.tick = started, now
		b.write(s)
		b.closed = append(b.closed, s.seq, int64(s.Attempt), int64(started), int64(0), "", nil)
		return nil
	}
	outcome := outcomeFailure
	switch {
	case n.Failure == nil && n.ExitCode != nil && *n.ExitCode == 0:
		outcome = outcomeSuccess
	case s.EndWanted != "":
		outcome = outcomeCancelled
	}
	err := b.settled(s, n.Started, cmp.Or(n.At, now), outcome, n.ExitCode, func(t *job.Task) { settle(t, n, now) }, now)
	u := b.nodes[n.NodeUID]
	if err != nil || u == nil {
		return err
	}
	u.TotalRun++
	if s.Result == job.Success {
		u.TotalSucceeded++
	}
	return nil
}

// settled ends the open attempt of a task and lets rule say what becomes of the
// task. rule must take it off its node.
func (b *batch) settled(s *storedTask, started, ended resource.Ticks, outcome string, exit *int,
	rule func(*job.Task), now resource.Ticks) error {
	was := *s.Task
	rule(s.Task)
	if s.Requeues > was.Requeues {
		outcome = outcomeLost // whoever told it: a node's own news may say that its agent died
	}
	if onNode(s.Task) {
		return fmt.Errorf("store: attempt %d of task %s ended and the rule left the task %s", was.Attempt, was.UID, s.State)
	}
	s.UID, s.JobUID, s.AccountUID, s.Attempt, s.Rev, s.Spec = was.UID, was.JobUID, was.AccountUID, was.Attempt, was.Rev, was.Spec
	if s.StateAt == was.StateAt {
		s.StateAt = now
	}
	s.tick = max(b.t.advance(s.tick, instant{was.StateAt, &s.StateAt}, instant{was.Modified, &s.Modified}), now)
	b.jobs.add(s.job, &was, -1)
	b.jobs.add(s.job, s.Task, +1)
	b.write(s)
	b.use(was.NodeUID, -1, slotsOf(&was), s)
	var code any
	if exit != nil {
		code = int64(*exit)
	}
	b.closed = append(b.closed, s.seq, int64(was.Attempt), int64(started), int64(ended), outcome, code)
	b.t.changed("task", s.UID, pool.Event{Cause: outcome}, was.State, s.State, was.Attempt)
	return nil
}

// orphan is an attempt a node may still run and whose task went on without it.
type orphan struct {
	taskUID string
	number  int
	nodeUID string
	slots   int64
}

func scanOrphan(rows *sql.Rows) (o orphan, err error) {
	err = rows.Scan(&o.taskUID, &o.number, &o.nodeUID, &o.slots)
	return o, err
}

// stale hears news of an attempt that is not current: its end frees the node.
func (b *batch) stale(n job.News) error {
	if !n.Ended {
		return nil
	}
	found, err := list(&b.t.reader, findOrphan, scanOrphan, n.TaskUID, int64(n.Attempt), n.NodeUID)
	if err != nil || len(found) == 0 {
		return err
	}
	if u := b.nodes[n.NodeUID]; u != nil {
		u.TotalRun++
	}
	return b.drop(found[0])
}

func (b *batch) drop(o orphan) error {
	b.use(o.nodeUID, -1, o.slots, nil)
	_, err := b.t.exec(deleteOrphan, o.taskUID, int64(o.number))
	return err
}

// RequeueNode satisfies job.TaskStore. Orphans of the node end with it too. A
// node that is gone has no count to change.
func (db *DB) RequeueNode(ctx context.Context, nodeUID string, keep map[string]int, lost func(t *job.Task, now resource.Ticks)) ([]*job.Task, error) {
	var out []*job.Task
	err := db.write(ctx, func(t *tx) error {
		out = nil
		b := newBatch(t)
		tasks, err := list(&t.reader, nodeAttempts, scanStoredTask, nodeUID)
		if err != nil {
			return err
		}
		orphans, err := list(&t.reader, nodeOrphans, scanOrphan, nodeUID)
		if err != nil {
			return err
		}
		if err := b.lockNodes([]any{nodeUID}); err != nil {
			return err
		}
		kept := func(uid string, attempt int) bool {
			n, ok := keep[uid]
			return ok && n == attempt
		}
		for _, s := range tasks {
			if kept(s.UID, s.Attempt) {
				continue
			}
			now := t.after(s.tick)
			if err := b.settled(s, 0, now, outcomeLost, nil, func(task *job.Task) { lost(task, now) }, now); err != nil {
				return err
			}
			out = append(out, s.Task)
		}
		for _, o := range orphans {
			if !kept(o.taskUID, o.number) {
				if err := b.drop(o); err != nil {
					return err
				}
			}
		}
		return b.flush()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
