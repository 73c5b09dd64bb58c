package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// deviceNodes are bound from outside: a user namespace may not make them.
var deviceNodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

// furnish mounts what a running Linux expects below /. Sources without a
// leading slash are of the outer root (the working directory).
func furnish(boot wire.Boot, names []hostFile) error {
	steps := []func() error{
		func() error { return mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "") },
		limitProcesses,
		// The kernel lets nobody here write most of it; this holds for the rest
		// (the machine's own ipc limits), and against a kernel's mistake.
		func() error { return bindReadOnly("/proc/sys", "/proc/sys") },
		// Outer /sys is read-only and trimmed already, and so is its copy.
		func() error { return bind("sys", "/sys") },
		makeDev,
		func() error { return mount("run", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m") },
		func() error { return makeOpen("/run/lock") },
		func() error { return bind(outside(boot.State), StateDir) },
		func() error { return placeTasks(boot) },
		func() error { return placeSockets(boot) },
		func() error { return placeBinds(boot.Binds) },
		func() error { return placeFiles(names) },
		func() error { return makeOpen("/tmp") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("boot: %w", err)
		}
	}
	return nil
}

// mostProcesses is how many processes and threads a machine may have at once,
// where the computer has twice as many to give.
const mostProcesses = 16384

// limitProcesses keeps a fork bomb inside the machine. Since Linux 6.14 each pid
// namespace has a pid_max of its own, which the namespace's root may lower until
// /proc/sys is covered; before, the file is the computer's and the write is
// refused. Then the node host's limit (cgroup v2, pids.max) is all there is.
func limitProcesses() error {
	most := mostProcesses
	if text, err := os.ReadFile("proc/sys/kernel/pid_max"); err == nil { // the outer one
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			most = min(most, n/2)
		}
	}
	_ = os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(most)), 0)
	return nil
}

// outside turns an outer absolute path into one relative to the outer root.
func outside(path string) string { return strings.TrimLeft(filepath.Clean(path), "/") }

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := makeDir(target); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

// makeDir is MkdirAll that asks the kernel once when the directory is there,
// which in an image it nearly always is.
func makeDir(dir string) error {
	if err := unix.Mkdir(dir, 0o755); err == nil || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return os.MkdirAll(dir, 0o755)
}

// bind shows the directory source, with what is mounted below it, at target.
func bind(source, target string) error {
	return mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

func bindReadOnly(source, target string) error {
	if err := bind(source, target); err != nil {
		return err
	}
	return readOnly(target)
}

func readOnly(target string) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

// bindFile shows a file or device node at target, which is made when missing.
func bindFile(source, target string) error {
	if err := touch(target); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", source, target, err)
	}
	return nil
}

func touch(path string) error {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return unix.Close(fd)
}

func makeDev() error {
	if err := mount("dev", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=1m"); err != nil {
		return err
	}
	for _, name := range deviceNodes {
		if err := bindFile("dev/"+name, "/dev/"+name); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := unix.Symlink(to, "/dev/"+name); err != nil {
			return fmt.Errorf("link /dev/%s: %w", name, err)
		}
	}
	// Its own instance: no machine sees another's terminals. 5 is Debian's group tty.
	if err := mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return err
	}
	return mount("shm", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
}

func placeTasks(boot wire.Boot) error {
	if boot.Role == wire.RoleVM {
		return nil // nothing of Batch's belongs in what will be captured
	}
	if boot.TasksTmpfs {
		return mount("tasks", wire.TasksRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	}
	return bind(StateDir+"/tasks", wire.TasksRoot)
}

// placeSockets shows the folder, not the socket, so that a restarted service
// is found again. The node host holds it read-only, and so is the copy.
func placeSockets(boot wire.Boot) error {
	if boot.Sockets == "" {
		return nil
	}
	return bind(outside(boot.Sockets), SocketsDir)
}

func placeBinds(paths []string) error {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("bind %q is not an absolute path", path)
		}
		if err := bindReadOnly(outside(path), filepath.Clean(path)); err != nil {
			return err
		}
	}
	return nil
}

// makeOpen makes a directory everybody may write to, unless the image has it.
func makeOpen(dir string) error {
	if err := unix.Mkdir(dir, 0o777); errors.Is(err, unix.EEXIST) {
		return nil
	} else if err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	return os.Chmod(dir, os.ModeSticky|0o777)
}
