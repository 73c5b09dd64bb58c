package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/layer"
	"millpond/internal/node/wire"
	"millpond/internal/provider"
)

// Finding is one thing this computer has or lacks.
type Finding struct {
	Name   string // "user ids", "machine"...
	OK     bool
	Needed bool   // no machine starts without it; otherwise something is only not enforced or not offered
	Detail string // what was found
	Fix    string // what to do, when not OK
}

// Check looks at what machines need here, and then starts and ends a real one
// in a folder of its own beside config.DataDir. It changes nothing else.
func Check(ctx context.Context, config Config) []Finding {
	findings := []Finding{checkIDs(), checkNamespaces()}
	if os.Geteuid() != 0 {
		findings = append(findings, checkProgram("newuidmap", true, "uidmap"), checkProgram("newgidmap", true, "uidmap"))
	}
	findings = append(findings, checkMachine(ctx, config)...)
	return append(findings, checkLoopback(), checkProgram("mmdebstrap", false, "mmdebstrap"))
}

func checkIDs() Finding {
	f := Finding{Name: "user ids", Needed: true}
	ids, err := availableRange()
	if err != nil {
		f.Detail = err.Error()
		f.Fix = fmt.Sprintf("as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s", userName())
		return f
	}
	f.OK, f.Detail = true, "machines' users are "+ids.String()
	return f
}

func userName() string {
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "YOUR-USER"
}

// checkNamespaces reads the switches that forbid user namespaces. The last two
// bind ordinary users only.
func checkNamespaces() Finding {
	f := Finding{Name: "user namespaces", Needed: true}
	switches := []struct{ file, bad string }{
		{"user/max_user_namespaces", "0"},
		{"kernel/unprivileged_userns_clone", "0"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1"},
	}
	if os.Geteuid() == 0 {
		switches = switches[:1]
	}
	for _, s := range switches {
		text, err := os.ReadFile("/proc/sys/" + s.file)
		if err == nil && strings.TrimSpace(string(text)) == s.bad {
			name := strings.ReplaceAll(s.file, "/", ".")
			good := map[string]string{"0": "1", "1": "0"}[s.bad]
			if name == "user.max_user_namespaces" {
				good = "65536"
			}
			f.Detail = name + " is " + s.bad
			f.Fix = fmt.Sprintf("as root: sysctl -w %s=%s (and a line in /etc/sysctl.d to keep it)", name, good)
			return f
		}
	}
	f.OK, f.Detail = true, "allowed"
	return f
}

func checkProgram(name string, needed bool, pkg string) Finding {
	f := Finding{Name: name, Needed: needed}
	path, err := exec.LookPath(name)
	if err != nil {
		f.Detail, f.Fix = "not installed", "as root: apt-get install "+pkg
		if !needed {
			f.Detail += "; base images can be imported, not made"
		}
		return f
	}
	f.OK, f.Detail = true, path
	return f
}

func checkLoopback() Finding {
	f := Finding{Name: "loopback", Needed: true}
	l, err := net.Listen("tcp", "127.77.0.1:0")
	if err != nil {
		f.Detail = err.Error()
		f.Fix = "nodes have addresses in 127.0.0.0/8: as root: ip link set lo up; ip address add 127.0.0.1/8 dev lo"
		return f
	}
	l.Close()
	f.OK, f.Detail = true, "addresses of 127.0.0.0/8 can be bound"
	return f
}

// checkMachine starts a real machine: the one test that leaves nothing out.
func checkMachine(ctx context.Context, config Config) []Finding {
	host := Finding{Name: "node host", Needed: true}
	dir, err := os.MkdirTemp(existing(config.DataDir), ".millpond-check-")
	if err != nil {
		host.Detail, host.Fix = err.Error(), "choose a data folder this user can write to"
		return []Finding{host}
	}
	defer os.RemoveAll(dir)
	config.DataDir, config.RunDir, config.Log = dir, "", slog.New(slog.DiscardHandler)
	p, err := Open(ctx, config)
	if err != nil {
		host.Detail, host.Fix = err.Error(), advice(err, dir)
		return []Finding{host}
	}
	defer p.Close(false)
	defer func() { _ = p.empty(context.WithoutCancel(ctx)) }() // an ordinary user cannot by himself
	host.OK, host.Detail = true, "starts"

	machine := Finding{Name: "machine", Needed: true}
	start := time.Now()
	if err := tryMachine(ctx, p, dir); err != nil {
		machine.Detail, machine.Fix = err.Error(), advice(err, dir)
	} else {
		machine.OK, machine.Detail = true, fmt.Sprintf("starts and ends in %d ms", time.Since(start).Milliseconds())
	}
	has := p.Capabilities()
	limits := Finding{Name: "limits", OK: has.LimitsCPU && has.LimitsMemory, Detail: has.Limits}
	if !limits.OK {
		limits.Fix = "machines work, and may use more CPU and memory than their size says; start with cgroup v2 and its controllers delegated to have limits"
	}
	return []Finding{host, machine, limits}
}

func tryMachine(ctx context.Context, p *Provider, dir string) error {
	m := provider.Machine{
		ID: "check", BootID: "check", Role: wire.RoleVM, Hostname: "check",
		Tree:  layer.Tree{Root: filepath.Join(dir, "regions"), Dirs: []string{"check"}},
		Disk:  layer.Disk{Path: filepath.Join(dir, "disks", "check")},
		State: filepath.Join(dir, "nodes", "check"),
	}
	w := p.Worker()
	err := errors.Join(
		w.Mkdir(ctx, filepath.Join(dir, "regions", "check", "etc")),
		w.Mkdir(ctx, m.State),
		w.Clone(ctx, m.Disk),
	)
	if err == nil {
		err = p.Create(ctx, m)
	}
	if err == nil {
		err = p.Destroy(ctx, m.ID)
	}
	return err
}

// existing is the nearest folder above dir that is there.
func existing(dir string) string {
	dir = resolved(dir)
	for dir != "/" {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// advice turns the step that failed into what to do.
func advice(err error, dir string) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "mount overlay"):
		return fmt.Sprintf("copy-on-write needs Linux 5.11 and a data folder on ext4, xfs, btrfs or (from Linux 6.6) tmpfs; %s is on %s. Choose another with --data", dir, fileSystem(dir))
	case strings.Contains(text, "mount proc"):
		return "parts of /proc are covered here, as in most containers: run Millpond on the computer itself, or the container with --security-opt systempaths=unconfined or --privileged"
	case strings.Contains(text, "user namespaces"), strings.Contains(text, "id map"), strings.Contains(text, "newuidmap"), strings.Contains(text, "newgidmap"):
		return "see user ids and user namespaces above; in a container, run it with --privileged"
	case strings.Contains(text, "agent"):
		return "build millpond-node and put it beside millpond"
	case strings.Contains(text, "socket"):
		return "choose a shorter run folder"
	}
	return "see node-host.log in the data folder"
}

func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "an unknown file system"
	}
	switch st.Type {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs (a container's own layer; use a volume)"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	}
	return fmt.Sprintf("a file system of type %#x", st.Type)
}
