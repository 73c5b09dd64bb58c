package node

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"

	"millpond/internal/node/wire"
)

// sshKey makes a client key: what the client signs with, the line the service
// stores, and the private file.
func sshKey(t *testing.T) (ssh.Signer, string, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey())), pem.EncodeToMemory(block)
}

// sshNode is a node with an ordinary user "dev" (password pw, key) and an
// administrator "boss" (password pw).
func sshNode(t *testing.T) (*service, *machine, *call, ssh.Signer) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("pw"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	signer, line, _ := sshKey(t)
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	for _, u := range []wire.NodeUser{
		{Name: "dev", Login: true, PasswordHash: string(hash), SSHKeys: []string{"# a comment\n" + line}},
		{Name: "boss", Login: true, Admin: true, PasswordHash: string(hash)},
	} {
		if _, _, err := c.stream(wire.Open{Kind: wire.StreamUserPut, User: &u, Keep: true}); err != nil {
			t.Fatal(err)
		}
	}
	return s, m, c, signer
}

// enter opens an SSH stream and logs in.
func (c *call) enter(t *testing.T, user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	t.Helper()
	raw, err := c.mux.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	s := wire.NewStream(raw)
	if _, err := s.Ask(wire.Open{Kind: wire.StreamSSH}); err != nil {
		t.Fatal(err)
	}
	conn, chans, reqs, err := ssh.NewClientConn(streamConn{raw, s}, "node", &ssh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience,
	})
	if err != nil {
		raw.Close()
		return nil, err
	}
	client := ssh.NewClient(conn, chans, reqs)
	t.Cleanup(func() { client.Close() })
	return client, nil
}

func session(t *testing.T, client *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSSHLogins(t *testing.T) {
	_, _, c, signer := sshNode(t)
	stranger, _, _ := sshKey(t)
	for _, x := range []struct {
		name string
		user string
		auth ssh.AuthMethod
		ok   bool
	}{
		{"key", "dev", ssh.PublicKeys(signer), true},
		{"password", "dev", ssh.Password("pw"), true},
		{"wrong password", "dev", ssh.Password("no"), false},
		{"empty password", "dev", ssh.Password(""), false},
		{"another key", "dev", ssh.PublicKeys(stranger), false},
		{"no such user", "eve", ssh.Password("pw"), false},
		{"root", "root", ssh.Password("pw"), false},
		{"a task's user", autoUser, ssh.Password("pw"), false},
		{"somebody else's key", "boss", ssh.PublicKeys(signer), false},
	} {
		if client, err := c.enter(t, x.user, x.auth); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		} else if err == nil {
			client.Close()
		}
	}
}

func TestSSHExec(t *testing.T) {
	_, m, c, signer := sshNode(t)
	client, err := c.enter(t, "dev", ssh.PublicKeys(signer))
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, client)
	s.Setenv("COLOUR", "blue")
	s.Setenv("LD_PRELOAD", "/evil.so")
	s.Stdin = strings.NewReader("typed\n")
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	err = s.Run(`cat; id -u; echo $USER $COLOUR [$LD_PRELOAD] $0; env | grep -c AZ_BATCH; echo bad >&2; exit 7`)
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("exit %v", err)
	}
	if got := out.String(); got != "typed\n2100\ndev blue [] "+filepath.Base(m.accounts.loginShell())+"\n0\n" {
		t.Errorf("stdout %q", got)
	}
	if errs.String() != "bad\n" {
		t.Errorf("stderr %q", errs.String())
	}
	err = session(t, client).Run("kill -KILL $$")
	if !errors.As(err, &exit) || exit.Signal() != "KILL" {
		t.Errorf("exit by signal: %v", err)
	}
	big, err := session(t, client).Output("head -c 3000000 /dev/zero")
	if err != nil || len(big) != 3_000_000 {
		t.Errorf("%d bytes, %v", len(big), err)
	}
	boss, err := c.enter(t, "boss", ssh.Password("pw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := session(t, boss).Output("id -u; echo $HOME $USER")
	if err != nil || string(got) != "0\n/home/boss boss\n" {
		t.Errorf("administrator: %q, %v", got, err)
	}
}

func TestSSHRefusesForwarding(t *testing.T) {
	_, _, c, signer := sshNode(t)
	client, err := c.enter(t, "dev", ssh.PublicKeys(signer))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Dial("tcp", "127.0.0.1:1")
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
		t.Errorf("forward: %v", err)
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("a remote forward was granted")
	}
	if err := session(t, client).RequestSubsystem("netconf"); err == nil {
		t.Error("an unknown subsystem was granted")
	}
}

