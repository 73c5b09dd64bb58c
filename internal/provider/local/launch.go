package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How often things are tried again that another process will make possible.
const (
	retryEvery = 20 * time.Millisecond
	startWait  = 30 * time.Second
)

// pause waits, and says false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// revive returns when a node host of ours lives: the one that does, or a new
// one. Who holds the lock is alive, so there are never two.
func (p *Provider) revive(ctx context.Context) error {
	p.starting.Lock()
	defer p.starting.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return errClosed
		}
		lock, err := p.lock(ctx)
		if err != nil {
			return err
		}
		if lock != nil {
			defer lock.Close()
			return p.startHost(ctx, lock)
		}
		// It may have been started where the run folder's default was another,
		// such as from cron without XDG_RUNTIME_DIR.
		if r := p.readRecord(); r.RunDir != "" && r.RunDir != p.config.RunDir {
			p.config.RunDir = r.RunDir
		}
		if _, err := p.greet(ctx); err == nil {
			return nil
		}
		// It holds the lock and does not answer: it is starting, or dying.
		if !pause(ctx, retryEvery) {
			return fmt.Errorf("local: the node host of %s does not answer: %w", p.config.DataDir, ctx.Err())
		}
	}
}

// lock takes the node host's lock; nil when a node host has it.
func (p *Provider) lock(ctx context.Context) (*os.File, error) {
	if err := makeRunDir(p.config.RunDir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(p.config.DataDir, hostLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		// A node host that was killed drops its lock before its machines are gone.
		for p.HostPID() != 0 {
			if !pause(ctx, retryEvery/10) {
				f.Close()
				return nil, fmt.Errorf("local: the old node host does not go: %w", ctx.Err())
			}
		}
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("local: lock %s: %w", f.Name(), err)
}

func (p *Provider) greet(ctx context.Context) (*hello, error) {
	conn, err := p.dialOnce(ctx)
	if err != nil {
		return nil, err
	}
	r, err := exchange(ctx, conn, request{Op: opHello}, nil)
	if err == nil && r.Hello == nil {
		err = errors.New("local: node host said no hello")
	}
	return r.Hello, err
}

// renew replaces a node host left by another version of Millpond: at once if
// we do not understand it or it runs nothing, otherwise it serves on with the
// agent it has.
func (p *Provider) renew(ctx context.Context) error {
	found, err := p.greet(ctx)
	if err != nil {
		return err
	}
	if found.Protocol == protocol {
		sum, err := fileSum(p.config.Agent)
		if err != nil {
			return err
		}
		if found.Agent == sum || found.Machines > 0 {
			if found.Agent != sum {
				p.config.Log.Info("the node host has machines and keeps its older agent", "machines", found.Machines)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.cgroups = found.Cgroups
			return nil
		}
	}
	p.config.Log.Info("replacing the node host of another version", "protocol", found.Protocol, "machines", found.Machines)
	if err := p.stopHost(); err != nil {
		return err
	}
	return p.revive(ctx)
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("local: agent: %w", err)
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return "", fmt.Errorf("local: agent: %w", err)
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// startHost starts a node host that takes over lock. What an earlier one left
// is cleared first, and the end of its machines told.
func (p *Provider) startHost(ctx context.Context, lock *os.File) error {
	p.lost(true)
	if err := removeCgroups(p.name, p.ids); err != nil {
		p.config.Log.Warn("control groups of an earlier node host stay", "error", err)
	}
	groups := makeCgroups(p.name, p.ids, p.config.Limits)
	err := p.execHost(ctx, lock, groups)
	if err != nil {
		return fmt.Errorf("local: start the node host: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cgroups = groups
	return nil
}

func (p *Provider) execHost(ctx context.Context, lock *os.File, groups cgroups) error {
	var files opened
	defer files.close()
	log := files.open(filepath.Join(p.config.DataDir, "node-host.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY)
	agent := files.open(p.config.Agent, os.O_RDONLY)
	configOut, configIn := files.pipe()
	statusOut, statusIn := files.pipe()
	if files.err != nil {
		return files.err
	}
	listener, err := p.listen()
	if err != nil {
		return err
	}
	defer listener.Close()

	cmd := exec.Command(p.config.Millpond, "node-host")
	cmd.Args[0] = "millpond"
	cmd.Dir = "/"
	cmd.Env = hostEnv()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{configOut, statusIn, listener, lock, agent} // fdConfig and on
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // Ctrl-C is for the server, which then says what happens to machines
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		// The program's own id is in no map yet: only ambient capabilities
		// survive its exec.
		AmbientCaps: allCapabilities(),
	}
	if groups.V2 != "" {
		fd, err := unix.Open(filepath.Join(groups.V2, hostGroup), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd
	}
	if err := cmd.Start(); err != nil {
		return explainClone(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); err != nil {
			p.config.Log.Info("node host ended", "cause", err)
		}
	}()
	configOut.Close()
	statusIn.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err = p.writeRecord(cmd.Process.Pid)
	if err == nil {
		err = p.instruct(cmd.Process.Pid, groups, configIn, statusOut)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		<-ended
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// instruct gives the new process its ids and its orders, and hears whether it
// could follow them.
func (p *Provider) instruct(pid int, groups cgroups, config, status *os.File) error {
	if err := p.ids.write(pid); err != nil {
		return err
	}
	message := encode(hostConfig{
		Data: p.config.DataDir, RealData: resolved(p.config.DataDir), Folders: p.config.Folders,
		Sockets: p.Sockets(), Gateway: p.Gateway(),
		Cgroups: groups, TasksTmpfs: p.config.TasksTmpfs, OwnerID: p.ids.Owner >= 0,
	})
	if _, err := config.Write(message); err != nil {
		return err
	}
	config.Close()
	said, err := io.ReadAll(io.LimitReader(status, 4096))
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(string(said)); text != "ok" {
		if text == "" {
			text = "it ended at once; see " + filepath.Join(p.config.DataDir, "node-host.log")
		}
		return errors.New(text)
	}
	return nil
}

// listen makes the socket here, so that whoever connects from now on waits for
// the node host instead of being refused.
func (p *Provider) listen() (*os.File, error) {
	path := p.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("%w (a socket's name has at most 107 bytes)", err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

// hostEnv passes on what programs of a bootstrap need, and no secrets.
func hostEnv() []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOTRACEBACK", "GORACE",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func allCapabilities() []uintptr {
	last := uintptr(unix.CAP_LAST_CAP)
	if text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			last = uintptr(n)
		}
	}
	all := make([]uintptr, 0, last+1)
	for c := range last + 1 {
		all = append(all, c)
	}
	return all
}

func explainClone(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS) {
		return fmt.Errorf("%w: this computer does not let this user make user namespaces; `millpond doctor` says what to change", err)
	}
	return err
}
