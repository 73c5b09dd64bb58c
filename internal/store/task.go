package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

const taskColumns = `t.seq, t.job, t.uid, j.uid, j.account_uid, j.id, t.state, t.ending, t.attempt, t.tick, t.rev, t.run, t.spec`

const taskRow = `SELECT ` + taskColumns + ` FROM tasks t JOIN jobs j ON j.no = t.job `

var (
	taskByID       = define(taskRow + `WHERE j.uid = $1 AND t.id_key = $2`)
	taskByUID      = define(taskRow + `WHERE t.uid = $1`)
	lockTask       = define(taskRow + `WHERE t.uid = $1 {lock t}`)
	listTasks      = define(taskRow + `WHERE j.uid = $1 AND t.id_key > $2 ORDER BY t.id_key LIMIT $3`)
	listTasksState = define(taskRow + `WHERE j.uid = $1 AND t.state = $4 AND t.id_key > $2 ORDER BY t.id_key LIMIT $3`)
	updateTask     = define(`
		UPDATE tasks SET state = $1, ending = $2, slots = $3, succeeded = $4, tick = $5, rev = rev + 1, run = $6, spec = $7
		WHERE seq = $8 AND rev = $9`)
	deleteTask     = define(`DELETE FROM tasks WHERE seq = $1`)
	deleteAttempts = define(`DELETE FROM attempts WHERE task = $1`)
	cancelAttempt  = define(`
		UPDATE attempts SET ended = $1, outcome = 'cancelled' WHERE task = $2 AND number = $3 AND ended = 0`)
	insertOrphan = define(`INSERT INTO orphans (task_uid, number, node_uid, slots) VALUES ($1, $2, $3, $4)`)
)

var noTask = fault.New("TaskNotFound", "")

// storedTask is a task with what its row tells besides: place in the queue, the
// job's number and spelled id, and the latest instant.
type storedTask struct {
	*job.Task
	seq, job int64
	jobID    string
	tick     resource.Ticks
}

func scanStoredTask(rows *sql.Rows) (*storedTask, error) {
	t := &job.Task{}
	s := &storedTask{Task: t}
	var run, spec sql.RawBytes
	err := rows.Scan(&s.seq, &s.job, &t.UID, &t.JobUID, &t.AccountUID, &s.jobID, &t.State, &t.EndWanted, &t.Attempt,
		&s.tick, &t.Rev, &run, &spec)
	return s, errors.Join(err, json.Unmarshal(run, t), json.Unmarshal(spec, &t.Spec))
}

func scanTask(rows *sql.Rows) (*job.Task, error) {
	s, err := scanStoredTask(rows)
	return s.Task, err
}

// taskRun is the document of a task's way so far: all of the task but what has
// a column, which the names here hide.
type taskRun struct {
	*job.Task
	UID        *struct{} `json:"uid,omitempty"`
	JobUID     *struct{} `json:"jobUid,omitempty"`
	AccountUID *struct{} `json:"accountUid,omitempty"`
	Spec       *struct{} `json:"spec,omitempty"`
	State      *struct{} `json:"state,omitempty"`
	EndWanted  *struct{} `json:"endWanted,omitempty"`
	Attempt    *struct{} `json:"attempt,omitempty"`
	Rev        *struct{} `json:"rev,omitempty"`
}

func runDoc(t *job.Task) string { return encode(taskRun{Task: t}) }

// slotsOf is what a task occupies; 0 in a specification means the default.
func slotsOf(t *job.Task) int64 { return int64(max(1, t.Spec.RequiredSlots)) }

// GetTask satisfies job.TaskStore.
func (db *DB) GetTask(ctx context.Context, jobUID, id string) (*job.Task, error) {
	return one(db.read(ctx), taskByID, noTask, scanTask, jobUID, resource.Fold(id))
}

// TaskByUID satisfies job.TaskStore.
func (db *DB) TaskByUID(ctx context.Context, uid string) (*job.Task, error) {
	return one(db.read(ctx), taskByUID, noTask, scanTask, uid)
}

// ListTasks satisfies job.TaskStore.
func (db *DB) ListTasks(ctx context.Context, jobUID, state, after string, limit int) ([]*job.Task, error) {
	if state == "" {
		return list(db.read(ctx), listTasks, scanTask, jobUID, resource.Fold(after), limit)
	}
	return list(db.read(ctx), listTasksState, scanTask, jobUID, resource.Fold(after), limit, state)
}