func TestSSHTerminal(t *testing.T) {
	_, _, c, signer := sshNode(t)
	client, err := c.enter(t, "dev", ssh.PublicKeys(signer))
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, client)
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(in, "stty size; tty; echo $TERM; echo mark''1\n")
	first := until(t, out, "mark1")
	if !strings.Contains(first, "24 80") || !strings.Contains(first, "/dev/pts/") || !strings.Contains(first, "xterm") {
		t.Errorf("terminal said %q", first)
	}
	if err := s.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	// The change and what is typed after it go two ways through the server; either may come first.
	fmt.Fprint(in, "n=0; until stty size | grep -q '50 132' || [ $n = 1000 ]; do n=$((n+1)); done; stty size; echo mark''2\n")
	if got := until(t, out, "mark2"); !strings.Contains(got, "50 132\r\nmark2") {
		t.Errorf("after the change: %q", got)
	}
	fmt.Fprint(in, "exit 5\n")
	rest := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, out); rest <- err }()
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 5 {
		t.Errorf("exit %v", err)
	}
	<-rest
}

func until(t *testing.T, r io.Reader, mark string) string {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(mark)) {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return string(got)
}

func TestSSHEndsWithItsUser(t *testing.T) {
	for _, how := range []string{"deleted", "expired"} {
		_, m, c, _ := sshNode(t)
		hash, _ := bcrypt.GenerateFromPassword([]byte("pw"), bcrypt.MinCost)
		u := wire.NodeUser{Name: "temp", Login: true, PasswordHash: string(hash)}
		if how == "expired" {
			u.Expiry = ticks(time.Now().Add(1500 * time.Millisecond))
		}
		if _, _, err := c.stream(wire.Open{Kind: wire.StreamUserPut, User: &u}); err != nil {
			t.Fatal(err)
		}
		client, err := c.enter(t, "temp", ssh.Password("pw"))
		if err != nil {
			t.Fatal(err)
		}
		s := session(t, client)
		out, _ := s.StdoutPipe()
		if err := s.Start("set -m; trap '' HUP; sh -c 'trap \"\" HUP; sleep 1000' & echo $$ $!; wait"); err != nil {
			t.Fatal(err)
		}
		pids := strings.Fields(until(t, out, "\n"))
		if how == "deleted" {
			if _, _, err := c.stream(wire.Open{Kind: wire.StreamUserDelete, User: &wire.NodeUser{Name: "temp"}}); err != nil {
				t.Fatal(err)
			}
		}
		client.Wait()
		for _, pid := range pids {
			waitGone(t, pid)
		}
		if _, err := c.enter(t, "temp", ssh.Password("pw")); err == nil {
			t.Errorf("%s user may still log in", how)
		}
		if how == "deleted" && strings.Contains(read(t, m.root, "etc/passwd"), "temp") {
			t.Error("the deleted user is still in passwd")
		}
	}
}

func TestSSHDisconnectHangsUp(t *testing.T) {
	_, _, c, signer := sshNode(t)
	for _, terminal := range []bool{false, true} {
		client, err := c.enter(t, "dev", ssh.PublicKeys(signer))
		if err != nil {
			t.Fatal(err)
		}
		s := session(t, client)
		if terminal {
			if err := s.RequestPty("vt100", 24, 80, nil); err != nil {
				t.Fatal(err)
			}
		}
		out, _ := s.StdoutPipe()
		if err := s.Start("echo $$; exec sleep 1000"); err != nil {
			t.Fatal(err)
		}
		pid := until(t, out, "\n")
		client.Close()
		waitGone(t, pid)
	}
}

func TestSFTPRunsAsTheUser(t *testing.T) {
	_, m, c, signer := sshNode(t)
	client, err := c.enter(t, "dev", ssh.PublicKeys(signer))
	if err != nil {
		t.Fatal(err)
	}
	ft, err := sftp.NewClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer ft.Close()
	dir := filepath.Join(m.root, "up")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ft.Create(dir + "/f"); !os.IsPermission(err) {
		t.Errorf("root's folder: %v", err)
	}
	if err := os.Chown(dir, 2100, 2100); err != nil {
		t.Fatal(err)
	}
	f, err := ft.Create(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("sent")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := read(t, dir, "f"); got != "sent" {
		t.Errorf("got %q", got)
	}
}

func TestHostKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := hostKey(stateOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	again, err := hostKey(stateOf(t, dir))
	if err != nil || !bytes.Equal(first.PublicKey().Marshal(), again.PublicKey().Marshal()) {
		t.Errorf("another key: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, hostKeyName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// forward gives the node's SSH a TCP port, as the service does.
func forward(t *testing.T, c *call) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			raw, err := c.mux.OpenStream()
			if err != nil {
				conn.Close()
				return
			}
			s := wire.NewStream(raw)
			if _, err := s.Ask(wire.Open{Kind: wire.StreamSSH}); err != nil {
				conn.Close()
				return
			}
			go func() { io.Copy(s, conn); s.Close() }()
			go func() { io.Copy(conn, s); conn.Close() }()
		}
	}()
	return l.Addr().String()
}
