package job

import (
	"context"

	"millpond/internal/pool"
	"millpond/internal/resource"
)

// States of a job (facts/azure-batch.md 2D).
const (
	Active      = "active"
	Disabling   = "disabling"
	Disabled    = "disabled"
	Enabling    = "enabling"
	Terminating = "terminating"
	Completed   = "completed"
	Deleting    = "deleting"
)

// Job is a job as stored. AccountUID and the folded ID are its key.
type Job struct {
	UID        string `json:"uid"`
	AccountUID string `json:"accountUid"`
	Spec       Spec   `json:"spec"`

	State           string         `json:"state"`
	StateAt         resource.Ticks `json:"stateAt"`
	Previous        string         `json:"previous,omitempty"`
	PreviousAt      resource.Ticks `json:"previousAt,omitempty"`
	Created         resource.Ticks `json:"created"`
	Modified        resource.Ticks `json:"modified"` // last user write
	Started         resource.Ticks `json:"started"`
	Ended           resource.Ticks `json:"ended"`
	TerminateReason string         `json:"terminateReason,omitempty"`

	Rev int64 `json:"rev"`

	// Filled by the store when reading, never written by rules.
	Counts Counts `json:"-"`
}

// ETag is Azure's tag of the last user write.
func (j *Job) ETag() string { return j.Modified.ETag() }

// Spec is what the user asked for, with Azure's defaults filled in.
type Spec struct {
	ID                 string                    `json:"id"`
	DisplayName        string                    `json:"displayName,omitempty"`
	PoolID             string                    `json:"poolId"`
	Priority           int                       `json:"priority"`
	MaxParallelTasks   int                       `json:"maxParallelTasks"` // -1 = no limit
	MaxWallClock       resource.Span             `json:"maxWallClock"`
	MaxTaskRetries     int                       `json:"maxTaskRetries"`
	Environment        []pool.EnvironmentSetting `json:"environment"`
	EmptyEnvironment   bool                      `json:"emptyEnvironment,omitempty"` // [] was sent and is echoed
	OnAllTasksComplete string                    `json:"onAllTasksComplete"`         // noaction, terminatejob
	OnTaskFailure      string                    `json:"onTaskFailure"`
	Metadata           []pool.Metadata           `json:"metadata,omitempty"`
}

// Counts are a job's tasks by state, and their slots.
type Counts struct {
	Active, Running, Succeeded, Failed                     int
	ActiveSlots, RunningSlots, SucceededSlots, FailedSlots int
}

// JobStore keeps jobs. Every method is one transaction that also writes the
// event. Update functions are pure and may run twice. Errors: JobExists,
// JobNotFound, JobBeingDeleted.
type JobStore interface {
	CreateJob(ctx context.Context, j *Job, by pool.Event) error
	GetJob(ctx context.Context, accountUID, id string) (*Job, error)
	JobByUID(ctx context.Context, uid string) (*Job, error)
	// ListJobs gives up to limit jobs of the account after the folded id after.
	ListJobs(ctx context.Context, accountUID, after string, limit int) ([]*Job, error)
	UpdateJob(ctx context.Context, uid string, by pool.Event, change func(*Job) error) (*Job, error)
	// UnsettledJobs gives jobs in a transient state or deleting, and active jobs
	// with a wall clock limit or an action on all tasks complete.
	UnsettledJobs(ctx context.Context) ([]*Job, error)
	// RemoveJob deletes the job's row with all its tasks and attempts; it fails
	// with JobBeingTerminated while a task still runs.
	RemoveJob(ctx context.Context, uid string) error
	// CountLiveJobs counts the jobs of an account that are not completed.
	CountLiveJobs(ctx context.Context, accountUID string) (int, error)
}
