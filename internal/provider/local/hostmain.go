package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"millpond/internal/layer"
)

// HostMain is `millpond node-host`: the process Open starts, in new user, mount
// and pid namespaces. It returns the exit code.
func HostMain(args []string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("room", "node host")
	if len(args) == 1 && args[0] == probeArg {
		return probeMachine()
	}
	if len(args) > 0 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "millpond node-host: this command is started by `millpond up`, not by hand")
		return 2
	}
	for fd := fdConfig; fd <= fdAgent; fd++ {
		unix.CloseOnExec(fd) // no machine may hold our lock or socket
	}
	status := os.NewFile(fdStatus, "status")
	h, listener, err := startHost(log)
	if err != nil {
		fmt.Fprint(status, err)
		return 1
	}
	if _, err := io.WriteString(status, "ok"); err != nil {
		return 1 // the server died meanwhile; nobody knows of us
	}
	status.Close()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Info("started")
	h.serve(ctx, listener)
	log.Info("stopped")
	return 0
}

// startHost waits for the id maps, becomes their root and moves into a root
// file system of its own. Sources are opened first, while this process still is
// who started it: the mapped root may not walk through that user's home.
func startHost(log *slog.Logger) (*host, net.Listener, error) {
	var config hostConfig
	if err := json.NewDecoder(os.NewFile(fdConfig, "config")).Decode(&config); err != nil {
		return nil, nil, fmt.Errorf("read the start message: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return nil, nil, fmt.Errorf("make mounts private: %w", err)
	}
	shows, err := openShows(config)
	if err != nil {
		return nil, nil, err
	}
	if err := becomeRoot(); err != nil {
		return nil, nil, err
	}
	unix.Umask(0o022)
	if err := buildRoot(shows); err != nil {
		return nil, nil, err
	}
	agent, err := copyAgent(os.NewFile(fdAgent, "agent"))
	if err != nil {
		return nil, nil, err
	}
	if err := dropBounding(); err != nil {
		return nil, nil, err
	}
	// The work of package layer and of the programs it starts is done here.
	if err := os.Setenv("TMPDIR", filepath.Join(config.Data, tmpFolder)); err != nil {
		return nil, nil, err
	}
	listener, err := net.FileListener(os.NewFile(fdListen, "listener"))
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	return newHost(config, agent, layer.NewLocal(layer.Limits{}), log), listener, nil
}

// becomeRoot changes every thread to id 0 of the map. Until here the process
// had its capabilities as ambient ones, because its own id is not in the map.
func becomeRoot() error {
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("setresgid: %w", err)
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("setresuid: %w", err)
	}
	return nil
}

// unneeded are capabilities no machine is ever given. Bounded here once, they
// need not be dropped at each machine's start.
var unneeded = []uintptr{
	unix.CAP_LINUX_IMMUTABLE, unix.CAP_NET_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO,
	unix.CAP_SYS_PACCT, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_SYS_TTY_CONFIG,
	unix.CAP_AUDIT_CONTROL, unix.CAP_AUDIT_READ, unix.CAP_MAC_OVERRIDE, unix.CAP_MAC_ADMIN,
	unix.CAP_SYSLOG, unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_PERFMON, unix.CAP_BPF,
	unix.CAP_CHECKPOINT_RESTORE,
}

func dropBounding() error {
	for _, c := range unneeded {
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0)
		if errno == unix.EINVAL {
			continue // a kernel that does not know it yet
		}
		if errors.Is(errno, syscall.ENOTSUP) {
			// A build with cgo (the race detector's) cannot do this on all
			// threads; its machines keep capabilities that mean nothing in a
			// user namespace that owns no network and no clock.
			return nil
		}
		if errno != 0 {
			return fmt.Errorf("drop capability %d: %w", c, errno)
		}
	}
	return nil
}
