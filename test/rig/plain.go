package rig

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The ordinary user of rootless runs. He exists in the run's own copies of
// /etc/passwd and /etc/subuid only, so the computer is left as it was.
const (
	plainUser = "millpond-whole"
	plainID   = 54322
	plainSubs = 400000
)

// PlainUser prepares a server that an ordinary user starts: the setup's Data
// folder belongs to him, and self, the test's own program, becomes him when it
// is started with "become-plain-user" and hands the rest to BecomePlainUser. As
// an ordinary user it changes nothing.
func PlainUser(tb testing.TB, self string) Setup {
	tb.Helper()
	if os.Geteuid() != 0 {
		return Setup{}
	}
	dir, err := os.MkdirTemp("", "millpond-plain-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	home := filepath.Join(dir, "home")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(home, 0o711), os.Chown(home, plainID, plainID)); err != nil {
		tb.Fatal(err)
	}
	// The programs may lie where only root can go.
	bin := Binary(tb)
	for _, name := range []string{"millpond", "millpond-node"} {
		if err := copyProgram(filepath.Join(filepath.Dir(bin), name), filepath.Join(dir, name)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := copyProgram(self, filepath.Join(dir, "self")); err != nil {
		tb.Fatal(err)
	}
	return Setup{
		Via: []string{filepath.Join(dir, "self"), "become-plain-user"}, Bin: filepath.Join(dir, "millpond"),
		Data: filepath.Join(home, "data"), Run: "/tmp", Cloneflags: syscall.CLONE_NEWNS,
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=" + plainUser},
	}
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755) //nolint:gosec // another user runs it
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// BecomePlainUser puts the user into copies of the files that say who exists,
// becomes him and runs the command. It comes back only with an error. The
// process must have been started in a mount namespace of its own (Setup.Cloneflags):
// unshare would speak for one thread only, and the next mount may be another's.
func BecomePlainUser(command []string) error {
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid())); err != nil || ours == theirs {
		return fmt.Errorf("this process shares its mounts with its parent: %w", err)
	}
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
		if err := coverWithCopy(file, line); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(plainID, plainID, plainID), syscall.Setresuid(plainID, plainID, plainID)); err != nil {
		return err
	}
	return syscall.Exec(command[0], command, os.Environ())
}

// coverWithCopy covers file, in this mount namespace, with a copy that has one
// more line.
func coverWithCopy(file, line string) error {
	text, err := os.ReadFile(file)
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
