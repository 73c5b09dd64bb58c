package layer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"millpond/internal/fault"
)

// Local is the Worker that does its work in the calling process. The caller
// must be root there, of the machine or of a user namespace with ids 0 to 65535
// mapped: owners are written as they stand in the archive. It may be used by
// many goroutines; work on the same folder takes turns.
type Local struct {
	limits Limits
	locks  keyed
}

var _ Worker = (*Local)(nil)

// NewLocal makes a worker; Limits{} takes the defaults.
func NewLocal(limits Limits) *Local { return &Local{limits: limits.orDefaults()} }

// Suffixes of the half-done: work grows in NAME.part and appears by rename, and
// what goes away is renamed to NAME.gone first, so NAME is complete or absent.
const (
	partSuffix = ".part"
	goneSuffix = ".gone"
)

// The folders of a Disk.
const (
	upperDir = "upper"
	workDir  = "work"
	rootDir  = "root"
)

// Clone makes the folders of an empty disk; three calls to the kernel, nothing
// is copied. A disk that is there already is left as it is.
func (w *Local) Clone(_ context.Context, disk Disk) error {
	if err := mkdirs(disk.Path); err != nil {
		return err
	}
	for _, name := range []string{upperDir, workDir, rootDir} {
		if err := os.Mkdir(filepath.Join(disk.Path, name), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	// The upper folder's mode is the mode of the machine's / whatever our umask.
	return os.Chmod(filepath.Join(disk.Path, upperDir), 0o755)
}

// Mkdir makes dir and the parents it lacks, mode 0755.
func (w *Local) Mkdir(_ context.Context, dir string) error { return mkdirs(dir) }

func mkdirs(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755)
	}
	if errors.Is(err, os.ErrExist) {
		if st, e := os.Stat(dir); e == nil && st.IsDir() {
			return nil
		}
	}
	return err
}

// Remove deletes the tree at dir. It is renamed first, so that a crash half-way
// leaves no half tree under its name; a later Remove of it, or the store's
// Collect, ends the work.
func (w *Local) Remove(_ context.Context, dir string) error {
	if dir = filepath.Clean(dir); !filepath.IsAbs(dir) || dir == "/" {
		return fault.New("InvalidPath", "Only an absolute path below / can be removed.").With("path", dir)
	}
	defer w.locks.lock(dir)()
	gone := dir + goneSuffix
	if err := removeAll(gone); err != nil {
		return err
	}
	switch err := unix.Rename(dir, gone); {
	case err == nil:
		return removeAll(gone)
	case errors.Is(err, unix.ENOENT):
		return nil
	}
	return removeAll(dir)
}

// removeAll is os.RemoveAll that also gets into directories without permission
// bits, such as overlayfs's work/work (mode 000), when the caller is not root.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	for range 2 {
		if !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EPERM) {
			return err
		}
		// Errors of the walk are what the next attempt will meet and report.
		_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				_ = unix.Fchmodat(unix.AT_FDCWD, p, 0o700, 0)
			}
			return nil
		})
		err = os.RemoveAll(dir)
	}
	return err
}

// keyed is a mutex per name.
type keyed struct {
	mu   sync.Mutex
	held map[string]*keyedLock
}

type keyedLock struct {
	mu   sync.Mutex
	refs int
}

// lock waits for the name and returns what gives it back.
func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*keyedLock{}
	}
	l := k.held[name]
	if l == nil {
		l = &keyedLock{}
		k.held[name] = l
	}
	l.refs++
	k.mu.Unlock()
	l.mu.Lock()
	return func() {
		l.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.refs--; l.refs == 0 {
			delete(k.held, name)
		}
	}
}
