package job

import (
	"context"

	"millpond/internal/pool"
	"millpond/internal/resource"
)

// States of a task; Active, Completed are shared with jobs.
const (
	Preparing = "preparing"
	Running   = "running"
)

// Results of a completed task.
const (
	Success = "success"
	Failure = "failure"
)

// Task is a task as stored. JobUID and the folded ID are its key.
type Task struct {
	UID        string   `json:"uid"`
	JobUID     string   `json:"jobUid"`
	AccountUID string   `json:"accountUid"`
	Spec       TaskSpec `json:"spec"`

	State      string         `json:"state"`
	StateAt    resource.Ticks `json:"stateAt"`
	Previous   string         `json:"previous,omitempty"`
	PreviousAt resource.Ticks `json:"previousAt,omitempty"`
	Created    resource.Ticks `json:"created"`
	Modified   resource.Ticks `json:"modified"` // last user write

	// Attempt counts the times the task was given to a node; 0 = never. While
	// Running, (UID, Attempt) is the only attempt whose news is accepted.
	Attempt int    `json:"attempt"`
	NodeUID string `json:"nodeUid,omitempty"`
	NodeID  string `json:"nodeId,omitempty"`
	PoolID  string `json:"poolId,omitempty"`
	// EndWanted is set when a running task shall end: TaskEnded (by request),
	// JobEnded (its job ends).
	EndWanted string `json:"endWanted,omitempty"`

	Start        resource.Ticks `json:"start,omitempty"`
	End          resource.Ticks `json:"end,omitempty"`
	ExitCode     *int           `json:"exitCode,omitempty"`
	Failure      *pool.Failure  `json:"failure,omitempty"`
	Result       string         `json:"result,omitempty"`
	Retries      int            `json:"retries"`
	LastRetry    resource.Ticks `json:"lastRetry,omitempty"`
	Requeues     int            `json:"requeues"`
	LastRequeue  resource.Ticks `json:"lastRequeue,omitempty"`
	NodeInfoNone bool           `json:"nodeInfoNone,omitempty"` // ended without a node: nodeInfo is {}

	Rev int64 `json:"rev"`
}

// ETag is Azure's tag of the last user write.
func (t *Task) ETag() string { return t.Modified.ETag() }

// Reasons in EndWanted.
const (
	EndByUser = "TaskEnded"
	EndByJob  = "JobEnded"
)

// TaskSpec is what the user asked for, with Azure's defaults filled in.
type TaskSpec struct {
	ID            string                    `json:"id"`
	DisplayName   string                    `json:"displayName,omitempty"`
	CommandLine   string                    `json:"commandLine"`
	Environment   []pool.EnvironmentSetting `json:"environment,omitempty"`
	User          pool.UserIdentity         `json:"user"`
	MaxWallClock  resource.Span             `json:"maxWallClock"`
	Retention     resource.Span             `json:"retention"`
	MaxRetries    int                       `json:"maxRetries"` // -1 = no limit
	RequiredSlots int                       `json:"requiredSlots"`
	AffinityID    string                    `json:"affinityId,omitempty"`
}

// Dir is the task's directory below the node's root, as Azure names it.
func (t *Task) Dir(jobID string) string { return "workitems/" + jobID + "/job-1/" + t.Spec.ID }

// Offer is a node with free slots that asks for tasks.
type Offer struct {
	NodeUID string
	NodeID  string
	BootID  string
	Free    int
	Total   int
}

// Candidate is a task that could run, in the order it should be placed.
type Candidate struct {
	Task *Task
	Job  *Job
}

// Placement gives a candidate (by index) to an offer (by index).
type Placement struct{ Candidate, Offer int }

// Place is the pure rule of placement (see placement.go).
type Place func(offers []Offer, tasks []Candidate) []Placement

// Assignment is a claimed attempt: the task as now stored, and its job.
type Assignment struct {
	Task *Task
	Job  *Job
}

