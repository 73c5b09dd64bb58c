package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The ordinary user of the rootless run. He exists in the run's own copies of
// /etc/passwd and /etc/subuid only, so the computer is left as it was.
const (
	plainUser = "millpond-test"
	plainID   = 54321
	plainSubs = 300000
)

// rootlessCases are what an ordinary user must have: the whole promise of a
// provider, confinement, and a killed node host.
const rootlessCases = "^(TestSuite|TestRootOfAMachineIsConfined|TestMachineHasWhatLinuxExpects|TestLowerDirectoriesChange|TestKilledHost|TestCheckHere)$"

func TestRootless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("this run is an ordinary user's: every test here is a rootless one")
		return
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("newuidmap is missing: apt-get install uidmap")
		}
		t.Skip("newuidmap is missing: apt-get install uidmap")
	}
	dir, err := os.MkdirTemp("", "millpond-rootless-") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, agent := filepath.Join(dir, "local.test"), filepath.Join(dir, "testagent")
	for to, from := range map[string]string{program: os.Args[0], agent: testAgent} {
		if err := copyFile(from, to); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "home")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(home, 0o700), os.Chown(home, plainID, plainID)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "become-plain-user", program, "-test.v", "-test.run", rootlessCases)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "USER=" + plainUser,
		"CI=" + os.Getenv("CI"), "MILLPOND_TEST_AGENT=" + agent,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// becomePlainUser runs in a mount namespace of its own: it puts the user into
// copies of the files that say who exists, becomes him and runs the command.
func becomePlainUser(command []string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return err
	}
	id := strconv.Itoa(plainID)
	for file, line := range map[string]string{
		"/etc/passwd": plainUser + ":x:" + id + ":" + id + "::/:/bin/sh\n",
		"/etc/group":  plainUser + ":x:" + id + ":\n",
		"/etc/subuid": fmt.Sprintf("%s:%d:65536\n", plainUser, plainSubs),
		"/etc/subgid": fmt.Sprintf("%s:%d:65536\n", plainUser, plainSubs),
	} {
		if err := appendCopy(file, line); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(plainID, plainID, plainID), syscall.Setresuid(plainID, plainID, plainID)); err != nil {
		return err
	}
	return syscall.Exec(command[0], command, os.Environ())
}

// appendCopy covers file, in this mount namespace, with a copy that has one
// more line.
func appendCopy(file, line string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("needed to be covered: %w", err)
	}
	if err != nil {
		return err
	}
	made, err := os.CreateTemp("/dev/shm", "millpond-etc-")
	if err != nil {
		return err
	}
	defer os.Remove(made.Name()) // the mount keeps it
	_, err = made.Write(append(text, line...))
	if err = errors.Join(err, made.Chmod(0o644), made.Close()); err != nil {
		return err
	}
	return syscall.Mount(made.Name(), file, "", syscall.MS_BIND, "")
}
