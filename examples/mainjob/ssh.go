package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const adminUser = "azureuser"

// keyPair is the SSH key of this run.
type keyPair struct {
	path   string // private key, as `ssh -i` takes it
	public string // one line of an authorized_keys file
	signer ssh.Signer
}

func newKeyPair(dir string) (keyPair, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return keyPair{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "mainjob")
	if err != nil {
		return keyPair{}, err
	}
	k := keyPair{path: filepath.Join(dir, "id_ed25519"), signer: signer,
		public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " mainjob"}
	return k, os.WriteFile(k.path, pem.EncodeToMemory(block), 0o600)
}

// dial opens an SSH connection as the administrator.
func (k keyPair) dial(ctx context.Context, address string) (*ssh.Client, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: adminUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(k.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a machine made a second ago, on this host
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// remote runs a command over SSH, input on its stdin, and gives its stdout; the error holds what it wrote.
func remote(ctx context.Context, client *ssh.Client, command string, input io.Reader) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	var out, all bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = input, io.MultiWriter(&out, &all), &all
	if err := session.Run(command); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		text := strings.TrimSpace(all.String())
		return "", fmt.Errorf("%s: %w: %s", command, err, text[max(0, len(text)-2000):])
	}
	return strings.TrimSpace(out.String()), nil
}
