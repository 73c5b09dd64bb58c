package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tmpFolder below the data folder is the node host's TMPDIR.
const tmpFolder = "tmp"

// show is a piece of the computer's file system in the node host's root. That
// root is built of these and nothing else: every start of a machine copies the
// whole mount table, and what is not in it cannot be reached.
type show struct {
	path     string
	as       string // where, if not at path
	readOnly bool
	optional bool
	link     string // a symbolic link, made again

	fd   int
	file bool
}

// shows lists the node host's root: what machines are made of, what
// mmdebstrap needs, and trimmed /sys and /dev, which machines get copies of.
func shows(config hostConfig) []show {
	list := []show{
		{path: "/usr", readOnly: true},
		{path: "/etc", readOnly: true},
		{path: "/var/lib/dpkg", readOnly: true, optional: true},        // mmdebstrap asks dpkg for its architecture
		{path: "/run/systemd/resolve", readOnly: true, optional: true}, // where resolv.conf leads
		{path: config.Sockets, readOnly: true},
	}
	for _, name := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		list = append(list, show{path: name, readOnly: true, optional: true})
	}
	// Not all of /sys: it has other mounts below it that a user namespace may
	// not leave out, and firmware tables that are nobody's business.
	for _, name := range []string{"block", "bus", "class", "dev", "devices", "module", "kernel/mm"} {
		list = append(list, show{path: "/sys/" + name, readOnly: true, optional: true})
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		list = append(list, show{path: "/dev/" + name})
	}
	for _, name := range append([]string{tmpFolder}, config.Folders...) {
		path := filepath.Join(config.Data, name)
		list = append(list, show{path: path})
		if real := filepath.Join(config.RealData, name); real != path {
			list = append(list, show{path: real})
		}
	}
	for path, as := range map[string]string{
		config.Cgroups.V2: groupV2, config.Cgroups.CPU: groupCPU, config.Cgroups.Memory: groupMemory,
	} {
		if path != "" {
			list = append(list, show{path: path, as: as})
		}
	}
	return list
}

func openShows(config hostConfig) ([]show, error) {
	var opened []show
	for _, s := range shows(config) {
		if to, err := os.Readlink(s.path); err == nil {
			s.link = to
			opened = append(opened, s)
			continue
		}
		fd, err := unix.Open(s.path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) && s.optional {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", s.path, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, fmt.Errorf("stat %s: %w", s.path, err)
		}
		s.fd, s.file = fd, st.Mode&unix.S_IFMT != unix.S_IFDIR
		opened = append(opened, s)
	}
	return opened, nil
}

// newRoot is where the new root is put together: a directory every Linux has.
const newRoot = "/tmp"

func buildRoot(list []show) error {
	if err := unix.Mount("millpond", newRoot, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return fmt.Errorf("mount a root: %w", err)
	}
	for _, s := range list {
		if err := s.place(); err != nil {
			return fmt.Errorf("show %s: %w", s.path, err)
		}
	}
	// All machines get a copy of this one directory; none may write into it.
	if err := (show{readOnly: true}).bind(newRoot+"/sys", newRoot+"/sys"); err != nil {
		return fmt.Errorf("show /sys: %w", err)
	}
	if err := os.MkdirAll(newRoot+"/tmp", 0o755); err != nil {
		return err
	}
	if err := os.Chmod(newRoot+"/tmp", os.ModeSticky|0o777); err != nil {
		return err
	}
	// Before the old root goes: a user namespace may mount proc only while a
	// whole one is in sight.
	if err := os.Mkdir(newRoot+"/proc", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("proc", newRoot+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := furnishDev(); err != nil {
		return err
	}
	if err := unix.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return unix.Chdir("/")
}

func (s show) place() error {
	target := s.as
	if target == "" {
		target = s.path
	}
	target = filepath.Join(newRoot, target)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if s.link != "" {
		return os.Symlink(s.link, target)
	}
	defer unix.Close(s.fd)
	if s.file {
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
	} else if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return s.bind(fmt.Sprintf("/proc/self/fd/%d", s.fd), target)
}

func (s show) bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !s.readOnly {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr)
}

func furnishDev() error {
	for name, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, filepath.Join(newRoot, "dev", name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(newRoot, "dev", name), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", newRoot+"/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return fmt.Errorf("mount devpts: %w", err)
	}
	return nil
}

// agentPath is the agent in the node host's root: a copy in memory, so that a
// new build beside us neither fails with "text file busy" nor mixes versions.
const agentPath = "/agent/millpond-node"

// copyAgent copies the agent and gives the sha256 of what was copied.
func copyAgent(from *os.File) (sum string, err error) {
	defer from.Close()
	if err := os.Mkdir(filepath.Dir(agentPath), 0o755); err != nil {
		return "", err
	}
	to, err := os.OpenFile(agentPath, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, digest), from); err != nil {
		to.Close()
		return "", fmt.Errorf("copy the agent: %w", err)
	}
	return hex.EncodeToString(digest.Sum(nil)), to.Close()
}
