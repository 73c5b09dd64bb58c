package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/provider"
)

// Where the node host has its groups in its own root.
const (
	groupV2     = "/cgroup/v2"
	groupCPU    = "/cgroup/cpu"
	groupMemory = "/cgroup/memory"
)

// groups makes and removes the control groups of machines, inside the node host.
type groups struct {
	c      cgroups
	attach sync.Mutex // v1 attaches one after the other: the second of a row is nearly free
}

// make makes the machine's v2 group and opens it for clone3; -1 without one.
func (g *groups) make(m provider.Machine) (fd int, err error) {
	if g.c.V2 == "" {
		return -1, nil
	}
	dir := filepath.Join(groupV2, groupName(m.ID))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return -1, err
	}
	if err := limitPIDs(dir, g.c); err != nil {
		return -1, err
	}
	if g.c.CPU == "" {
		if err := limit(dir, g.c, m.Size.Cores, m.Size.MemoryMiB); err != nil {
			return -1, err
		}
	}
	return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// enterV1 puts the machine's first process into its v1 groups, before it has
// read its boot message and so before it has children.
func (g *groups) enterV1(m provider.Machine, pid int) error {
	if g.c.CPU == "" {
		return nil
	}
	cpu, memory := filepath.Join(groupCPU, groupName(m.ID)), filepath.Join(groupMemory, groupName(m.ID))
	writes := []struct{ file, text string }{
		{filepath.Join(cpu, "cpu.cfs_quota_us"), quota(m.Size.Cores)},
		{filepath.Join(memory, "memory.limit_in_bytes"), bytesOf(m.Size.MemoryMiB)},
		{filepath.Join(cpu, "cgroup.procs"), strconv.Itoa(pid)},
		{filepath.Join(memory, "cgroup.procs"), strconv.Itoa(pid)},
	}
	for _, dir := range []string{cpu, memory} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	g.attach.Lock()
	defer g.attach.Unlock()
	for _, w := range writes {
		if err := os.WriteFile(w.file, []byte(w.text), 0); err != nil {
			return err
		}
	}
	return nil
}

func quota(cores int) string {
	if cores <= 0 {
		return "-1"
	}
	return strconv.Itoa(cores * 100000) // of a period of 100 ms, the default
}

func bytesOf(miB int) string {
	if miB <= 0 {
		return "-1"
	}
	return strconv.Itoa(miB << 20)
}

// kill ends every process of the machine's group at once.
func (g *groups) kill(id string) {
	if g.c.V2 != "" {
		// The pid namespace's end kills them too; this does not wait for it.
		_ = os.WriteFile(filepath.Join(groupV2, groupName(id), "cgroup.kill"), []byte("1"), 0)
	}
}

// remove takes away the groups of a machine whose first process is gone, and
// with it, by the kernel's promise on pid namespaces, all others. The group is
// busy until the kernel has put the last of them away.
func (g *groups) remove(id string) error {
	var dirs []string
	if g.c.V2 != "" {
		dirs = append(dirs, filepath.Join(groupV2, groupName(id)))
	}
	if g.c.CPU != "" {
		dirs = append(dirs, filepath.Join(groupCPU, groupName(id)), filepath.Join(groupMemory, groupName(id)))
	}
	for _, dir := range dirs {
		err := unix.Rmdir(dir)
		for try := 0; errors.Is(err, unix.EBUSY) && try < 1000; try++ {
			pause(context.Background(), time.Millisecond)
			err = unix.Rmdir(dir)
		}
		if errors.Is(err, unix.EBUSY) {
			err = removeGroup(dir) // the agent made groups of its own below
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}

// groupName keeps machines apart from the node host's own group.
func groupName(id string) string { return "m-" + id }
