package layer

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inUserns runs the calling test again, alone, as root of a new user and mount
// namespace with ids 0 to 65535 mapped to 100000 and up: where provider/local
// runs a Worker. It returns false in that child, where the test's body goes on,
// and true in the parent when the child has succeeded.
//
// It needs real root. Without it the test is skipped, or fails under CI=true.
func inUserns(t *testing.T) (done bool) {
	t.Helper()
	if os.Getenv("LAYER_TEST_USERNS") == "1" {
		return false
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the test needs root to make a shifted user namespace")
		}
		t.Skip("needs root to make a shifted user namespace")
	}
	dir, err := os.MkdirTemp("", "layer-userns-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chown(dir, 100000, 100000); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	// By descriptor: the test binary lies in a folder only its owner may enter.
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-rapid.nofailfile")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LAYER_TEST_USERNS=1", "TMPDIR="+dir)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings:                ids,
		GidMappings:                ids,
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{},
		Pdeathsig:                  syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in the user namespace: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("the test did not run in the user namespace:\n%s", out)
	}
	return true
}

func shell(dir, script string) ([]byte, error) {
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}
