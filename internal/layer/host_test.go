package layer

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A machine of the host image runs the host's programs and sees nothing of who
// may enter the host.
func TestHostImageRuns(t *testing.T) {
	if inUserns(t) {
		return
	}
	p := newPlace(t)
	l, err := HostLayer(t.Context(), p.blobs)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := HostLayer(t.Context(), p.blobs); err != nil || again != l {
		t.Errorf("a second host layer is %v (%v), want %v", again, err, l)
	}
	tree := p.ensure(t, Stack{l})
	if len(tree.Binds) == 0 || tree.Binds[0] != "/usr" {
		t.Fatalf("binds %v, want /usr", tree.Binds)
	}
	root, unmount := mountOverlay(t, tree, p.disk(t))
	defer unmount()
	for _, b := range tree.Binds {
		if err := unix.Mount(b, root+b, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			t.Fatalf("bind %s: %v", b, err)
		}
		defer func() { _ = unix.Unmount(root+b, unix.MNT_DETACH) }()
	}
	sh(t, root, `chroot . /bin/sh -euc '
		. /etc/os-release; test -n "$ID"
		test "$(id -un)" = root; test "$(id -un 65534)" = nobody
		ls -ld /tmp | grep -q ^drwxrwxrwt
		test "$(stat -c %a /root)" = 700
		awk "BEGIN { print 1 }" | grep -q 1
		touch /var/tmp/x /home/y'`)
	shadow, err := os.ReadFile(root + "/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(shadow)) {
		if !strings.Contains(line, ":*:") {
			t.Errorf("an account can log in: %s", line)
		}
	}
	for _, secret := range []string{"/etc/ssh", "/etc/ssl/private", "/etc/sudoers", "/etc/krb5.keytab", "/etc/apt"} {
		if _, err := os.Lstat(root + secret); err == nil {
			t.Errorf("%s is in the host image", secret)
		}
	}
}
