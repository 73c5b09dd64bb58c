package node

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runClient runs a program of the machine the tests are on. It goes through the
// agent's own launcher, because in this process only that may wait for children.
func runClient(t *testing.T, env []string, argv ...string) (int, string) {
	t.Helper()
	program, ok := findProgram(argv[0], defaultPath, "/")
	if !ok {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", argv[0])
		}
		t.Skipf("%s is not installed", argv[0])
	}
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	null, err := openNull()
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := kids.start(program, argv, &syscall.ProcAttr{
		Dir: "/", Env: append([]string{"PATH=" + defaultPath, "HOME=" + t.TempDir()}, env...),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
	}, false, true)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		kids.signal(p, syscall.SIGKILL)
		t.Errorf("%q does not end", argv)
	}
	return p.exitCode(), read(t, out.Name())
}

// The OpenSSH client as users have it: password, key, terminal, scp, sftp.
func TestOpenSSHClient(t *testing.T) {
	_, m, c, _ := sshNode(t)
	_, line, private := sshKey(t)
	boss, _ := m.accounts.login("boss", time.Now())
	boss.SSHKeys = []string{line}
	if err := m.putUser(boss.NodeUser, false); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(forward(t, c))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, private, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := filepath.Join(dir, "ask")
	write(t, ask, "#!/bin/sh\necho pw\n")
	if err := os.Chmod(ask, 0o700); err != nil {
		t.Fatal(err)
	}
	common := []string{
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + dir + "/known", "-o", "IdentitiesOnly=yes", "-F", "none",
	}
	byPassword := []string{"SSH_ASKPASS=" + ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=x"}
	ssh := append([]string{"ssh", "-p", port}, common...)

	code, out := runClient(t, byPassword, append(ssh, "dev@"+host, "id -u; exit 9")...)
	if code != 9 || !strings.Contains(out, "\n2100\n") {
		t.Errorf("password: %d %q", code, out)
	}
	code, out = runClient(t, nil, append(ssh, "-i", key, "-o", "BatchMode=yes", "boss@"+host, "id -u; cat /proc/1/comm")...)
	if code != 0 || !strings.HasPrefix(out, "0\n") {
		t.Errorf("key: %d %q", code, out)
	}
	code, out = runClient(t, nil, append(ssh, "-i", key, "-o", "BatchMode=yes", "-tt", "boss@"+host, "tty; exit 4")...)
	if code != 4 || !strings.Contains(out, "/dev/pts/") {
		t.Errorf("terminal: %d %q", code, out)
	}
	code, out = runClient(t, nil, append(ssh, "-i", key, "-o", "BatchMode=yes", "dev@"+host, "true")...)
	if code != 255 || !strings.Contains(out, "Permission denied") {
		t.Errorf("somebody else's key: %d %q", code, out)
	}
	sent := filepath.Join(m.root, "tasks/shared/sent")
	scp := append([]string{"scp", "-P", port, "-i", key, "-o", "BatchMode=yes"}, common...)
	if code, out = runClient(t, nil, append(scp, ask, "boss@"+host+":"+sent)...); code != 0 || read(t, sent) != read(t, ask) {
		t.Errorf("scp: %d %q", code, out)
	}
}
