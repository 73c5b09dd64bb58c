package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits says whether machines are held to their size.
type Limits int

// LimitsAuto enforces where it costs nothing (cgroup v2 has the controllers);
// LimitsOn also through cgroup v1, where entering a group can cost 10 ms for
// each controller; LimitsOff never.
const (
	LimitsAuto Limits = iota
	LimitsOn
	LimitsOff
)

// cgroups are the control groups of one data folder, made by the server before
// the node host enters its user namespace and given to the mapped root.
// A path is empty when there is no such group.
type cgroups struct {
	V2     string `json:"v2"`     // machines in V2/ID, the node host in V2/host
	CPU    string `json:"cpu"`    // cgroup v1 with the controller cpu
	Memory string `json:"memory"` // cgroup v1 with the controller memory

	LimitCPU    bool   `json:"limitCpu"`
	LimitMemory bool   `json:"limitMemory"`
	LimitPIDs   bool   `json:"limitPids"` // v2 only
	Text        string `json:"text"`      // for Capabilities.Limits
}

const hostGroup = "host"

// makeCgroups makes the groups named after the data folder. Nothing here may
// stop Millpond from running: what cannot be had is named in Text.
func makeCgroups(name string, ids idMap, limits Limits) cgroups {
	var c cgroups
	found := findCgroups()
	var why string
	if base, err := v2Base(found, ids); err != nil {
		why = err.Error()
	} else if c.V2, err = makeGroup(filepath.Join(base, name), ids, "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"); err != nil {
		why = err.Error()
	} else if _, err := makeGroup(filepath.Join(c.V2, hostGroup), ids, "cgroup.procs"); err != nil {
		why, c.V2 = err.Error(), ""
	}
	if limits == LimitsOff {
		c.Text = "limits are switched off"
		return c
	}
	if c.V2 != "" {
		c.LimitCPU, c.LimitMemory = enable(c.V2, "cpu"), enable(c.V2, "memory")
		c.LimitPIDs = enable(c.V2, "pids")
	}
	if c.LimitCPU && c.LimitMemory {
		c.Text = "CPU and memory by cgroup v2"
		return c
	}
	c.Text = c.limitByV1(name, found, ids, limits, why)
	return c
}

// limitByV1 tries the older hierarchy for what v2 lacks, and says how it went.
func (c *cgroups) limitByV1(name string, found cgroupMounts, ids idMap, limits Limits, why string) string {
	if why == "" {
		why = "cgroup v2 here has no controllers cpu and memory"
	}
	switch {
	case ids.Owner >= 0:
		return "no limits: " + why + "; systemd-run --user --scope -p Delegate=yes gives an ordinary user a group of his own"
	case found.cpu == "" || found.memory == "":
		return "no limits: " + why + ", and cgroup v1 has none either"
	case limits != LimitsOn:
		return "no limits: " + why + "; cgroup v1 has them, at up to 10 ms a controller for each machine (switched on by --limits on)"
	}
	var err1, err2 error
	c.CPU, err1 = makeGroup(filepath.Join(found.cpu, name), ids, "cgroup.procs", "tasks")
	c.Memory, err2 = makeGroup(filepath.Join(found.memory, name), ids, "cgroup.procs", "tasks")
	if err := errors.Join(err1, err2); err != nil {
		return "no limits: " + err.Error()
	}
	c.LimitCPU, c.LimitMemory = true, true
	return "CPU and memory by cgroup v1"
}

