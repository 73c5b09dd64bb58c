package node

import (
	"errors"
	"io/fs"
	"syscall"

	"millpond/internal/node/wire"
)

// sentences are Azure's messages for the failure codes an agent reports.
var sentences = map[string]string{
	wire.FailExitCode:       "The task exited with an exit code representing a failure",
	wire.FailProgramMissing: "The specified command program is not found",
	wire.FailLaunch:         "There was an error launching the specified command",
	wire.FailEnded:          "Task Was Ended by User Request",
	wire.FailTimeout:        "The task was ended because it ran longer than its maxWallClockTime",
	wire.FailDiskFull:       "There is not enough disk space on the node to run the task",
	wire.FailLost:           "The node's agent ended while the task ran",
}

// failure builds failureInfo. What the node did wrong is a ServerError, what
// the task did is a UserError.
func failure(code, detail string) *wire.Failure {
	f := &wire.Failure{Category: "UserError", Code: code, Message: sentences[code]}
	if code == wire.FailLost || code == wire.FailDiskFull {
		f.Category = "ServerError"
	}
	if f.Message == "" {
		f.Message = "The task was ended by the service"
	}
	if detail != "" {
		f.Details = []wire.Pair{{Name: "Message", Value: detail}}
	}
	return f
}

func exitFailure() *wire.Failure {
	f := failure(wire.FailExitCode, "The task process exited with an unexpected exit code")
	f.Details = append(f.Details, wire.Pair{Name: "AdditionalErrorCode", Value: wire.FailExitCode})
	return f
}

// prepareFailure explains why no process was started.
func prepareFailure(err error) *wire.Failure {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return failure(wire.FailDiskFull, err.Error())
	}
	return failure(wire.FailLaunch, err.Error())
}

// launchFailure explains a failed exec of a program that was found. ENOENT
// then speaks of its interpreter, or of a race with whoever removed it.
func launchFailure(program string, err error) *wire.Failure {
	why := err.Error()
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		why = "it is no program the kernel can run (a script needs a #! line)"
	case errors.Is(err, fs.ErrNotExist):
		why = "its interpreter or loader does not exist on the node"
	case errors.Is(err, syscall.E2BIG):
		why = "arguments and environment are too long"
	}
	return prepareFailure(&fs.PathError{Op: "start", Path: program, Err: wrapped{why, err}})
}

type wrapped struct {
	text string
	err  error
}

func (w wrapped) Error() string { return w.text }
func (w wrapped) Unwrap() error { return w.err }

// lostReport ends an attempt whose agent died under it.
func lostReport(a accepted) wire.Report {
	now := ticksNow()
	return wire.Report{
		TaskUID: a.UID, Attempt: a.Attempt, Kind: a.Kind, Event: wire.EventEnded, At: now,
		Started: a.Started, Failure: failure(wire.FailLost, ""),
	}
}
