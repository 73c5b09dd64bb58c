package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

const jobColumns = `j.no, j.tick, j.rev, j.active, j.running, j.succeeded, j.failed,
	j.active_slots, j.running_slots, j.succeeded_slots, j.failed_slots, j.doc`

const jobRow = `SELECT ` + jobColumns + ` FROM jobs j `

var (
	insertJob = define(`
		INSERT INTO jobs (uid, account_uid, id_key, id, pool_key, state, priority, max_parallel, watched, created, tick, rev, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12) ON CONFLICT DO NOTHING`)
	jobByID       = define(jobRow + `WHERE j.account_uid = $1 AND j.id_key = $2`)
	jobByUID      = define(jobRow + `WHERE j.uid = $1`)
	lockJob       = define(jobRow + `WHERE j.uid = $1 {lock}`)
	listJobs      = define(jobRow + `WHERE j.account_uid = $1 AND j.id_key > $2 ORDER BY j.id_key LIMIT $3`)
	unsettledJobs = define(jobRow + `WHERE j.state <> 'completed' AND
		(j.state IN ('disabling', 'enabling', 'terminating', 'deleting') OR (j.state = 'active' AND j.watched = 1))
		ORDER BY j.no`)
	updateJob = define(`
		UPDATE jobs SET pool_key = $1, state = $2, priority = $3, max_parallel = $4, watched = $5, tick = $6, rev = rev + 1, doc = $7
		WHERE uid = $8 AND rev = $9`)
	addCounts = define(`
		UPDATE jobs SET active = active + $1, running = running + $2, succeeded = succeeded + $3, failed = failed + $4,
		active_slots = active_slots + $5, running_slots = running_slots + $6,
		succeeded_slots = succeeded_slots + $7, failed_slots = failed_slots + $8 WHERE no = $9`)
	countLiveJobs = define(`SELECT count(*) FROM jobs WHERE account_uid = $1 AND state <> 'completed'`)
	deleteJob     = define(`DELETE FROM jobs WHERE no = $1`)
)

var noJob = fault.New("JobNotFound", "")

type storedJob struct {
	*job.Job
	no   int64
	tick resource.Ticks
}

func scanStoredJob(rows *sql.Rows) (s storedJob, err error) {
	j := &job.Job{}
	c, rev, doc := &j.Counts, int64(0), sql.RawBytes{}
	err = rows.Scan(&s.no, &s.tick, &rev, &c.Active, &c.Running, &c.Succeeded, &c.Failed,
		&c.ActiveSlots, &c.RunningSlots, &c.SucceededSlots, &c.FailedSlots, &doc)
	if err == nil {
		err = json.Unmarshal(doc, j)
	}
	j.Rev, s.Job = rev, j
	return s, err
}

func scanJob(rows *sql.Rows) (*job.Job, error) {
	s, err := scanStoredJob(rows)
	return s.Job, err
}

// watched reports whether the job's loop has to look at the job while it is
// active: it may end by itself.
func watched(s job.Spec) bool {
	limited := s.MaxWallClock > 0 && s.MaxWallClock != resource.MaxSpan
	return limited || s.OnAllTasksComplete == "terminatejob"
}

// CreateJob satisfies job.JobStore. It fills UID, Rev and the instants the
// caller left out.
func (db *DB) CreateJob(ctx context.Context, j *job.Job, by pool.Event) error {
	made := *j
	if made.UID == "" {
		made.UID = newUID()
	}
	s := made.Spec
	key := resource.Fold(s.ID)
	err := db.write(ctx, func(t *tx) error {
		stampNew(t.now, &made.Created, &made.Modified, &made.StateAt)
		made.Rev, made.Counts = 1, job.Counts{}
		n, err := t.exec(insertJob, made.UID, made.AccountUID, key, s.ID, resource.Fold(s.PoolID), made.State, int64(s.Priority),
			int64(s.MaxParallelTasks), flag(watched(s)), int64(made.Created),
			int64(max(made.Created, made.Modified, made.StateAt)), encode(made))
		if err != nil {
			return err
		}
		if n == 0 {
			return t.jobTaken(made.AccountUID, key)
		}
		t.changed("job", made.UID, by, "", made.State, 0)
		return nil
	})
	if err == nil {
		*j = made
	}
	return err
}

// jobTaken says why a job's id cannot be used.
func (t *tx) jobTaken(accountUID, key string) error {
	j, err := one(&t.reader, jobByID, fault.New("JobExists", ""), scanJob, accountUID, key)
	if err == nil && j.State == job.Deleting {
		return fault.New("JobBeingDeleted", "")
	}
	if err == nil {
		return fault.New("JobExists", "")
	}
	return err
}

// GetJob satisfies job.JobStore.
func (db *DB) GetJob(ctx context.Context, accountUID, id string) (*job.Job, error) {
	return one(db.read(ctx), jobByID, noJob, scanJob, accountUID, resource.Fold(id))
}

// JobByUID satisfies job.JobStore.
func (db *DB) JobByUID(ctx context.Context, uid string) (*job.Job, error) {
	return one(db.read(ctx), jobByUID, noJob, scanJob, uid)
}

// ListJobs satisfies job.JobStore.
func (db *DB) ListJobs(ctx context.Context, accountUID, after string, limit int) ([]*job.Job, error) {
	return list(db.read(ctx), listJobs, scanJob, accountUID, resource.Fold(after), limit)
}

// UnsettledJobs satisfies job.JobStore.
func (db *DB) UnsettledJobs(ctx context.Context) ([]*job.Job, error) {
	return list(db.read(ctx), unsettledJobs, scanJob)
}

// UpdateJob satisfies job.JobStore.
func (db *DB) UpdateJob(ctx context.Context, uid string, by pool.Event, change func(*job.Job) error) (*job.Job, error) {
	var j *job.Job
	err := db.write(ctx, func(t *tx) error {
		s, err := one(&t.reader, lockJob, noJob, scanStoredJob, uid)
		if err != nil {
			return err
		}
		j = s.Job
		was := *j
		if err := change(j); err != nil {
			return err
		}
		j.UID, j.AccountUID, j.Spec.ID, j.Rev, j.Counts = was.UID, was.AccountUID, was.Spec.ID, was.Rev, was.Counts
		if j.State != was.State && j.StateAt == was.StateAt {
			j.StateAt = 0
		}
		tick := t.advance(s.tick, instant{was.Modified, &j.Modified}, instant{was.StateAt, &j.StateAt})
		err = t.guarded(updateJob, resource.Fold(j.Spec.PoolID), j.State, int64(j.Spec.Priority), int64(j.Spec.MaxParallelTasks),
			flag(watched(j.Spec)), int64(tick), encode(j), uid, was.Rev)
		if err != nil {
			return err
		}
		j.Rev++
		t.changed("job", uid, by, was.State, j.State, 0)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

// CountLiveJobs satisfies job.JobStore.
func (db *DB) CountLiveJobs(ctx context.Context, accountUID string) (int, error) {
	n, err := one(db.read(ctx), countLiveJobs, nil, scanInt, accountUID)
	return int(n), err
}
