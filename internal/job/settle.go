package job

import (
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// taskMoves is the task state machine: which state may follow which. Preparing
// waits for jobs with preparation tasks.
var taskMoves = map[string][]string{
	Active:    {Preparing, Running, Completed},
	Preparing: {Active, Running, Completed},
	Running:   {Active, Completed}, // active again: a retry, or its node was lost
	Completed: {Active},            // reactivated
}

// MayMove reports whether a task may go from one state to another.
func MayMove(from, to string) bool {
	for _, s := range taskMoves[from] {
		if s == to {
			return true
		}
	}
	return false
}

func (t *Task) move(to string, at resource.Ticks) {
	if at < t.StateAt {
		at = t.StateAt // a node's clock may lag behind ours
	}
	t.Previous, t.PreviousAt = t.State, t.StateAt
	t.State, t.StateAt = to, at
}

func (t *Task) complete(at resource.Ticks, exit *int, f *pool.Failure) {
	t.move(Completed, at)
	t.End = t.StateAt // Azure's endTime is the state transition's (facts/wire.md 2.8)
	t.ExitCode, t.Failure, t.EndWanted = exit, f, ""
	t.Result = Success
	if f != nil {
		t.Result = Failure
	}
}

// lostCodes are failures that say nothing of the task: its node went away
// under it, so it runs again without costing a retry.
var lostCodes = map[string]bool{"NodeLost": true}

// SettleNews is the rule for an attempt's news: a started task keeps its true
// start; an ended one is completed, retried, or, if its node was lost, queued
// again.
func SettleNews(t *Task, n News, now resource.Ticks) {
	if !n.Ended {
		t.Start = n.At
		return
	}
	if n.Started != 0 {
		t.Start = n.Started
	}
	failure := n.Failure
	if failure == nil && n.ExitCode != nil && *n.ExitCode != 0 {
		failure = &pool.Failure{Category: "UserError", Code: "FailureExitCode",
			Message: "The task exited with an exit code representing a failure",
			Details: [][2]string{{"Message", "The task exited with an exit code representing a failure"}}}
	}
	switch {
	case failure != nil && lostCodes[failure.Code]:
		Lost(t, now)
	case t.EndWanted != "":
		t.complete(n.At, n.ExitCode, ended(t.EndWanted))
	case failure != nil && t.retriesLeft():
		t.Retries++
		t.LastRetry = now
		t.ExitCode, t.Failure, t.Result = n.ExitCode, failure, Failure
		t.move(Active, now)
	default:
		t.complete(n.At, n.ExitCode, failure)
	}
}

func (t *Task) retriesLeft() bool {
	return t.Spec.MaxRetries == -1 || t.Retries < t.Spec.MaxRetries
}

// Lost is the rule for a task whose node or agent went away under it: it waits
// again, requeueCount is one more, and no retry is spent. One that was to end
// anyway ends.
func Lost(t *Task, now resource.Ticks) {
	if t.EndWanted != "" {
		t.complete(now, nil, ended(t.EndWanted))
		return
	}
	t.Requeues++
	t.LastRequeue = now
	t.Start = 0
	t.move(Active, now)
}

// Terminated is the rule for a task whose node leaves with option terminate.
func Terminated(t *Task, now resource.Ticks) {
	t.complete(now, nil, endedByRequest())
}

func ended(reason string) *pool.Failure {
	if reason == EndByJob {
		return &pool.Failure{Category: "UserError", Code: "TaskEnded", Message: "Task Was Ended by Job Termination"}
	}
	return endedByRequest()
}

func endedByRequest() *pool.Failure {
	return &pool.Failure{Category: "UserError", Code: "TaskEnded", Message: "Task Was Ended by User Request"}
}
