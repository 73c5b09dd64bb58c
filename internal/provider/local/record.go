package local

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// record is what a data folder knows of its node host. It is true while the
// lock is held and that process lives.
type record struct {
	PID    int    `json:"pid"`
	Born   string `json:"born"` // birth(PID): the number alone may by now be another process's
	RunDir string `json:"runDir"`
}

// writeRecord comes before the node host can start a machine.
func (p *Provider) writeRecord(pid int) error {
	r := record{PID: pid, Born: birth(pid), RunDir: p.config.RunDir}
	return os.WriteFile(filepath.Join(p.config.DataDir, hostRecord), append(encode(r), '\n'), 0o600)
}

func (p *Provider) readRecord() record {
	var r record
	text, err := os.ReadFile(filepath.Join(p.config.DataDir, hostRecord))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return record{}
	}
	return r
}

// HostPID is the process id of the living node host, 0 when there is none. It
// is for people and tests that look at the process from outside.
func (p *Provider) HostPID() int {
	if r := p.readRecord(); r.PID > 0 && r.Born != "" && birth(r.PID) == r.Born {
		return r.PID
	}
	return 0
}

// birth is when a living process started, in ticks since the computer's boot;
// empty for one that has ended. One that is killed lives, in this sense, until
// all processes of the pid namespace it is the first of are gone.
func birth(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name, which may hold anything but that
	field := strings.Fields(rest)
	if len(field) < 20 || processEnded(pid) {
		return ""
	}
	return field[19]
}

// processEnded asks a pidfd, because a "zombie" in /proc may be a first thread
// whose others still run, and the last one ends the namespace.
func processEnded(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 1
}
