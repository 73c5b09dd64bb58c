package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Names in the data folder that say who its node host is.
const (
	hostLock   = "node-host.lock" // flock; held as long as it lives
	hostRecord = "node-host.json"
)

// Names in a run folder.
const (
	hostSocket  = "host.sock"
	agentsDir   = "agents" // the folder machines see; holds the gateway's socket
	gatewayName = "gateway.sock"
)

// RunDirFor is the run folder of a data folder: short, because a socket's name
// has at most 108 bytes, and the same for everybody who asks.
func RunDirFor(dataDir string) string {
	return filepath.Join(runBase(), "millpond-"+short(dataDir))
}

func runBase() string {
	if os.Geteuid() == 0 {
		return "/run"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && len(dir) < 60 {
		return dir
	}
	return "/tmp"
}

// short names a data folder in eight letters.
func short(dataDir string) string {
	sum := sha256.Sum256([]byte(resolved(dataDir)))
	return hex.EncodeToString(sum[:4])
}

// resolved is the one name of a folder, however it was written.
func resolved(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}

// makeRunDir makes the run folder and refuses one that is not ours: in /tmp
// anybody could have made it first.
func makeRunDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("local: run folder: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("local: run folder: %w", err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !st.IsDir() || !ok || int(sys.Uid) != os.Geteuid() || st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("local: run folder %s is not a folder that only this user writes to; remove it or choose another", dir)
	}
	agents := filepath.Join(dir, agentsDir)
	if err := os.Mkdir(agents, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("local: run folder: %w", err)
	}
	return os.Chmod(agents, 0o711) // whatever the umask: machines' root looks in
}
