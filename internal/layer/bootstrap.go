package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"

	"millpond/internal/fault"
)

// suiteName is what a suite, and a package, may be called: nothing that a
// command could take for an option or a path.
var suiteName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*$`)

// Bootstrap makes a base layer of a distribution's smallest set of packages
// (variant minbase) with mmdebstrap or else debootstrap, and writes their
// progress to log. Which mirror is this machine's apt's business: where its own
// sources speak of the suite they are used, else the tool's default. Errors:
// ToolMissing, or BootstrapFailed with the end of the tool's output.
//
// Device nodes are not made, so that it works as root of a user namespace too:
// a machine binds its own. The layer has no /etc/resolv.conf and no
// /etc/hostname; those are the running machine's.
func (w *Local) Bootstrap(ctx context.Context, suite, blobs string, log io.Writer) (Layer, error) {
	if !suiteName.MatchString(suite) {
		return Layer{}, fault.New("InvalidSuite", "A suite is named in lower-case letters, digits, '.', '+' and '-', such as bookworm.").With("suite", suite)
	}
	if log == nil {
		log = io.Discard
	}
	// The tools' own folder lies here and not in /tmp, which may forbid programs
	// or be small, and a run that was killed is swept by the next.
	dir := filepath.Join(blobs, ".bootstrap")
	defer w.locks.lock(dir)()
	if err := removeAll(dir); err != nil {
		return Layer{}, err
	}
	if err := mkdirs(dir); err != nil {
		return Layer{}, err
	}
	defer func() { _ = removeAll(dir) }()
	if tool, err := exec.LookPath("mmdebstrap"); err == nil {
		args := append([]string{"--mode=root", "--variant=minbase", "--skip=output/mknod", suite, "-"}, machineSources(suite)...)
		cmd := exec.CommandContext(ctx, tool, args...)
		prepare(cmd, dir)
		return tarCommand(ctx, cmd, blobs, w.limits, log)
	}
	if tool, err := exec.LookPath("debootstrap"); err == nil {
		return w.debootstrap(ctx, tool, suite, dir, blobs, log)
	}
	return Layer{}, fault.New("ToolMissing", "Making a base image needs mmdebstrap or debootstrap, and neither is installed.")
}

// tarCommand stores the archive a command writes to its output as a layer.
func tarCommand(ctx context.Context, cmd *exec.Cmd, blobs string, limits Limits, log io.Writer) (Layer, error) {
	tail := &lastBytes{max: 2000}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Layer{}, err
	}
	cmd.Stderr = io.MultiWriter(log, tail)
	if err := cmd.Start(); err != nil {
		return Layer{}, err
	}
	// The layer is stored only if the command succeeds: its exit is read before
	// the archive's end is.
	l, err := putArchive(ctx, &untilExit{out: out, cmd: cmd}, blobs, limits)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if ctx.Err() != nil {
			return Layer{}, ctx.Err()
		}
		return Layer{}, fault.Newf("BootstrapFailed", "%s failed: %s", filepath.Base(cmd.Path), tail.buf).Because(err)
	}
	return l, nil
}

// prepare gives the command namespaces of its own, so that what it mounts
// (/proc of its chroot) and starts (daemons of packages) ends with it, and dir
// for its temporary files and as its home.
func prepare(cmd *exec.Cmd, dir string) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // private, unlike with Cloneflags
		Pdeathsig:    syscall.SIGKILL,
	}
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "TMPDIR="+dir, "HOME="+dir)
}

// untilExit ends with the command's error instead of io.EOF when it failed.
type untilExit struct {
	out io.Reader
	cmd *exec.Cmd
}

func (u *untilExit) Read(p []byte) (int, error) {
	n, err := u.out.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		if werr := u.cmd.Wait(); werr != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Base(u.cmd.Path), werr)
		}
	}
	return n, err
}

// machineSources are the files of this machine's apt that belong to its
// distribution and speak of the suite, given to the tool as they are.
func machineSources(suite string) []string {
	word := regexp.MustCompile(`(?m)^(deb|Suites:).*\s` + regexp.QuoteMeta(suite) + `(\s|$)`)
	var found []string
	for _, name := range []string{
		"/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list.d/ubuntu.sources",
	} {
		if text, err := os.ReadFile(name); err == nil && word.Match(bytes.ReplaceAll(text, []byte("\r"), nil)) {
			found = append(found, name)
		}
	}
	return found
}

// debootstrap unpacks into a disk's upper part, which then becomes the layer.
func (w *Local) debootstrap(ctx context.Context, tool, suite, dir, blobs string, log io.Writer) (Layer, error) {
	disk := Disk{Path: filepath.Join(dir, "disk")}
	if err := w.Clone(ctx, disk); err != nil {
		return Layer{}, err
	}
	tail := &lastBytes{max: 2000}
	cmd := exec.CommandContext(ctx, tool, "--variant=minbase", suite, filepath.Join(disk.Path, upperDir))
	cmd.Stdout = io.MultiWriter(log, tail)
	cmd.Stderr = cmd.Stdout
	prepare(cmd, dir)
	// Its own word for "do not make device nodes, bind them".
	cmd.Env = append(cmd.Env, "container=lxc")
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Layer{}, ctx.Err()
		}
		return Layer{}, fault.Newf("BootstrapFailed", "debootstrap failed: %s", tail.buf).Because(err)
	}
	// What it bound over in dev are empty files now; the rest it took from this
	// machine or left lying about, where mmdebstrap cleans up.
	dev := filepath.Join(disk.Path, upperDir, "dev")
	if err := errors.Join(removeAll(dev), mkdirs(dev)); err != nil {
		return Layer{}, err
	}
	return w.Diff(ctx, disk, blobs, []string{
		"debootstrap", "etc/hostname", "etc/resolv.conf", "var/cache/apt/archives", "var/lib/apt/lists",
	})
}

// lastBytes keeps the end of what is written.
type lastBytes struct {
	max int
	buf []byte
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p...)
	if extra := len(l.buf) - l.max; extra > 0 {
		l.buf = append(l.buf[:0], l.buf[extra:]...)
	}
	return len(p), nil
}
