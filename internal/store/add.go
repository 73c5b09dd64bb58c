package store

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

var insertTasks = manyRows(`
	INSERT INTO tasks (uid, job, id_key, state, ending, slots, succeeded, attempt, tick, rev, run, spec) VALUES `,
	"", 12, ` ON CONFLICT DO NOTHING`)

// jobArg is where the job's number goes in a row of insertTasks.
const jobArg = 1

// errShort says that some tasks of a bulk insert were there already.
var errShort = errors.New("store: not all tasks are new")

// AddTasks satisfies job.TaskStore. It fills UID, JobUID, AccountUID, State, Rev
// and the instants the caller left out. A job that is disabled takes tasks, as
// Azure's does. One event stands for the whole call.
func (db *DB) AddTasks(ctx context.Context, jobUID string, tasks []*job.Task) ([]error, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	// Documents are made here, beside the writer, which is the narrow place.
	now := db.clock.Now()
	args := make([]any, 0, len(tasks)*insertTasks.width)
	for _, task := range tasks {
		if task.UID == "" {
			task.UID = newUID()
		}
		task.State, task.JobUID, task.Rev = job.Active, jobUID, 1
		stampNew(now, &task.Created, &task.Modified, &task.StateAt)
		args = append(args, task.UID, nil, resource.Fold(task.Spec.ID), task.State, "", slotsOf(task), int64(0), int64(0),
			int64(max(task.Created, task.Modified, task.StateAt)), int64(1), runDoc(task), encode(task.Spec))
	}
	results := make([]error, len(tasks))
	err := db.write(ctx, func(t *tx) error { return t.addTasks(jobUID, tasks, args, results, insertAll) })
	if errors.Is(err, errShort) {
		err = db.write(ctx, func(t *tx) error { return t.addTasks(jobUID, tasks, args, results, insertEach) })
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (t *tx) addTasks(jobUID string, tasks []*job.Task, args []any, results []error,
	insert func(t *tx, args []any, results []error) error) error {
	j, err := one(&t.reader, lockJob, noJob, scanStoredJob, jobUID)
	if err != nil {
		return err
	}
	if err := takesTasks(j.State); err != nil {
		return err
	}
	for i := jobArg; i < len(args); i += insertTasks.width {
		args[i] = j.no
	}
	if err := insert(t, args, results); err != nil {
		return err
	}
	c := tallies{}
	for i, task := range tasks {
		if results[i] == nil {
			task.AccountUID = j.AccountUID
			c.add(j.no, task, +1)
		}
	}
	t.changed("job", jobUID, pool.Event{Cause: "tasks added"}, j.State, j.State, 0)
	return t.writeTallies(c)
}

// insertAll is the usual case: every task is new.
func insertAll(t *tx, args []any, _ []error) error {
	n, err := t.execAll(insertTasks, args)
	if err == nil && int(n)*insertTasks.width != len(args) {
		return errShort
	}
	return err
}

// insertEach finds out which tasks are there already.
func insertEach(t *tx, args []any, results []error) error {
	for i := range results {
		n, err := t.execAll(insertTasks, args[i*insertTasks.width:(i+1)*insertTasks.width])
		if err != nil {
			return err
		}
		results[i] = nil
		if n == 0 {
			results[i] = fault.New("TaskExists", "")
		}
	}
	return nil
}

func takesTasks(state string) error {
	switch state {
	case job.Completed:
		return fault.New("JobCompleted", "")
	case job.Terminating:
		return fault.New("JobBeingTerminated", "")
	case job.Deleting:
		return fault.New("JobBeingDeleted", "")
	}
	return nil
}
