package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

// hostTree makes a machine see the computer's own programs, as the host image does.
func hostTree(m provider.Machine) provider.Machine {
	m.Tree.Binds = []string{"/usr"}
	return m
}

func TestRootOfAMachineIsConfined(t *testing.T) {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("host"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, other := hostTree(testMachine(t, p, "m")), testMachine(t, p, "other")
	for _, m := range []provider.Machine{m, other} {
		if err := p.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	g.enter(t, other).do(t, "write", "/etc/private", "of the other")
	in := g.enter(t, m)

	if got := in.do(t, "ids", "", ""); got != "1 0" {
		t.Errorf("pid and uid %s, want the machine's first process and root", got)
	}
	// Nothing of the computer's root is in sight.
	in.refuse(t, "read", "/etc/shadow", "", "no such file")
	in.refuse(t, "read", secret, "", "no such file")
	in.refuse(t, "list", p.config.DataDir, "", "no such file")
	in.refuse(t, "read", other.Disk.Path+"/upper/etc/private", "", "no such file")
	in.refuse(t, "read", "/etc/private", "", "no such file")
	// Not by the back doors either: the agent's own links, the host's processes.
	in.refuse(t, "read", "/proc/1/root/etc/shadow", "", "no such file")
	in.refuse(t, "read", "/proc/1/cwd/etc/shadow", "", "no such file")
	for _, entry := range strings.Fields(in.do(t, "list", "/proc", "")) {
		if entry >= "0" && entry < ":" && entry != "1" {
			t.Errorf("process %s is in sight of a machine with one process", entry)
		}
	}
	for _, fd := range strings.Fields(in.do(t, "list", "/proc/1/fd", "")) {
		if text, err := in.try("read", "/proc/1/fd/"+fd+"/etc/shadow", ""); err == nil {
			t.Errorf("descriptor %s leads out: %.40q", fd, text)
		}
	}
	// Kernel settings and what is shared cannot be written.
	for _, path := range []string{
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/core_pattern",
		"/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger",
		"/sys/new", "/sys/module/new", "/usr/new", "/run/millpond/new",
	} {
		if _, err := in.try("write", path, "1"); err == nil {
			t.Errorf("root of a machine wrote %s", path)
		}
	}
	in.refuse(t, "umount", "/proc/sys", "", "not permitted")
	in.refuse(t, "mount", "/usr", "", "not permitted")
	in.refuse(t, "list", "/sys/fs/cgroup", "", "no such file")
	// Host files show as nobody's, and stay so.
	in.refuse(t, "chown", "/usr/bin/env", "", "")
	// The token is nowhere a task could read it.
	for _, path := range []string{"/proc/1/environ", "/proc/1/cmdline", "/run/millpond-state/agent.log"} {
		if strings.Contains(in.do(t, "read", path, ""), m.Token) {
			t.Errorf("%s has the token", path)
		}
	}
	if got := in.boot.Token; got != m.Token {
		t.Errorf("the agent has token %q", got)
	}
}

func TestMachineHasWhatLinuxExpects(t *testing.T) {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	m := testMachine(t, p, "m")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	in := g.enter(t, m)
	if got := in.do(t, "hostname", "", ""); got != m.Hostname {
		t.Errorf("host name %q", got)
	}
	if got := in.do(t, "read", "/etc/hosts", ""); !strings.Contains(got, "127.0.0.2\thost-m\n") {
		t.Errorf("/etc/hosts: %q", got)
	}
	if got := in.do(t, "read", "/etc/hostname", ""); got != "host-m\n" {
		t.Errorf("/etc/hostname: %q", got)
	}
	want, err := os.ReadFile("/etc/resolv.conf")
	if err == nil && in.do(t, "read", "/etc/resolv.conf", "") != string(want) {
		t.Error("/etc/resolv.conf is not the computer's")
	}
	in.do(t, "write", "/dev/null", "x")
	in.do(t, "write", "/dev/shm/x", "x")
	in.do(t, "write", "/tmp/x", "x")
	in.do(t, "write", "/run/lock/x", "x")
	in.do(t, "open", "/dev/ptmx", "")
	if got := in.do(t, "list", "/sys/class/net", ""); !strings.Contains(got, "lo") {
		t.Errorf("/sys/class/net: %q", got)
	}
	in.do(t, "write", "/mnt/batch/tasks/x", "task")
	if text, err := os.ReadFile(filepath.Join(m.State, "tasks", "x")); err != nil || string(text) != "task" {
		t.Errorf("task folder: %q %v", text, err)
	}
	// What belongs to one start must not stay on the disk.
	for _, name := range []string{"etc/hosts", "etc/resolv.conf", "run/lock"} {
		st, err := os.Stat(filepath.Join(m.Disk.Path, "upper", name))
		if err == nil && st.Size() > 0 && !st.IsDir() {
			t.Errorf("%s has %d bytes on the disk", name, st.Size())
		}
	}
}

func TestLowerDirectoriesChange(t *testing.T) {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	m := testMachine(t, p, "m")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	in := g.enter(t, m)
	in.do(t, "remove", "/usr/share/doc", "")
	in.refuse(t, "list", "/usr/share/doc", "", "no such file")
	in.do(t, "mkdir", "/usr/share/doc", "")
	if got := in.do(t, "list", "/usr/share/doc", ""); got != "" {
		t.Errorf("a directory made again shows the old one's %q", got)
	}
	in.do(t, "write", "/usr/share/doc/new", "x")
	in.do(t, "rename", "/usr/share/doc", "/usr/share/paper")
	if got := in.do(t, "list", "/usr/share/paper", ""); got != "new" {
		t.Errorf("renamed: %q", got)
	}
	// The layer itself is as it was, for every other machine.
	if found := glob(t, filepath.Join(m.Tree.Root, "base/usr/share/doc/thing")); len(found) != 1 {
		t.Error("the machine changed its layer")
	}
}

func TestImageLinksCannotLeadOut(t *testing.T) {
	p := openTest(t, testData(t))
	g := listenAgents(t, p)
	m := testMachine(t, p, "m")
	// An image whose mount points are links to where the outer world's files are.
	base := filepath.Join(p.config.DataDir, "regions", "r", "base")
	evil := filepath.Join(p.config.DataDir, "regions", "r", "evil")
	if err := p.Worker().Mkdir(t.Context(), filepath.Join(evil, "mnt")); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"mnt/batch": p.config.DataDir, "etc": filepath.Join(base, "etc"), "dev": "/disks", "sys": "/proc",
	} {
		if err := os.Symlink(to, filepath.Join(evil, link)); err != nil {
			t.Fatal(err)
		}
	}
	m.Tree.Dirs = []string{"evil", "base"}
	before := fmt.Sprint(glob(t, filepath.Join(p.config.DataDir, "*")), glob(t, filepath.Join(base, "etc", "*")))
	err := p.Create(t.Context(), m)
	if err == nil { // resolved inside the machine, and so harmless
		g.enter(t, m)
	}
	if after := fmt.Sprint(glob(t, filepath.Join(p.config.DataDir, "*")), glob(t, filepath.Join(base, "etc", "*"))); after != before {
		t.Fatalf("a link in the image led out:\n%s\n%s", before, after)
	}
}

func TestPathsWithOptionLetters(t *testing.T) {
	data := filepath.Join(testData(t), `a,b:c\d=e`)
	p := openTest(t, data)
	g := listenAgents(t, p)
	m := testMachine(t, p, "m")
	if err := p.Worker().Mkdir(t.Context(), filepath.Join(m.Tree.Root, `x:y,z`, "etc")); err != nil {
		t.Fatal(err)
	}
	m.Tree.Dirs = append(m.Tree.Dirs, `x:y,z`)
	m.Disk = layer.Disk{Path: filepath.Join(data, "disks", `o,p:q`)}
	if err := p.Worker().Clone(t.Context(), m.Disk); err != nil {
		t.Fatal(err)
	}
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	g.enter(t, m).do(t, "write", "/etc/x", "x")
}

func TestDataFolderBehindALink(t *testing.T) {
	real := testData(t)
	link := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	p := openTest(t, link)
	g := listenAgents(t, p)
	m := testMachine(t, p, "m")
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	g.enter(t, m)
	if err := p.Worker().Mkdir(t.Context(), filepath.Join(real, "disks", "by-the-other-name")); err != nil {
		t.Fatal(err)
	}
}
