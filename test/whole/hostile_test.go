package whole

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"millpond/test/rig"
)

// stateFolder: root of a node owns its state folder. A link planted there must
// not lead the node host, at the node's next start, to another node's disk:
// what it opens the node can write to.
func stateFolder(t *testing.T, s *rig.Server) {
	nodes := s.Idle("p", 2)
	key := rig.NewKey(t)
	mine, other := nodes[0].ID, rows(t, s)[nodes[1].ID].UID
	s.Do("POST", "/pools/p/nodes/"+mine+"/users", map[string]any{"name": "mallory", "isAdmin": true, "sshPublicKey": key.Public}, nil)
	theirs := filepath.Join(s.Data, "disks", other, "upper", "planted")
	sh := rig.SSH(t, s.RemoteLogin("p", mine), "mallory", key.Auth())
	sh.Run("cd /run/millpond-state && rm -f agent.log && ln -s " + theirs + " agent.log && ls")
	s.Do("DELETE", "/pools/p/nodes/"+mine+"/users/mallory", nil, nil)
	boot := rows(t, s)[mine].BootID
	s.Do("POST", "/pools/p/nodes/"+mine+"/reboot", map[string]any{}, nil)
	s.Eventually(minute, "another boot", func() (bool, string) { r := rows(t, s)[mine]; return r.HelloBoot != boot && r.HelloBoot != "", "" })
	s.Idle("p", 2)
	if _, err := os.Lstat(theirs); err == nil {
		t.Errorf("a node made %s", theirs)
	}
	if info, err := os.Lstat(filepath.Join(s.Data, "nodes", rows(t, s)[mine].UID, "agent.log")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the log is %v %v", info, err)
	}
}

// socketFlood: a task with root's rights can reach the socket of the agents. It
// does not stop the service by opening it again and again.
func socketFlood(t *testing.T, s *rig.Server) {
	o := s.Run("j", "flood", `/usr/bin/perl -MSocket -e 'my @c; my $most = 0; for (1..30000) { socket(my $s, AF_UNIX, SOCK_STREAM, 0) or last; connect($s, pack_sockaddr_un("/run/millpond/gateway.sock")) or next; push @c, $s; $most++ } print $most > 1000 ? "many" : "few $most $!"'`,
		rig.Elevated())
	if o.Stdout != "many" {
		t.Errorf("%+v", o)
	}
	if o := s.Run("j", "after-flood", "/bin/true", nil); o.Result != "success" {
		t.Errorf("%+v", o)
	}
}

// processCeiling: one node cannot use up the computer's process ids.
func processCeiling(t *testing.T, s *rig.Server) {
	const file = "/proc/sys/kernel/pid_max"
	outside := number(t, file)
	o := s.Run("j", "ceiling", "/bin/cat "+file, rig.Elevated())
	inside, err := strconv.Atoi(strings.TrimSpace(o.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if inside == outside && perNamespace(t) {
		t.Errorf("a node may have %d processes, the computer %d", inside, outside)
	}
}

func number(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// perNamespace: since Linux 6.14 every pid namespace has a pid_max of its own.
func perNamespace(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	major, rest, _ := strings.Cut(string(text), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return a > 6 || a == 6 && b >= 14
}

// closedFolder: other users of the computer reach neither data nor sockets.
func closedFolder(t *testing.T, s *rig.Server) {
	if info, err := os.Stat(s.Data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder: %v %v", info, err)
	}
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		at := strings.Index(line, "/run/millpond-")
		if at < 0 {
			if strings.Contains(line, "@millpond") {
				t.Errorf("an abstract socket is everybody's: %s", line)
			}
			continue
		}
		top := "/run/" + strings.Split(line[at:], "/")[2]
		if info, err := os.Stat(top); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may enter %s: %v", top, info.Mode())
		}
	}
}
