package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// Descriptors the node host starts the agent with.
const (
	bootFD   = 3 // wire.Boot as JSON, then end of file
	statusFD = 4 // the agent writes "ok", or why the boot failed
)

// StateDir is where the machine's State folder (journal, host keys) is seen
// inside the clone; Run puts it into Boot.State.
const StateDir = "/run/millpond-state"

// SocketsDir is where Boot.Sockets is seen inside the clone.
const SocketsDir = "/run/millpond"

// Run boots the machine this process is the first process of, says so to the
// node host and goes on as serve, whose result is the process's exit code.
// Boot.State is StateDir then; every other path of Boot is of the world left.
func Run(serve func(wire.Boot) int) int {
	status := os.NewFile(statusFD, "status")
	boot, err := start()
	if err != nil {
		if status != nil {
			fmt.Fprint(status, err)
		}
		fmt.Fprintln(os.Stderr, "millpond-node:", err)
		return 1
	}
	if _, err := io.WriteString(status, "ok"); err != nil {
		return 1 // nobody waits for this machine any more
	}
	status.Close()
	boot.State = StateDir
	return serve(boot)
}

// start does everything between exec and the first words to the service, in
// the only order that works: the clone must be mounted while the layers are in
// sight, and all mount points must be resolved inside it, because an image may
// hold links that lead anywhere.
func start() (wire.Boot, error) {
	boot, err := readBoot()
	if err != nil {
		return boot, err
	}
	if err := unix.Sethostname([]byte(boot.Hostname)); err != nil {
		return boot, fmt.Errorf("boot: set host name: %w", err)
	}
	unix.Umask(0o022)
	if err := os.MkdirAll(filepath.Join(boot.State, "tasks"), 0o755); err != nil {
		return boot, fmt.Errorf("boot: %w", err)
	}
	names := hostFiles(boot) // read while the outer /etc is in sight
	if err := mountClone(boot); err != nil {
		return boot, err
	}
	outer, err := pivot(filepath.Join(boot.Disk, "root"))
	if err != nil {
		return boot, err
	}
	if err := furnish(boot, names); err != nil {
		return boot, err
	}
	if err := leave(outer); err != nil {
		return boot, err
	}
	return boot, dropCapabilities()
}

func readBoot() (wire.Boot, error) {
	var boot wire.Boot
	if os.Getpid() != 1 {
		return boot, errors.New("boot: this program is the first process of a machine; `millpond up` starts it")
	}
	unix.CloseOnExec(statusFD)
	f := os.NewFile(bootFD, "boot")
	defer f.Close()
	if err := json.NewDecoder(f).Decode(&boot); err != nil {
		return boot, fmt.Errorf("boot: message on descriptor %d: %w", bootFD, err)
	}
	if boot.NodeUID == "" || boot.LowerRoot == "" || len(boot.Lower) == 0 || boot.Disk == "" || boot.State == "" {
		return boot, errors.New("boot: message lacks nodeUid, lowerRoot, lower, disk or state")
	}
	return boot, nil
}
