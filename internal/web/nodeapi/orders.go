package nodeapi

import (
	"strconv"

	"millpond/internal/job"
	"millpond/internal/node/wire"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Assign sends claimed attempts to their node.
func (g *Gateway) Assign(nodeUID string, work []job.Assignment) error {
	return g.order(nodeUID, wire.Frame{Assign: tasksOf(work)})
}

// Start sends an attempt of the start task.
func (g *Gateway) Start(nodeUID string, order job.StartOrder) error {
	return g.order(nodeUID, wire.Frame{Assign: []wire.Task{startOf(nodeUID, order)}})
}

// Cancel asks a node to end an attempt.
func (g *Gateway) Cancel(nodeUID, taskUID string, attempt int, _ string) error {
	return g.order(nodeUID, wire.Frame{Cancel: []wire.Cancel{{TaskUID: taskUID, Attempt: attempt, Reason: wire.FailEnded}}})
}

func (g *Gateway) order(nodeUID string, f wire.Frame) error {
	s, err := g.session(nodeUID)
	if err != nil {
		return err
	}
	s.send(f)
	return nil
}

// attemptVariable tells a task which attempt it is, so that work that must be
// done once can be told from its repetition. Azure has no such variable
// (docs/divergences.md).
const attemptVariable = "MILLPOND_TASK_ATTEMPT"

func tasksOf(work []job.Assignment) []wire.Task {
	out := make([]wire.Task, len(work))
	for i, a := range work {
		t := a.Task
		out[i] = wire.Task{
			UID: t.UID, Attempt: t.Attempt, Kind: wire.KindTask, JobID: a.Job.Spec.ID, ID: t.Spec.ID,
			Dir: t.Dir(a.Job.Spec.ID), CommandLine: t.Spec.CommandLine,
			Env:  append(append(pairs(a.Job.Spec.Environment), pairs(t.Spec.Environment)...), wire.Pair{Name: attemptVariable, Value: strconv.Itoa(t.Attempt)}),
			User: runAs(t.Spec.User), Slots: t.Spec.RequiredSlots, Timeout: limit(t.Spec.MaxWallClock),
		}
	}
	return out
}

// startOf names the start task by its node's uid: there is one a node.
func startOf(nodeUID string, o job.StartOrder) wire.Task {
	return wire.Task{UID: nodeUID, Attempt: o.Attempt, Kind: wire.KindStart, Dir: "startup",
		CommandLine: o.Task.CommandLine, Env: pairs(o.Task.Environment), User: runAs(o.Task.User)}
}

func pairs(settings []pool.EnvironmentSetting) []wire.Pair {
	var out []wire.Pair
	for _, e := range settings {
		out = append(out, wire.Pair{Name: e.Name, Value: e.Value})
	}
	return out
}

func runAs(u pool.UserIdentity) wire.RunAs {
	if u.Username != "" {
		return wire.RunAs{Name: u.Username}
	}
	return wire.RunAs{TaskScope: u.Scope == "task", Admin: u.Elevation == "admin"}
}

// limit is the wire's form of a time limit, where 0 means none.
func limit(s resource.Span) int64 {
	if s == resource.MaxSpan {
		return 0
	}
	return int64(s)
}
