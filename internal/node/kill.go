package node

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// killPasses bounds the hunt for processes that fork while they are hunted.
const killPasses = 64

// killTree ends p's process group and every other process of the attempt: its
// descendants, and whoever left them by setsid and a double fork but still
// carries the attempt's task directory (mark) in its environment.
//
// What it cannot find is a process that both left and rewrote its environment;
// only the users of task scope are proof against that (killUser). A cgroup for
// each attempt would be, for everybody; it costs 20 to 40 % of the launch rate,
// and machines have none they may write to yet.
//
// An attempt that ends by itself is not hunted: what is left of its process
// group dies with it, and a daemon that made a session of its own lives on, as
// on Azure's Linux nodes.
func killTree(c *children, p *process, mark string) {
	marked := []byte("\x00" + mark + "\x00")
	family := map[int]bool{}
	for range killPasses {
		family[p.pid] = c.find(p.pid) == p
		found := false
		for _, q := range processes() {
			if q.pid <= 1 || q.pid == os.Getpid() || q.pid == p.pid || q.zombie {
				continue
			}
			if family[q.pid] || family[q.parent] || q.carries(marked) {
				family[q.pid] = true
				found = true
				_ = syscall.Kill(q.pid, syscall.SIGKILL)
			}
		}
		c.signal(p, syscall.SIGKILL)
		if !found {
			return
		}
	}
}

// killUser ends every process of a user of task scope. kill(-1) reaches all of
// them in one step, however they hide and fork, when the caller is that user;
// so one thread becomes the user and comes back.
func killUser(uid int) {
	if uid < firstTaskID {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		u := uintptr(uid)
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, u, u, 0); e == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL), 0)
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e == 0 {
				runtime.UnlockOSThread()
			}
		} else {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// killSession ends every process of a session, whatever group its shell put
// it in.
func killSession(session int) {
	for range killPasses {
		found := false
		for _, q := range processes() {
			if q.session == session && !q.zombie {
				found = true
				_ = syscall.Kill(q.pid, syscall.SIGKILL)
			}
		}
		if !found {
			return
		}
	}
}

type procEntry struct {
	pid, parent, session int
	zombie               bool
}

// processes reads /proc; a process that is gone meanwhile is left out. Parents
// come before children where numbers have not wrapped, and the next pass finds
// the rest.
func processes() []procEntry {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	list := make([]procEntry, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp session ...: comm may hold anything, also ")".
		rest := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(rest) < 4 {
			continue
		}
		parent, _ := strconv.Atoi(string(rest[1]))
		session, _ := strconv.Atoi(string(rest[3]))
		list = append(list, procEntry{pid: pid, parent: parent, session: session, zombie: rest[0][0] == 'Z'})
	}
	return list
}

func (q procEntry) carries(marked []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(q.pid) + "/environ")
	if err != nil {
		return false
	}
	return bytes.Contains(append(append([]byte{0}, env...), 0), marked)
}
