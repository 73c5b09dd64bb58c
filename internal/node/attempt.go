package node

import (
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"millpond/internal/node/wire"
)

// unixEpoch is 1970-01-01 in ticks of 100 ns since 0001-01-01.
const unixEpoch = 621_355_968_000_000_000

// In two parts: a task may date a file to a year whose nanoseconds overflow.
func ticks(t time.Time) int64 { return unixEpoch + t.Unix()*10_000_000 + int64(t.Nanosecond()/100) }

func ticksNow() int64 { return ticks(time.Now()) }

// attempt is one run of a task on this machine.
type attempt struct {
	task   wire.Task
	cancel chan string // the reason; capacity 1
}

// stop asks the attempt to end; only the first reason counts.
func (t *attempt) stop(reason string) {
	select {
	case t.cancel <- reason:
	default:
	}
}

// run takes the attempt from its directory to its end and reports both its
// start and its end. Everything that goes wrong is in the end report.
func (a *agent) run(t *attempt, w *wire.Welcome) {
	end := wire.Report{TaskUID: t.task.UID, Attempt: t.task.Attempt, Kind: t.task.Kind, Event: wire.EventEnded}
	a.execute(t, w, &end)
	end.At = ticksNow()
	a.outbox.add(end)
	a.finished(t)
}

func (a *agent) execute(t *attempt, w *wire.Welcome, end *wire.Report) {
	select {
	case reason := <-t.cancel:
		end.Failure = failure(reason, "")
		return
	default:
	}
	cred, release, err := a.accounts.runAs(t.task.User)
	defer release()
	if err != nil {
		end.Failure = prepareFailure(err)
		return
	}
	dir, err := makeTaskDir(a.tasksRoot, &t.task, cred)
	if err != nil {
		end.Failure = prepareFailure(err)
		return
	}
	env, path := taskEnv(a.tasksRoot, w, &t.task, cred, dir)
	argv, err := splitCommand(t.task.CommandLine)
	if err != nil {
		dir.close()
		end.Failure = failure(wire.FailLaunch, err.Error())
		return
	}
	program, exists := findProgram(argv[0], path, dir.wd)
	if !exists {
		dir.close()
		end.Failure = failure(wire.FailProgramMissing, fmt.Sprintf("%s: no such file or directory", argv[0]))
		return
	}
	p, err := kids.start(program, argv, &syscall.ProcAttr{
		Dir: dir.wd, Env: env,
		Files: []uintptr{a.null.Fd(), dir.stdout.Fd(), dir.stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: cred.sys()},
	}, !cred.root(), true)
	dir.close()
	if err != nil {
		end.Failure = launchFailure(program, err)
		return
	}
	end.Started = ticksNow()
	a.outbox.add(wire.Report{
		TaskUID: t.task.UID, Attempt: t.task.Attempt, Kind: t.task.Kind, Event: wire.EventStarted, At: end.Started,
	})
	reason := t.await(p)
	if reason != "" {
		killTree(kids, p, "AZ_BATCH_TASK_DIR="+dir.dir)
	}
	if cred.alone {
		killUser(cred.uid)
	}
	<-p.done
	code := p.exitCode()
	end.ExitCode = &code
	switch {
	case reason != "":
		end.Failure = failure(reason, "")
	case code != 0:
		end.Failure = exitFailure()
	}
}

// await returns when p ended ("") or must be ended (the reason).
func (t *attempt) await(p *process) string {
	var limit <-chan time.Time
	if t.task.Timeout > 0 && t.task.Timeout < math.MaxInt64/100 {
		timer := time.NewTimer(time.Duration(t.task.Timeout) * 100)
		defer timer.Stop()
		limit = timer.C
	}
	select {
	case <-p.done:
		return ""
	case <-limit:
		return wire.FailTimeout
	case reason := <-t.cancel:
		return reason
	}
}

func openNull() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
