package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile takes path.lock for this process. SQLite itself would let two
// servers in, and each would run its own loops over the same nodes.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for try := 0; errors.Is(err, unix.EWOULDBLOCK) && dead(f) && try < deadTries; try++ {
		<-time.After(deadPause)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // for the message only
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("store: lock %s.lock: %w", path, err)
		}
		return nil, fmt.Errorf("store: %s is already in use by process %s", path, strings.TrimSpace(string(holder)))
	}
	if err := errors.Join(f.Truncate(0), writeAt(f, fmt.Sprintf("%d\n", os.Getpid()))); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("store: write %s.lock: %w", path, err)
	}
	// The file stays: removing it would let two processes lock two files of the name.
	return f.Close, nil
}

// A process killed while it started another leaves a copy of its lock to that
// one until it has begun its program.
const (
	deadTries = 500
	deadPause = 10 * time.Millisecond
)

// dead reports whether the process that took the lock has ended.
func dead(f *os.File) bool {
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}
