package pool

import "millpond/internal/resource"

// StartNews is what an agent reports of an attempt of the start task.
type StartNews struct {
	Attempt  int
	Ended    bool // else started
	At       resource.Ticks
	Started  resource.Ticks
	ExitCode *int
	Failure  *Failure
}

// BeginStart notes a new attempt of the start task: the first of this boot, or a
// retry.
func (n *Node) BeginStart(now resource.Ticks) int {
	n.StartRuns++
	if n.Start == nil {
		n.Start = &StartTaskInfo{Attempt: n.StartRuns, State: "running", Start: now}
		return n.StartRuns
	}
	s := *n.Start
	s.Attempt = n.StartRuns
	s.Retries++
	s.LastRetry, s.Start, s.State = now, now, "running"
	s.End, s.ExitCode, s.Result, s.Failure = 0, nil, "", nil
	n.Start = &s
	return s.Attempt
}

// HearStart is the rule for news of the start task: success makes the node
// idle, a failure is tried again while retries are left, and then the node is
// starttaskfailed if the pool waits for success. It tells whether to start
// another attempt.
func (n *Node) HearStart(t *StartTask, news StartNews, now resource.Ticks) (again bool) {
	if n.Start == nil || t == nil || news.Attempt != n.Start.Attempt || n.Start.State == "completed" {
		return false
	}
	s := *n.Start
	defer func() { n.Start = &s }()
	if !news.Ended {
		s.Start = news.At
		return false
	}
	if news.Started != 0 {
		s.Start = news.Started
	}
	s.State, s.End, s.ExitCode, s.Failure = "completed", news.At, news.ExitCode, news.Failure
	if s.Failure == nil && (news.ExitCode == nil || *news.ExitCode != 0) {
		s.Failure = &Failure{Category: "UserError", Code: "FailureExitCode",
			Message: "The task exited with an exit code representing a failure"}
	}
	if s.Failure == nil {
		s.Result = "success"
		if n.State == NodeWaiting {
			_ = n.Move(StartTaskDone, now) // in the table for this state
		}
		return false
	}
	s.Result = "failure"
	if t.MaxRetries == -1 || s.Retries < t.MaxRetries {
		return true
	}
	if n.State == NodeWaiting {
		_ = n.Move(StartTaskBad, now)
		n.Errors = []NodeError{{Code: "StartTaskFailed", Message: "The start task failed on the node"}}
	}
	return false
}