// UpdateTask satisfies job.TaskStore. Only ClaimTasks sets a task running. A
// change that takes a running task from its node leaves an orphan, which ToEnd
// gives to the loop until the node has said that the attempt ended.
func (db *DB) UpdateTask(ctx context.Context, uid string, by pool.Event, change func(*job.Task) error) (*job.Task, error) {
	var task *job.Task
	err := db.write(ctx, func(t *tx) error {
		s, err := one(&t.reader, lockTask, noTask, scanStoredTask, uid)
		if err != nil {
			return err
		}
		task = s.Task
		was := *task
		if err := change(task); err != nil {
			return err
		}
		task.UID, task.JobUID, task.AccountUID, task.Spec.ID = was.UID, was.JobUID, was.AccountUID, was.Spec.ID
		task.Attempt, task.Rev = was.Attempt, was.Rev
		if onNode(task) && !onNode(&was) {
			return fault.New("InternalError", "store: only ClaimTasks gives a task to a node")
		}
		if onNode(task) {
			task.Spec.RequiredSlots = was.Spec.RequiredSlots // the node's count rests on it
		}
		if task.State != was.State && task.StateAt == was.StateAt {
			task.StateAt = 0
		}
		tick := t.advance(s.tick, instant{was.Modified, &task.Modified}, instant{was.StateAt, &task.StateAt})
		if onNode(&was) && !onNode(task) {
			if err := t.abandon(s.seq, &was, tick); err != nil {
				return err
			}
		}
		if err := t.guarded(updateTask, task.State, task.EndWanted, slotsOf(task), flag(task.Result == job.Success),
			int64(tick), runDoc(task), encode(task.Spec), s.seq, was.Rev); err != nil {
			return err
		}
		task.Rev++
		t.changed("task", uid, by, was.State, task.State, task.Attempt)
		c := tallies{}
		c.add(s.job, &was, -1)
		c.add(s.job, task, +1)
		return t.writeTallies(c)
	})
	if err != nil {
		return nil, err
	}
	return task, nil
}

// onNode reports whether a task has an open attempt.
func onNode(t *job.Task) bool { return t.State == job.Running || t.State == job.Preparing }

// abandon closes the open attempt of a task that goes its own way; the node
// keeps the slots until its agent has ended the process.
func (t *tx) abandon(seq int64, task *job.Task, at resource.Ticks) error {
	if _, err := t.exec(cancelAttempt, int64(at), seq, int64(task.Attempt)); err != nil {
		return err
	}
	_, err := t.exec(insertOrphan, task.UID, int64(task.Attempt), task.NodeUID, slotsOf(task))
	return err
}

// DeleteTask satisfies job.TaskStore.
func (db *DB) DeleteTask(ctx context.Context, uid string, by pool.Event) error {
	return db.write(ctx, func(t *tx) error {
		s, err := one(&t.reader, lockTask, noTask, scanStoredTask, uid)
		if err != nil {
			return err
		}
		if onNode(s.Task) {
			if err := t.abandon(s.seq, s.Task, t.after(s.tick)); err != nil {
				return err
			}
		}
		if _, err := t.exec(deleteAttempts, s.seq); err != nil {
			return err
		}
		if _, err := t.exec(deleteTask, s.seq); err != nil {
			return err
		}
		t.changed("task", uid, by, s.State, "", s.Attempt)
		c := tallies{}
		c.add(s.job, s.Task, -1)
		return t.writeTallies(c)
	})
}

// tallies are changes of jobs' counts, by the job's number; the order of the
// eight is that of addCounts.
type tallies map[int64]*[8]int64

// add counts task in (+1) or out (-1).
func (c tallies) add(no int64, task *job.Task, sign int64) {
	n := c[no]
	if n == nil {
		n = new([8]int64)
		c[no] = n
	}
	i := 3 // failed
	switch {
	case task.State == job.Active:
		i = 0
	case onNode(task):
		i = 1
	case task.Result == job.Success:
		i = 2
	}
	n[i] += sign
	n[i+4] += sign * slotsOf(task)
}

// writeTallies adds the changes to the jobs' rows, in one order for all
// transactions so that none waits for another in a ring.
func (t *tx) writeTallies(c tallies) error {
	numbers := make([]int64, 0, len(c))
	for no, n := range c {
		if *n != [8]int64{} {
			numbers = append(numbers, no)
		}
	}
	slices.Sort(numbers)
	for _, no := range numbers {
		n := c[no]
		if _, err := t.exec(addCounts, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], no); err != nil {
			return err
		}
	}
	return nil
}
