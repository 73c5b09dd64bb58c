package whole

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"millpond/test/rig"
)

// rootIsConfined: root of a node is nobody outside it.
func rootIsConfined(t *testing.T, s *rig.Server) {
	secret := filepath.Join(s.Data, "secret.key")
	host := digest(t, "/etc/shadow")
	o := s.Run("j", "confined", rig.Script(`
id -u
echo == shadow; for f in $(find / /proc/1/root /proc/self/root -xdev -name "shadow*" -type f 2>/dev/null) /proc/[0-9]*/root/etc/shadow; do sha256sum $f; done
echo == mounts; for m in $(cut -d" " -f5 /proc/self/mountinfo); do ls -d $m`+s.Data+` $m/admin.json $m/secret.key 2>/dev/null; done
echo == sys; find /proc/sys -type f -writable 2>/dev/null; for f in kernel/panic kernel/core_pattern vm/drop_caches net/ipv4/ip_forward kernel/domainname; do (echo 1 > /proc/sys/$f) 2>/dev/null && echo wrote $f; done
echo == other; (echo b > /proc/sysrq-trigger) 2>/dev/null && echo sysrq; mknod /tmp/disk b 254 0 2>/dev/null && head -c 512 /tmp/disk >/dev/null 2>&1 && echo disk; mount -o remount,rw /usr 2>/dev/null && echo remounted; touch /usr/x 2>/dev/null && echo wrote usr; cat `+secret+` 2>/dev/null
echo == pids; cat /proc/[0-9]*/comm
kill -9 `+itoa(s.PID())+` 2>/dev/null && echo killed; true`), rig.Elevated())
	parts := strings.Split(o.Stdout, "== ")
	if len(parts) != 6 || parts[0] != "0\n" {
		t.Fatalf("%+v", o)
	}
	if strings.Contains(parts[1], host) || !strings.Contains(parts[1], "/etc/shadow") {
		t.Errorf("the shadow files a node sees: %s", parts[1])
	}
	for i, name := range map[int]string{2: "mounts\n", 3: "sys\n", 4: "other\n"} {
		if parts[i] != name {
			t.Errorf("root in a node reached %s", parts[i])
		}
	}
	for _, name := range strings.Fields(parts[5])[1:] {
		if name != "millpond-node" && name != "sh" && name != "cat" && name != "killed" {
			t.Errorf("a node sees the process %q", name)
		}
	}
	if strings.Contains(o.Stdout, "killed") {
		t.Error("a node killed a process outside")
	}
}

// ordinaryTasks: no capability, no way to get one.
func ordinaryTasks(t *testing.T, s *rig.Server) {
	o := s.Run("j", "ordinary", rig.Script(`
id -un; grep -E "^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):" /proc/self/status
mount -t tmpfs none /mnt 2>/dev/null && echo mounted
unshare -U true 2>/dev/null && echo new user namespace
unshare -m true 2>/dev/null && echo new mount namespace
unshare -r id -u 2>/dev/null && echo mapped
touch /etc/x 2>/dev/null && echo wrote etc; cat /etc/shadow 2>/dev/null && echo read shadow
kill -9 1 2>/dev/null && echo killed the agent
cat /proc/1/environ 2>/dev/null && echo read the agent
ls /var/lib/millpond 2>/dev/null; true`), nil)
	lines := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(o.Stdout), "\n") {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{"_azbatch", "CapInh: 0000000000000000", "CapPrm: 0000000000000000", "CapEff: 0000000000000000",
		"CapBnd: 0000000000000000", "CapAmb: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2"} {
		if !lines[want] {
			t.Errorf("no line %q", want)
		}
		delete(lines, want)
	}
	if len(lines) > 0 {
		t.Errorf("an ordinary task could: %v", lines)
	}
}

