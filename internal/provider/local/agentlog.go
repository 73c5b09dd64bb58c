package local

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// agentLog is where a machine's agent writes what it cannot tell the service.
const agentLog = "agent.log"

// openLog opens the agent's log in the machine's state folder. The machine's
// root owns that folder and sees what is opened here as a descriptor of its
// first process. Whatever it put in the log's place, such as a link to another
// machine's disk, is therefore not followed: what is no plain file is replaced.
func openLog(state string) (*os.File, error) {
	dir, err := os.OpenRoot(state)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	info, err := dir.Lstat(agentLog)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		if err := dir.RemoveAll(agentLog); err != nil {
			return nil, err
		}
	}
	top, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer top.Close()
	// The machine does not run while it is started, so nothing changes in
	// between; O_NOFOLLOW and O_NONBLOCK do not rely on it.
	fd, err := unix.Openat(int(top.Fd()), agentLog,
		unix.O_CREAT|unix.O_APPEND|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", agentLog, err)
	}
	return os.NewFile(uintptr(fd), agentLog), nil
}
