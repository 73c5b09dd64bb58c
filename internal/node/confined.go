package node

import (
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// launchIdle is how long a launch thread stays after its last task.
const launchIdle = 5 * time.Second

// launchThreads are OS threads that have confined themselves and fork on
// request. Filters, no_new_privs and the bounding set belong to a thread and
// pass to what it forks, so confinement costs a task nothing: no helper
// process, no second exec. Threads come when needed and leave when idle.
type launchThreads struct {
	mu      sync.Mutex
	jobs    []*launchJob
	running int
	idle    []chan *launchJob
}

type launchJob struct {
	path string
	argv []string
	attr *syscall.ProcAttr
	pid  int
	err  error
	done chan struct{}
}

func (l *launchThreads) forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	job := &launchJob{path: path, argv: argv, attr: attr, done: make(chan struct{})}
	l.mu.Lock()
	switch {
	case len(l.idle) > 0:
		last := len(l.idle) - 1
		next := l.idle[last]
		l.idle = l.idle[:last]
		next <- job
	case l.running < runtime.GOMAXPROCS(0):
		l.running++
		l.jobs = append(l.jobs, job)
		go l.thread()
	default:
		l.jobs = append(l.jobs, job)
	}
	l.mu.Unlock()
	<-job.done
	return job.pid, job.err
}

// thread serves until it was idle for launchIdle. It never unlocks its OS
// thread, so the runtime ends the thread with it.
func (l *launchThreads) thread() {
	runtime.LockOSThread()
	broken := confine()
	mine := make(chan *launchJob, 1)
	for {
		job := l.next(mine)
		if job == nil {
			return
		}
		if job.err = broken; broken == nil {
			job.pid, job.err = syscall.ForkExec(job.path, job.argv, job.attr)
		}
		close(job.done)
	}
}

// next gives the oldest job, or parks the thread; nil ends it.
func (l *launchThreads) next(mine chan *launchJob) *launchJob {
	l.mu.Lock()
	if len(l.jobs) > 0 {
		job := l.jobs[0]
		l.jobs = l.jobs[1:]
		l.mu.Unlock()
		return job
	}
	l.idle = append(l.idle, mine)
	l.mu.Unlock()

	timer := time.NewTimer(launchIdle)
	defer timer.Stop()
	select {
	case job := <-mine:
		return job
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.idle {
		if c == mine {
			l.idle = append(l.idle[:i], l.idle[i+1:]...)
			if l.running--; l.running == 0 {
				go debug.FreeOSMemory() // the burst is over
			}
			return nil
		}
	}
	return <-mine // a job was handed over while the timer fired
}