// nodesApart: what one node writes or runs, the other never meets.
func nodesApart(t *testing.T, s *rig.Server) {
	nodes := s.Idle("p", 2)
	key := rig.NewKey(t)
	var shells []*rig.Shell
	for _, n := range nodes {
		s.Do("POST", "/pools/p/nodes/"+n.ID+"/users", map[string]any{"name": "look", "isAdmin": true, "sshPublicKey": key.Public}, nil)
		shells = append(shells, rig.SSH(t, s.RemoteLogin("p", n.ID), "look", key.Auth()))
	}
	shells[0].Run("echo first > /opt/one && echo first > /etc/motd && touch /mnt/batch/tasks/shared/one /tmp/one /dev/shm/one && rm -r /srv; (sleep 86421 >/dev/null 2>&1 &)")
	if got := shells[1].Run("find / -xdev -name one; find /mnt /dev/shm /run -name one 2>/dev/null; cat /etc/motd 2>/dev/null; ls -d /srv; grep -l 8642[1] /proc/[0-9]*/cmdline; true"); strings.Contains(got, "one") || strings.Contains(got, "first") || !strings.HasPrefix(got, "/srv") {
		t.Errorf("the second node sees: %q", got)
	}
	if got := shells[1].Run("hostname; readlink /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/ipc /proc/self/ns/uts"); got == shells[0].Run("hostname; readlink /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/ipc /proc/self/ns/uts") {
		t.Errorf("both nodes live in %q", got)
	}
	for _, n := range nodes {
		s.Do("DELETE", "/pools/p/nodes/"+n.ID+"/users/look", nil, nil)
	}
}

// users: an SSH session is a look into the node, and lasts as long as its user.
func users(t *testing.T, s *rig.Server) {
	node := s.Idle("p", 2)[0].ID
	at := "/pools/p/nodes/" + node + "/users"
	key := rig.NewKey(t)
	s.Do("POST", at, map[string]any{"name": "dev", "isAdmin": false, "sshPublicKey": key.Public, "password": "Unused-Horse-3"}, nil)
	s.Do("POST", at, map[string]any{"name": "adm", "isAdmin": true, "password": "Staple-Battery-4"}, nil)
	where := s.RemoteLogin("p", node)
	if _, err := rig.Login(where, "adm", ssh.Password("wrong")); err == nil {
		t.Error("a wrong password was let in")
	}
	if _, err := rig.Login(where, "dev", rig.NewKey(t).Auth()); err == nil {
		t.Error("a strange key was let in")
	}
	for _, name := range []string{"root", "_azbatch", "alice"} {
		if _, err := rig.Login(where, name, key.Auth()); err == nil {
			t.Errorf("%s was let in with another's key", name)
		}
	}
	dev, adm := rig.SSH(t, where, "dev", key.Auth()), rig.SSH(t, where, "adm", ssh.Password("Staple-Battery-4"))
	if got := dev.Run("id -un; test $(id -u) -ne 0 && echo user; tr '\\000' ' ' < /proc/1/cmdline"); !strings.HasPrefix(got, "dev\nuser\nmillpond-node") {
		t.Errorf("a user's session: %q", got)
	}
	// pid 1 and the root folder are the node's, by the kernel's own names for them.
	inside := adm.Run("id -u; readlink /proc/1/ns/pid; readlink /proc/self/ns/pid; stat -c %i:%d / /proc/1/root/; grep -c ^dev: /etc/passwd; cat /etc/os-release | sha256sum | cut -c1-64")
	lines := strings.Split(inside, "\n")
	if len(lines) != 7 || lines[0] != "0" || lines[1] != lines[2] || lines[3] != lines[4] || lines[5] != "1" || lines[6] != rows(t, s)[node].OSRelease {
		t.Errorf("an administrator's session: %q", lines)
	}
	ours, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || ours == lines[1] {
		t.Errorf("the node's pid namespace is %s, ours %s %v", lines[1], ours, err)
	}
	if got := lines[3]; got == hostRoot(t) {
		t.Error("the node's root folder is the host's")
	}

	// The session ends when its user is deleted, and the other one goes on.
	session, err := dev.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("sleep 86431"); err != nil {
		t.Fatal(err)
	}
	s.Do("DELETE", at+"/dev", nil, nil)
	if err := session.Wait(); err == nil {
		t.Error("the session of a deleted user ended well")
	}
	if err := dev.Wait(); err == nil || errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("the connection of a deleted user: %v", err)
	}
	if _, err := rig.Login(where, "dev", key.Auth()); err == nil {
		t.Error("a deleted user was let in")
	}
	if got, err := adm.Try("grep -c ^dev: /etc/passwd; grep -l 8643[1] /proc/[0-9]*/cmdline", ""); !strings.HasPrefix(got, "0") || strings.Contains(got, "/proc") {
		t.Errorf("left of the user: %q %v", got, err)
	}
	a, err := s.Try("DELETE", at+"/dev", nil)
	if err != nil || a.Status != 404 {
		t.Errorf("deleting a user twice: %d %s %v", a.Status, a.Body, err)
	}
	s.Do("DELETE", at+"/adm", nil, nil)
}

func hostRoot(t *testing.T) string {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat("/", &st); err != nil {
		t.Fatal(err)
	}
	return itoa(int(st.Ino)) + ":" + itoa(int(st.Dev))
}
