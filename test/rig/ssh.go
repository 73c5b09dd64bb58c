package rig

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Key is a fresh SSH key.
type Key struct {
	Public string // a line of an authorized_keys file
	signer ssh.Signer
}

// NewKey makes a key.
func NewKey(tb testing.TB) Key {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), signer: signer}
}

// Auth is how the key proves itself.
func (k Key) Auth() ssh.AuthMethod { return ssh.PublicKeys(k.signer) }

// Shell is an SSH connection.
type Shell struct {
	tb testing.TB
	*ssh.Client
}

// Login opens an SSH connection.
func Login(address, user string, auth ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, Timeout: 20 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a machine of this very test
	})
}

// SSH opens an SSH connection that must be let in; it is closed with the test.
func SSH(tb testing.TB, address, user string, auth ssh.AuthMethod) *Shell {
	tb.Helper()
	c, err := Login(address, user, auth)
	if err != nil {
		tb.Fatalf("ssh %s@%s: %v", user, address, err)
	}
	tb.Cleanup(func() { c.Close() })
	return &Shell{tb, c}
}

// Try runs a command with input on its stdin and gives its stdout and stderr
// as one.
func (s *Shell) Try(command, input string) (string, error) {
	session, err := s.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	session.Stdin = strings.NewReader(input)
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

// Run runs a command that must succeed.
func (s *Shell) Run(command string) string {
	s.tb.Helper()
	out, err := s.Try(command, "")
	if err != nil {
		s.tb.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// RemoteLogin is where SSH reaches a node.
func (s *Server) RemoteLogin(pool, node string) string {
	s.tb.Helper()
	var got struct {
		IP   string `json:"remoteLoginIPAddress"`
		Port int    `json:"remoteLoginPort"`
	}
	s.Do("GET", "/pools/"+pool+"/nodes/"+node+"/remoteloginsettings", nil, &got)
	return net.JoinHostPort(got.IP, fmt.Sprint(got.Port))
}
