package node

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"
)

const (
	hostKeyName = "ssh_host_ed25519_key" // in the node's state folder: a reboot keeps it, a capture never holds it
	loginGrace  = time.Minute
)

var (
	errNoLogin  = errors.New("ssh: no such login")
	errBadLogin = errors.New("ssh: wrong password or key")
)

// sshServer lets users into the machine over streams of the session; the image
// needs no sshd and the machine no port. A session of an ordinary user runs as
// that user; one of an administrator has uid 0 under the account's name, home
// and shell, so that apt works where an image has no sudo. Port, agent and X11
// forwarding are refused.
//
// A session ends when its user is deleted or expires: SIGHUP, then SIGKILL to
// every process of the login session.
type sshServer struct {
	mu     sync.Mutex
	config *ssh.ServerConfig
	logins map[*sshLogin]bool
}

// sshLogin is one authenticated connection.
type sshLogin struct {
	account account
	cred    credential
	conn    *ssh.ServerConn
	mu      sync.Mutex
	ended   bool
	procs   map[*process]bool
}

func (a *agent) serveSSH(c net.Conn) {
	defer c.Close()
	config, err := a.sshConfig()
	if err != nil {
		fmt.Fprintln(os.Stderr, "millpond-node: ssh:", err)
		return
	}
	_ = c.SetDeadline(time.Now().Add(loginGrace)) // a yamux stream always takes one
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return // a client that gave up or was refused; it knows why
	}
	_ = c.SetDeadline(time.Time{})
	defer conn.Close()
	acc, ok := a.accounts.login(conn.User(), time.Now())
	if !ok {
		return
	}
	login := &sshLogin{account: acc, cred: a.accounts.credentialOf(acc), conn: conn, procs: map[*process]bool{}}
	a.ssh.enter(login)
	defer a.ssh.leave(login)
	if _, still := a.accounts.login(conn.User(), time.Now()); !still {
		return // deleted between the check and the entry above
	}
	if acc.Expiry != 0 {
		timer := time.AfterFunc(time.Duration(acc.Expiry-ticksNow())*100, login.end)
		defer timer.Stop()
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			channel, reqs, err := ch.Accept()
			if err != nil {
				return
			}
			go login.serve(channel, reqs)
		case "direct-tcpip", "direct-streamlocal@openssh.com":
			_ = ch.Reject(ssh.Prohibited, "port forwarding is not offered by Millpond nodes")
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "only session channels are offered")
		}
	}
}

func (s *sshServer) enter(l *sshLogin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logins == nil {
		s.logins = map[*sshLogin]bool{}
	}
	s.logins[l] = true
}

func (s *sshServer) leave(l *sshLogin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, l)
}

// endUser ends every session of a user and returns when they are over.
func (s *sshServer) endUser(name string) {
	var ends sync.WaitGroup
	s.mu.Lock()
	for l := range s.logins {
		if l.account.Name == name {
			ends.Go(l.end)
		}
	}
	s.mu.Unlock()
	ends.Wait()
}

// sshConfig makes the server's settings and its host key at first use.
func (a *agent) sshConfig() (*ssh.ServerConfig, error) {
	s := &a.ssh
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config != nil {
		return s.config, nil
	}
	key, err := hostKey(a.state)
	if err != nil {
		return nil, err
	}
	s.config = &ssh.ServerConfig{
		ServerVersion:     "SSH-2.0-millpond",
		PasswordCallback:  a.checkPassword,
		PublicKeyCallback: a.checkKey,
	}
	s.config.AddHostKey(key)
	return s.config, nil
}

// checkPassword takes bcrypt hashes only; another kind of crypt(3) string never
// matches.
func (a *agent) checkPassword(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	acc, ok := a.accounts.login(conn.User(), time.Now())
	if !ok || acc.PasswordHash == "" {
		return nil, errNoLogin
	}
	if bcrypt.CompareHashAndPassword([]byte(acc.PasswordHash), password) != nil {
		return nil, errBadLogin
	}
	return nil, nil
}

func (a *agent) checkKey(conn ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
	acc, ok := a.accounts.login(conn.User(), time.Now())
	if !ok {
		return nil, errNoLogin
	}
	for _, line := range acc.SSHKeys {
		// A value may be a whole authorized_keys file.
		for rest := []byte(line); len(rest) > 0; {
			key, _, _, next, err := ssh.ParseAuthorizedKey(rest)
			if err != nil {
				break
			}
			if bytes.Equal(key.Marshal(), offered.Marshal()) {
				return nil, nil
			}
			rest = next
		}
	}
	return nil, errBadLogin
}

// hostKey reads the machine's key, or makes it.
func hostKey(state *os.Root) (ssh.Signer, error) {
	data, err := state.ReadFile(hostKeyName)
	if err == nil {
		return ssh.ParsePrivateKey(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := state.WriteFile(hostKeyName, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}
