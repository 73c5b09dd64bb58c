package node

import (
	"errors"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// process is a child of the agent. done is closed when it is reaped; status is
// valid from then on.
type process struct {
	pid    int
	done   chan struct{}
	status syscall.WaitStatus
	sweep  bool // kill what is left of its process group when it ends
}

// exitCode is the status as a shell shows it: 128 + n for a death by signal n.
func (p *process) exitCode() int {
	if p.status.Signaled() {
		return 128 + int(p.status.Signal())
	}
	return p.status.ExitStatus()
}

// children starts every child process of the agent and reaps every one that
// ends. The agent is the machine's PID 1: orphans come to it and only it can
// bury them, so nothing in this room waits for a child by itself and os/exec,
// which does, is not used. There is one per OS process.
//
// One goroutine sits in waitid while there are children; without any it parks,
// and an idle agent has no thread in a system call.
type children struct {
	launching sync.RWMutex // shared from before the fork until the pid is known
	mu        sync.Mutex
	live      map[int]*process
	wake      chan struct{}
	once      sync.Once
	confined  launchThreads
}

var kids = &children{live: map[int]*process{}, wake: make(chan struct{}, 1)}

// start forks and executes. A confined child runs under the filter of
// seccomp.go, without capabilities and without a way to gain any.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr, confined, sweep bool) (*process, error) {
	c.once.Do(func() { go c.reap() })
	c.launching.RLock()
	defer c.launching.RUnlock()
	var pid int
	var err error
	if confined {
		pid, err = c.confined.forkExec(path, argv, attr)
	} else {
		pid, err = syscall.ForkExec(path, argv, attr)
	}
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, done: make(chan struct{}), sweep: sweep}
	c.mu.Lock()
	c.live[pid] = p
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return p, nil
}

// signal reaches p's process group unless p is already reaped, when the number
// may belong to somebody else.
func (c *children) signal(p *process, sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[p.pid] == p {
		_ = syscall.Kill(-p.pid, sig)
	}
}

func (c *children) reap() {
	for {
		pid, err := waitAny()
		switch {
		case err == nil:
			c.collect(pid)
		case errors.Is(err, unix.EINTR):
		default: // ECHILD: nothing to wait for until the next start
			<-c.wake
		}
	}
}

// collect buries one dead child. While it is unburied its number, and its
// group's, belong to nobody else; that is when the rest of the group is killed.
func (c *children) collect(pid int) {
	p := c.find(pid)
	if p == nil {
		// Not ours, or its start has not come back yet: wait for starts under
		// way and look again.
		c.launching.Lock()
		p = c.find(pid)
		c.launching.Unlock()
	}
	if p == nil {
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // an orphan, or a failed exec that ForkExec reaps itself
		return
	}
	if p.sweep {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	c.mu.Lock()
	for {
		_, err := syscall.Wait4(pid, &p.status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	delete(c.live, pid)
	c.mu.Unlock()
	close(p.done)
}

func (c *children) find(pid int) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[pid]
}

// waitAny blocks until some child is dead and names it without burying it.
func waitAny() (int, error) {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		return 0, err
	}
	// si_pid follows three ints and their padding in a SIGCHLD siginfo.
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16))), nil
}
