package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
	"millpond/internal/provider"
)

// bootTimeout is how long an agent may take from exec to its clone's root. It
// takes milliseconds; this catches a file system that hangs.
const bootTimeout = 60 * time.Second

// process is a machine's first process.
type process struct {
	pid   int
	fd    syscall.RawConn // pidfd, known to the runtime's poller: waiting costs no thread
	ended chan struct{}   // closed when it is reaped, and so every process of its pid namespace gone
}

// spawn starts the machine's first process and waits until it says that the
// machine is booted. On error it is gone again.
func (h *host) spawn(ctx context.Context, m provider.Machine) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	group, err := h.groups.make(m)
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	if group >= 0 {
		defer unix.Close(group)
	}
	var files opened
	defer files.close()
	null := files.open(os.DevNull, os.O_RDONLY)
	log := files.take(openLog(m.State))
	bootOut, bootIn := files.pipe()
	statusOut, statusIn := files.pipe()
	if files.err != nil {
		return nil, files.err
	}
	fd := -1
	pid, err := startBounded(agentPath, []string{"millpond-node"}, &syscall.ProcAttr{
		Dir:   "/",
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd(), bootOut.Fd(), statusIn.Fd()},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Setsid:      true,
			PidFD:       &fd,
			UseCgroupFD: group >= 0,
			CgroupFD:    group,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	p, err := watchProcess(pid, fd)
	if err != nil {
		return nil, errors.Join(err, unix.Kill(pid, unix.SIGKILL))
	}
	bootOut.Close()
	statusIn.Close() // or its end of file would never come
	stop := context.AfterFunc(ctx, func() { _ = p.kill() })
	defer stop()
	if err := h.handOver(m, p, bootIn, statusOut); err != nil {
		_ = p.kill()
		<-p.ended
		return nil, errors.Join(ctx.Err(), err)
	}
	return p, nil
}

// unneeded are capabilities no machine is ever given.
var unneeded = []uintptr{
	unix.CAP_LINUX_IMMUTABLE, unix.CAP_NET_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO,
	unix.CAP_SYS_PACCT, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_SYS_TTY_CONFIG,
	unix.CAP_AUDIT_CONTROL, unix.CAP_AUDIT_READ, unix.CAP_MAC_OVERRIDE, unix.CAP_MAC_ADMIN,
	unix.CAP_SYSLOG, unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_PERFMON, unix.CAP_BPF,
	unix.CAP_CHECKPOINT_RESTORE,
}

// startBounded starts a process that can never get the unneeded capabilities,
// and has CAP_SYS_ADMIN, to mount, only until it gives it up: out of the
// bounding set but inheritable, it survives an exec, and once cleared from the
// inheritable set none brings it back. Both sets belong to the thread and go to
// what it starts; that this thread keeps them harms nothing else we do.
func startBounded(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	sets[0].Inheritable |= 1 << unix.CAP_SYS_ADMIN
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return 0, fmt.Errorf("make CAP_SYS_ADMIN inheritable: %w", err)
	}
	for _, c := range append([]uintptr{unix.CAP_SYS_ADMIN}, unneeded...) {
		// EINVAL is a kernel too old to know the capability.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return 0, fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	pid, _, err = syscall.StartProcess(path, argv, attr)
	return pid, err
}

// handOver gives the boot message and reads how the boot went.
func (h *host) handOver(m provider.Machine, p *process, boot, status *os.File) error {
	if err := h.groups.enterV1(m, p.pid); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	if _, err := boot.Write(h.bootMessage(m)); err != nil {
		return fmt.Errorf("boot message: %w", err)
	}
	boot.Close()
	said, err := io.ReadAll(io.LimitReader(status, 4096))
	if err != nil {
		return fmt.Errorf("boot of machine %s: %w", m.ID, err)
	}
	switch text := string(said); {
	case text == "ok":
		return nil
	case text == "":
		return fmt.Errorf("machine %s ended during its boot", m.ID)
	default:
		return fmt.Errorf("machine %s: %s", m.ID, strings.TrimSpace(text))
	}
}

func (h *host) bootMessage(m provider.Machine) []byte {
	return encode(wire.Boot{
		NodeUID: m.ID, BootID: m.BootID, Token: m.Token, Hostname: m.Hostname, Role: m.Role,
		LowerRoot: m.Tree.Root, Lower: append(slices.Clone(m.Tree.Dirs), h.base), Binds: m.Tree.Binds,
		Disk: m.Disk.Path, State: m.State,
		Sockets: h.config.Sockets, Gateway: h.config.Gateway,
		TasksTmpfs: h.config.TasksTmpfs, IP: m.IP,
	})
}

// watchProcess reaps the process in the background.
func watchProcess(pid, fd int) (*process, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // the poller takes only such
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, fd: raw, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = raw.Read(func(fd uintptr) bool {
			err := unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED, nil)
			return !errors.Is(err, unix.EAGAIN)
		})
		file.Close()
	}()
	return p, nil
}

// kill ends the process, and with it its pid namespace. One that has ended
// already is no error.
func (p *process) kill() error {
	var err error
	_ = p.fd.Control(func(fd uintptr) { // fails when reaped and closed: killed already
		err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0)
	})
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// opened collects files to be closed together, and the first error.
type opened struct {
	files []*os.File
	err   error
}

func (o *opened) open(path string, flag int) *os.File {
	if o.err != nil {
		return nil
	}
	return o.take(os.OpenFile(path, flag, 0o600))
}

func (o *opened) take(f *os.File, err error) *os.File {
	if err != nil {
		o.err = errors.Join(o.err, err)
		return nil
	}
	o.files = append(o.files, f)
	return f
}

func (o *opened) pipe() (r, w *os.File) {
	if o.err != nil {
		return nil, nil
	}
	if r, w, o.err = os.Pipe(); o.err == nil {
		o.files = append(o.files, r, w)
	}
	return r, w
}

func (o *opened) close() {
	for _, f := range o.files {
		f.Close() // those closed before say so; nothing depends on it
	}
}