// News is what an agent reports of one attempt (wire.Report in the noun's words).
type News struct {
	TaskUID  string
	Attempt  int
	NodeUID  string
	Ended    bool // else started
	At       resource.Ticks
	Started  resource.Ticks
	ExitCode *int
	Failure  *pool.Failure
}

// Settle is the pure rule that applies news to the current attempt of a task:
// it completes the task, or puts it back to Active for a retry.
type Settle func(t *Task, n News, now resource.Ticks)

// Attempt is a row of the attempts table.
type Attempt struct {
	TaskUID string
	Number  int
	NodeUID string
	BootID  string
	Claimed resource.Ticks
	Started resource.Ticks
	Ended   resource.Ticks // 0 while open
	Outcome string         // "", success, failure, lost, cancelled
	Exit    *int
}

// TaskStore keeps tasks and attempts, counts them per job and per node, and is
// the queue. Every method is one transaction. Errors: TaskExists, TaskNotFound,
// JobNotFound.
type TaskStore interface {
	// AddTasks writes tasks of one job that is Active. The result has one entry a
	// task: nil or TaskExists. The error speaks of all (JobNotFound,
	// JobCompleted, JobBeingTerminated, JobBeingDeleted).
	AddTasks(ctx context.Context, jobUID string, tasks []*Task) ([]error, error)
	GetTask(ctx context.Context, jobUID, id string) (*Task, error)
	TaskByUID(ctx context.Context, uid string) (*Task, error)
	// ListTasks gives up to limit tasks after the folded id after; state "" = any.
	ListTasks(ctx context.Context, jobUID, state, after string, limit int) ([]*Task, error)
	// UpdateTask lets change alter a task; counts follow its state.
	UpdateTask(ctx context.Context, uid string, by pool.Event, change func(*Task) error) (*Task, error)
	// DeleteTask removes the row at once; an open attempt becomes an orphan.
	DeleteTask(ctx context.Context, uid string, by pool.Event) error

	// ClaimTasks hands active tasks of the pool's active jobs to offers: in order
	// of job priority, then of arrival; place decides which goes where. Claimed
	// tasks are Running with a new Attempt (Start = now) and an attempt row, and
	// the nodes that got one are running.
	ClaimTasks(ctx context.Context, poolUID string, offers []Offer, place Place) ([]Assignment, error)
	// ReportTasks applies news: for each (task, current attempt, node) settle is
	// called once for all time; other news changes nothing, save that it closes
	// an open attempt row. Nodes without tasks left become idle. The result tells
	// for each news the task as now stored, nil where it was refused.
	ReportTasks(ctx context.Context, news []News, settle Settle) ([]*Task, error)
	// RequeueNode closes the open attempts of a node as lost (except those in
	// keep) and applies lost to each of their tasks.
	RequeueNode(ctx context.Context, nodeUID string, keep map[string]int, lost func(t *Task, now resource.Ticks)) ([]*Task, error)
	// RunningOn gives the tasks a node runs.
	RunningOn(ctx context.Context, nodeUID string) ([]*Task, error)
	// ToEnd gives running tasks with EndWanted, and orphans: open attempts whose
	// task is gone (as a Task with only UID, Attempt and NodeUID).
	ToEnd(ctx context.Context) ([]*Task, error)
	// EndJobTasks sets EndWanted on every running task of the job.
	EndJobTasks(ctx context.Context, jobUID, reason string) (running int, err error)
	// PoolsWithWork gives the uids of pools that have an active task of an active
	// job.
	PoolsWithWork(ctx context.Context) ([]string, error)
	Attempts(ctx context.Context, taskUID string) ([]Attempt, error)
	// RecentTasks gives a node's last tasks, newest first.
	RecentTasks(ctx context.Context, nodeUID string, limit int) ([]pool.RecentTask, error)
	// WaitingTasks counts active tasks by job for the pool, for explain.
	WaitingTasks(ctx context.Context, accountUID, poolID string) (int, error)
}
