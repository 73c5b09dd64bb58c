package local

import (
	"context"
	"encoding/json"
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
	// The work of package layer and of the programs it starts is done here.
	if err := os.Setenv("TMPDIR", filepath.Join(config.Data, tmpFolder)); err != nil {
		return nil, nil, err
	}
	listener, err := net.FileListener(os.NewFile(fdListen, "listener"))
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	base, err := makeSkeleton(config.Data)
	if err != nil {
		return nil, nil, fmt.Errorf("make the mount points' layer: %w", err)
	}
	return newHost(config, agent, base, layer.NewLocal(layer.Limits{}), log), listener, nil
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