// makeGroup makes a group and gives it, with the named files, to the machines'
// root. An ordinary user keeps it: he is in the machines' map.
func makeGroup(dir string, ids idMap, files ...string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if ids.Owner >= 0 {
		return dir, nil
	}
	for _, name := range append([]string{"."}, files...) {
		if err := os.Chown(filepath.Join(dir, name), ids.First, ids.First); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// enable passes a controller down to dir's children and says whether they have it.
func enable(dir, controller string) bool {
	for _, d := range []string{filepath.Dir(dir), dir} {
		text, err := os.ReadFile(filepath.Join(d, "cgroup.controllers"))
		if err != nil || !slices.Contains(strings.Fields(string(text)), controller) {
			return false
		}
		// Fails where processes sit beside the children; the check of the next
		// level, or of the host's group, tells.
		_ = os.WriteFile(filepath.Join(d, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
	text, err := os.ReadFile(filepath.Join(dir, hostGroup, "cgroup.controllers"))
	return err == nil && slices.Contains(strings.Fields(string(text)), controller)
}

// remove kills what is left in the groups and removes them. It is for when no
// node host lives; a group that will not go is reported, not fought.
func removeCgroups(name string, ids idMap) error {
	found := findCgroups()
	var errs []error
	for _, base := range []string{found.cpu, found.memory} {
		if base != "" {
			errs = append(errs, removeGroup(filepath.Join(base, name)))
		}
	}
	if base, err := v2Base(found, ids); err == nil {
		errs = append(errs, removeGroup(filepath.Join(base, name)))
	}
	return errors.Join(errs...)
}

// removeGroup empties and removes a group and all below it. Processes killed a
// moment ago keep a group busy, so it tries for a while.
func removeGroup(dir string) error {
	var err error
	for range 200 {
		if _, e := os.Stat(dir); errors.Is(e, os.ErrNotExist) {
			return nil
		}
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) // v1 has none
		var groups []string
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, p)
			}
			return nil
		})
		for _, g := range slices.Backward(groups) {
			err = os.Remove(g)
		}
		if err == nil {
			return nil
		}
		pause(context.Background(), 5*time.Millisecond)
	}
	return fmt.Errorf("remove control group: %w", err)
}

type cgroupMounts struct{ v2, cpu, memory string }

func findCgroups() cgroupMounts {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return cgroupMounts{}
	}
	defer f.Close()
	return parseCgroups(f)
}

// parseCgroups reads /proc/self/mountinfo: fields before " - " end with the
// mount point at index 4, after it come type, source and options.
func parseCgroups(r io.Reader) cgroupMounts {
	var found cgroupMounts
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		l, t := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(t) < 3 {
			continue
		}
		options := strings.Split(t[2], ",")
		switch {
		case t[0] == "cgroup2":
			found.v2 = l[4]
		case t[0] == "cgroup" && slices.Contains(options, "cpu"):
			found.cpu = l[4]
		case t[0] == "cgroup" && slices.Contains(options, "memory"):
			found.memory = l[4]
		}
	}
	return found
}

// v2Base is where this user may make groups: root at the top, others in the
// group they are in.
func v2Base(found cgroupMounts, ids idMap) (string, error) {
	if found.v2 == "" {
		return "", errors.New("cgroup v2 is not mounted")
	}
	if ids.Owner < 0 {
		return found.v2, nil
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(found.v2, path), nil
		}
	}
	return "", errors.New("this process is in no cgroup v2 group")
}

// machinePIDs is how many processes and threads a machine may have, whatever
// its size: what one of them could take from all others are process ids.
const machinePIDs = 16384

// limitPIDs keeps a fork bomb inside its machine.
func limitPIDs(dir string, c cgroups) error {
	if !c.LimitPIDs {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(machinePIDs)), 0)
}

// limit writes a machine's size into its v2 group.
func limit(dir string, c cgroups, cores, memoryMiB int) error {
	if c.LimitCPU && cores > 0 {
		if err := os.WriteFile(filepath.Join(dir, "cpu.max"), []byte(strconv.Itoa(cores*100000)+" 100000"), 0); err != nil {
			return err
		}
	}
	if c.LimitMemory && memoryMiB > 0 {
		return os.WriteFile(filepath.Join(dir, "memory.max"), []byte(strconv.Itoa(memoryMiB<<20)), 0)
	}
	return nil
}
