package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/node/wire"
)

func TestUsersOverStreams(t *testing.T) {
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	put := func(u wire.NodeUser, keep bool) string {
		_, _, err := c.stream(wire.Open{Kind: wire.StreamUserPut, User: &u, Keep: keep})
		return code(err)
	}
	if got := put(wire.NodeUser{Name: "dev"}, true); got != "" {
		t.Error(got)
	}
	if got := put(wire.NodeUser{Name: "dev"}, true); got != "NodeUserExists" {
		t.Errorf("twice: %q", got)
	}
	if got := put(wire.NodeUser{Name: "dev", Login: true}, false); got != "" {
		t.Errorf("update: %q", got)
	}
	for _, bad := range []string{"", "root", "a:b", "a\nb", "-x", "../x", "_azbatch", strings.Repeat("x", 33)} {
		if got := put(wire.NodeUser{Name: bad}, false); got != "InvalidPropertyValue" {
			t.Errorf("name %q: %q", bad, got)
		}
	}
	if got := put(wire.NodeUser{Name: "twin", UID: 2100}, false); got != "InvalidPropertyValue" {
		t.Errorf("a number that is taken: %q", got)
	}
	put(wire.NodeUser{Name: "chosen", UID: 3333, GID: 4444}, false)
	put(wire.NodeUser{Name: "boss", Admin: true}, false)
	put(wire.NodeUser{Name: "ubuntu"}, false)
	passwd := read(t, m.root, "etc/passwd")
	for _, want := range []string{
		"\ndev:x:2100:2100::/home/dev:/bin/sh\n", "\nchosen:x:3333:4444:", "\nboss:x:0:0::/home/boss:", "\nubuntu:x:1000:1000::/home/ubuntu:",
	} {
		if strings.Count(passwd, want) != 1 {
			t.Errorf("%q not once in %q", want, passwd)
		}
	}
	if shadow := read(t, m.root, "etc/shadow"); !strings.Contains(shadow, "\ndev:*:") {
		t.Errorf("shadow %q", shadow)
	}
	if info, err := os.Stat(filepath.Join(m.root, "etc/shadow")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info, err)
	}
	for name, want := range map[string]string{"dev": "", "ubuntu": "", "eve": "NodeUserNotFound"} {
		if _, _, err := c.stream(wire.Open{Kind: wire.StreamUserDelete, User: &wire.NodeUser{Name: name}}); code(err) != want {
			t.Errorf("delete %s: %v", name, err)
		}
	}
	passwd = read(t, m.root, "etc/passwd")
	if strings.Contains(passwd, "dev:") || !strings.Contains(passwd, "ubuntu:") {
		t.Errorf("the image's own users stay, ours go: %q", passwd)
	}
}

func TestNamedUsersRunTasks(t *testing.T) {
	s := newService(t)
	s.say(func(w *wire.Welcome) {
		w.Users = []wire.NodeUser{{Name: "worker", UID: 5005}, {Name: "ubuntu"}, {Name: "chief", Admin: true}}
	})
	m := startAgent(t, s, base(t))
	c := s.call()
	for name, want := range map[string]string{"worker": "5005 5005 2000", "ubuntu": "1000 1000 44 2000", "chief": "0 0"} {
		one := shell(name, "echo $(id -u) $(id -G)")
		one.User.Name = name
		c.send(wire.Frame{Assign: []wire.Task{one}})
		if end := c.end(); end.Failure != nil {
			t.Errorf("%s: %+v", name, end.Failure)
		}
		if got := read(t, m.tasksRoot, one.Dir, "stdout.txt"); got != want+"\n" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestUsersSurviveAReboot(t *testing.T) {
	s := newService(t)
	dir := base(t)
	m := startAgent(t, s, dir)
	s.call()
	if err := m.putUser(wire.NodeUser{Name: "dev", Login: true, PasswordHash: "h"}, true); err != nil {
		t.Fatal(err)
	}
	before := read(t, dir, "etc/passwd")
	m.end()
	startAgent(t, s, dir)
	c := s.call()
	if diff := cmp.Diff([]string{"dev"}, c.hello.Users); diff != "" {
		t.Error(diff)
	}
	if _, _, err := c.stream(wire.Open{Kind: wire.StreamUserPut, User: &wire.NodeUser{Name: "dev", Login: true}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, read(t, dir, "etc/passwd")); diff != "" {
		t.Error(diff)
	}
}

func TestSweepLeavesNoTrace(t *testing.T) {
	s := newService(t)
	dir := base(t)
	m := startAgent(t, s, dir)
	c := s.call()
	before := map[string]string{}
	for _, f := range []string{"etc/passwd", "etc/shadow", "etc/group"} {
		before[f] = read(t, dir, f)
	}
	if _, _, err := c.stream(wire.Open{Kind: wire.StreamPrepare}); code(err) != "OperationNotAllowed" {
		t.Errorf("a node is no virtual machine: %v", err)
	}
	m.boot.Role = wire.RoleVM // as if it had booted as one
	if err := m.putUser(wire.NodeUser{Name: "boss", Admin: true}, true); err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Join(dir, "etc/ssh"), 0o755)
	write(t, filepath.Join(dir, "etc/ssh/ssh_host_rsa_key"), "k")
	write(t, filepath.Join(dir, "etc/ssh/sshd_config"), "c")
	write(t, filepath.Join(dir, "etc/machine-id"), "0123")
	write(t, filepath.Join(dir, "home/boss/.profile"), "x")
	if _, _, err := c.stream(wire.Open{Kind: wire.StreamPrepare}); err != nil {
		t.Fatal(err)
	}
	for f, want := range before {
		if diff := cmp.Diff(want, read(t, dir, f)); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
	if got := read(t, dir, "etc/machine-id"); got != "" {
		t.Errorf("machine-id %q", got)
	}
	for _, gone := range []string{"home/boss", "etc/ssh/ssh_host_rsa_key", "var/lib/millpond"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	read(t, dir, "etc/ssh/sshd_config")
	if err := m.putUser(wire.NodeUser{Name: "boss", Admin: true}, true); err != nil {
		t.Errorf("a user after the sweep: %v", err)
	}
}

func TestVirtualMachineHasNoTaskFiles(t *testing.T) {
	s := newService(t)
	dir := base(t)
	fillRoot(t, dir)
	a, err := newAgent(wire.Boot{Role: wire.RoleVM}, dir, filepath.Join(dir, "mnt/tasks"), s.socket, stateOf(t, filepath.Join(dir, "state")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	go func() { done <- a.serve() }()
	t.Cleanup(func() { a.exit(0, nil); <-done })
	c := s.call()
	for _, kind := range []string{wire.StreamFileList, wire.StreamFileRead, wire.StreamFileStat, wire.StreamFileDelete} {
		if _, _, err := c.stream(wire.Open{Kind: kind, Path: "x"}); code(err) != "FileNotFound" {
			t.Errorf("%s: %v", kind, err)
		}
	}
	c.send(wire.Frame{Assign: []wire.Task{task("a", "true")}})
	if end := c.end(); end.Failure == nil || end.Started != 0 {
		t.Errorf("a task ran: %+v", end)
	}
	if _, err := os.Stat(filepath.Join(dir, "mnt")); !os.IsNotExist(err) {
		t.Error("the agent left a folder in the virtual machine")
	}
}
