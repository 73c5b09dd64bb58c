package job

import (
	"context"
	"fmt"
	"strconv"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Limits of the contract (facts/azure-batch.md 2B).
const (
	MinPriority, MaxPriority = -1000, 1000
	// AutoTerminateReason is set when a job ended because its tasks did.
	ReasonAllTasks  = "AllTasksComplete"
	ReasonTaskFail  = "TaskFailed"
	ReasonWallClock = "MaxWallClockTimeExpiry"
	ReasonUser      = "UserTerminate"
)

// Jobs is every act on jobs and tasks.
type Jobs struct {
	Store JobStore
	Tasks TaskStore
	Clock resource.Clock
	// Wake tells the loops that a job changed, or that tasks wait for the
	// account's pool of that id.
	Wake func(accountUID, poolID string)
	// Ending tells the loops that a job or a running task shall end.
	Ending func()
}

// Quota is the account's limit on jobs that are not completed.
type Quota struct {
	AccountUID string
	LiveJobs   int
}

// Defaults fills in what Azure fills in when a job is added or replaced.
func (s *Spec) Defaults() {
	if s.MaxParallelTasks == 0 {
		s.MaxParallelTasks = -1
	}
	if s.MaxWallClock == 0 {
		s.MaxWallClock = resource.MaxSpan
	}
	if s.OnAllTasksComplete == "" {
		s.OnAllTasksComplete = "noaction"
	}
	if s.OnTaskFailure == "" {
		s.OnTaskFailure = "noaction"
	}
}

// Check reports every rule the specification breaks.
func (s *Spec) Check() error {
	var p fault.Problems
	p.Add(pool.CheckID("id", s.ID))
	p.Add(pool.CheckDisplayName(s.DisplayName))
	p.Add(pool.CheckMetadata(s.Metadata))
	if s.PoolID == "" {
		p.Add(fault.Missing("poolInfo.poolId"))
	}
	if s.Priority < MinPriority || s.Priority > MaxPriority {
		p.Add(fault.Property("priority", strconv.Itoa(s.Priority), fmt.Sprintf("The value must be from %d to %d.", MinPriority, MaxPriority)))
	}
	if s.MaxParallelTasks < -1 {
		p.Add(fault.Property("maxParallelTasks", strconv.Itoa(s.MaxParallelTasks), "The value must be -1 or more than 0."))
	}
	if s.MaxTaskRetries < -1 {
		p.Add(fault.Property("constraints.maxTaskRetryCount", strconv.Itoa(s.MaxTaskRetries), "The value must be -1 or more."))
	}
	if s.MaxWallClock <= 0 {
		p.Add(fault.Property("constraints.maxWallClockTime", "", "The value must be more than 0."))
	}
	if s.OnAllTasksComplete != "noaction" && s.OnAllTasksComplete != "terminatejob" {
		p.Add(fault.Property("onAllTasksComplete", s.OnAllTasksComplete, "The value must be noaction or terminatejob."))
	}
	return p.Err()
}

// Create is every rule of POST /jobs. The pool need not exist (facts/wire.md
// 2.7).
func (js *Jobs) Create(ctx context.Context, who identity.Principal, q Quota, spec Spec) (*Job, error) {
	spec.Defaults()
	if err := spec.Check(); err != nil {
		return nil, err
	}
	live, err := js.Store.CountLiveJobs(ctx, q.AccountUID)
	if err != nil {
		return nil, err
	}
	if live >= q.LiveJobs {
		return nil, fault.New("ActiveJobAndScheduleQuotaReached",
			"The maximum number of active jobs and job schedules for the Batch account has been reached.")
	}
	created := js.Clock.Now()
	now := js.Clock.Now() // Azure's creationTime is a little before lastModified
	j := &Job{AccountUID: q.AccountUID, Spec: spec, State: Active, StateAt: now,
		Created: created, Modified: now, Started: now}
	if err := js.Store.CreateJob(ctx, j, event(who, "JobAdd")); err != nil {
		return nil, err
	}
	js.Ending() // a job that ends with its tasks may end at once
	return j, nil
}

// Update is PATCH or PUT /jobs/{id}: change edits the specification, which is
// then checked as a whole.
func (js *Jobs) Update(ctx context.Context, who identity.Principal, accountUID, id, cause string, check func(*Job) error, change func(*Spec) error) (*Job, error) {
	return js.write(ctx, who, accountUID, id, cause, check, func(j *Job) error {
		if j.State == Completed {
			return fault.New("JobCompleted", "")
		}
		was := j.Spec.PoolID
		if err := change(&j.Spec); err != nil {
			return err
		}
		j.Spec.Defaults()
		if j.Spec.PoolID != was && j.State != Disabled {
			return fault.New("OperationInvalidForCurrentState", "The specified operation is not valid for the current state of the resource.").
				With("Reason", "The pool of a job can be changed only while the job is disabled.")
		}
		return j.Spec.Check()
	})
}

// Terminate is POST /jobs/{id}/terminate: running tasks are ended by the
// loops, waiting ones stay active, then the job is completed.
func (js *Jobs) Terminate(ctx context.Context, who identity.Principal, accountUID, id, reason string, check func(*Job) error) (*Job, error) {
	if reason == "" {
		reason = ReasonUser
	}
	return js.write(ctx, who, accountUID, id, "JobTerminate", check, func(j *Job) error {
		switch j.State {
		case Completed:
			return fault.New("JobCompleted", "")
		case Terminating:
			return fault.New("JobBeingTerminated", "The specified job is being terminated.")
		}
		j.move(Terminating, j.Modified)
		j.TerminateReason = reason
		return nil
	})
}

// Delete is DELETE /jobs/{id}; the ETag stays (facts/wire.md 2b).
func (js *Jobs) Delete(ctx context.Context, who identity.Principal, accountUID, id string, check func(*Job) error) error {
	stored, err := js.Store.GetJob(ctx, accountUID, id)
	if err != nil {
		return err
	}
	now := js.Clock.Now()
	_, err = js.Store.UpdateJob(ctx, stored.UID, event(who, "JobDelete"), func(j *Job) error {
		if err := writable(j, check); err != nil {
			return err
		}
		j.Remove(now)
		return nil
	})
	if err == nil {
		js.Ending()
	}
	return err
}

// transient states never show as the previous state (facts/wire.md 4.4).
var transient = map[string]bool{Disabling: true, Enabling: true, Terminating: true, Deleting: true}

func (j *Job) move(to string, at resource.Ticks) {
	if !transient[j.State] {
		j.Previous, j.PreviousAt = j.State, j.StateAt
	}
	j.State, j.StateAt = to, at
}

// Finish completes a terminating job that has no running task left.
func (j *Job) Finish(now resource.Ticks) {
	j.move(Completed, now)
	j.Ended = now
}

// End starts the termination of an active job by the service itself.
func (j *Job) End(reason string, now resource.Ticks) {
	j.move(Terminating, now)
	j.TerminateReason = reason
}

// Remove marks the job to be deleted with all its tasks.
func (j *Job) Remove(now resource.Ticks) { j.move(Deleting, now) }

// Overdue reports whether an active job has outlived its wall clock.
func (j *Job) Overdue(now resource.Ticks) bool {
	return j.State == Active && j.Spec.MaxWallClock != resource.MaxSpan && now >= j.Started.Add(j.Spec.MaxWallClock)
}

// AllDone reports whether the job asks to end with its tasks and all are
// completed; a job without tasks counts as all complete (facts/azure-batch.md 2E).
func (j *Job) AllDone() bool {
	return j.State == Active && j.Spec.OnAllTasksComplete == "terminatejob" && j.Counts.Active+j.Counts.Running == 0
}

func (js *Jobs) write(ctx context.Context, who identity.Principal, accountUID, id, cause string, check func(*Job) error, change func(*Job) error) (*Job, error) {
	stored, err := js.Store.GetJob(ctx, accountUID, id)
	if err != nil {
		return nil, err
	}
	now := js.Clock.Now()
	j, err := js.Store.UpdateJob(ctx, stored.UID, event(who, cause), func(j *Job) error {
		if err := writable(j, check); err != nil {
			return err
		}
		j.Modified = max(now, j.Modified+1)
		return change(j)
	})
	if err != nil {
		return nil, err
	}
	js.Wake(accountUID, j.Spec.PoolID)
	js.Ending()
	return j, nil
}

func writable(j *Job, check func(*Job) error) error {
	if check != nil {
		if err := check(j); err != nil {
			return err
		}
	}
	if j.State == Deleting {
		return fault.New("JobBeingDeleted", "")
	}
	return nil
}

func event(who identity.Principal, cause string) pool.Event {
	return pool.Event{Actor: who.Actor(), Cause: cause}
}
