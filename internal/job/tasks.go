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
	MaxCollection    = 100
	DefaultRetention = 7 * resource.Day
	MaxCommandLine   = 32768
)

// Defaults fills in what Azure fills in: the retry count comes from the job.
// retriesGiven tells whether the user named one.
func (s *TaskSpec) Defaults(j *Job, retriesGiven bool) {
	if !retriesGiven {
		s.MaxRetries = j.Spec.MaxTaskRetries
	}
	if s.MaxWallClock == 0 {
		s.MaxWallClock = resource.MaxSpan
	}
	if s.Retention == 0 {
		s.Retention = DefaultRetention
	}
	if s.RequiredSlots == 0 {
		s.RequiredSlots = 1
	}
	s.User.Defaults()
}

// Check reports every rule the specification breaks.
func (s *TaskSpec) Check() error {
	var p fault.Problems
	p.Add(pool.CheckID("id", s.ID))
	p.Add(pool.CheckDisplayName(s.DisplayName))
	switch {
	case s.CommandLine == "":
		p.Add(fault.Missing("commandLine"))
	case len(s.CommandLine) > MaxCommandLine:
		p.Add(fault.Property("commandLine", "", fmt.Sprintf("The value may have at most %d characters.", MaxCommandLine)))
	}
	if s.RequiredSlots < 1 || s.RequiredSlots > pool.MaxTaskSlots {
		p.Add(fault.Property("requiredSlots", strconv.Itoa(s.RequiredSlots), fmt.Sprintf("The value must be from 1 to %d.", pool.MaxTaskSlots)))
	}
	if s.MaxRetries < -1 {
		p.Add(fault.Property("constraints.maxTaskRetryCount", strconv.Itoa(s.MaxRetries), "The value must be -1 or more."))
	}
	if s.MaxWallClock <= 0 {
		p.Add(fault.Property("constraints.maxWallClockTime", "", "The value must be more than 0."))
	}
	if s.Retention < 0 {
		p.Add(fault.Property("constraints.retentionTime", "", "The value must not be negative."))
	}
	p.Add(s.User.Check("userIdentity", nil))
	return p.Err()
}

// NewTask is a specification to add and whether it named its retry count.
type NewTask struct {
	Spec         TaskSpec
	RetriesGiven bool
}

// Add is POST .../tasks and .../addtaskcollection: one result a task, a task
// or its error; the second error speaks of the job.
func (js *Jobs) Add(ctx context.Context, accountUID, jobID string, specs []NewTask) ([]*Task, []error, error) {
	j, err := js.Store.GetJob(ctx, accountUID, jobID)
	if err != nil {
		return nil, nil, err
	}
	tasks, errs := make([]*Task, len(specs)), make([]error, len(specs))
	var good []*Task
	var at []int
	for i, n := range specs {
		n.Spec.Defaults(j, n.RetriesGiven)
		if errs[i] = n.Spec.Check(); errs[i] != nil {
			continue
		}
		now := js.Clock.Now()
		good = append(good, &Task{JobUID: j.UID, AccountUID: accountUID, Spec: n.Spec,
			State: Active, StateAt: now, Created: now, Modified: now})
		at = append(at, i)
	}
	if len(good) == 0 {
		return tasks, errs, nil
	}
	results, err := js.Tasks.AddTasks(ctx, j.UID, good)
	if err != nil {
		return nil, nil, err
	}
	for k, i := range at {
		if errs[i] = results[k]; errs[i] == nil {
			tasks[i] = good[k]
		}
	}
	js.Wake(accountUID, j.Spec.PoolID)
	return tasks, errs, nil
}

// Find gives a job and one of its tasks. Errors: JobNotFound, TaskNotFound.
func (js *Jobs) Find(ctx context.Context, accountUID, jobID, taskID string) (*Job, *Task, error) {
	j, err := js.Store.GetJob(ctx, accountUID, jobID)
	if err != nil {
		return nil, nil, err
	}
	t, err := js.Tasks.GetTask(ctx, j.UID, taskID)
	return j, t, err
}

// TerminateTask is POST .../terminate: a waiting task is completed at once, a
// running one when its node has killed it.
func (js *Jobs) TerminateTask(ctx context.Context, who identity.Principal, accountUID, jobID, taskID string, check func(*Task) error) (*Task, error) {
	_, t, err := js.Find(ctx, accountUID, jobID, taskID)
	if err != nil {
		return nil, err
	}
	now := js.Clock.Now()
	t, err = js.Tasks.UpdateTask(ctx, t.UID, event(who, "TaskTerminate"), func(t *Task) error {
		if check != nil {
			if err := check(t); err != nil {
				return err
			}
		}
		if t.State == Completed {
			return fault.New("TaskCompleted", "")
		}
		t.Modified = max(now, t.Modified+1)
		if t.State == Running {
			t.EndWanted = EndByUser
			return nil
		}
		t.complete(t.Modified, nil, endedByRequest())
		t.NodeInfoNone = t.NodeUID == ""
		return nil
	})
	if err == nil {
		js.Ending()
	}
	return t, err
}

// DeleteTask is DELETE .../tasks/{id}: the row goes at once, a running attempt
// is killed by the loops.
func (js *Jobs) DeleteTask(ctx context.Context, who identity.Principal, accountUID, jobID, taskID string, check func(*Task) error) error {
	_, t, err := js.Find(ctx, accountUID, jobID, taskID)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(t); err != nil {
			return err
		}
	}
	if err := js.Tasks.DeleteTask(ctx, t.UID, event(who, "TaskDelete")); err != nil {
		return err
	}
	js.Ending()
	return nil
}
