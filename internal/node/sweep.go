package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// sweep makes a virtual machine fit for capture, as Azure's agent does for
// `-deprovision+user`: what belongs to this one machine goes (machine-id, SSH
// host keys, the users that were added, with their homes), and what is written
// is on disk. Sessions of the users end. Azure leaves the rest to the owner of
// the machine, and so do we.
func (a *agent) sweep() error {
	if a.boot.Role != wire.RoleVM {
		return refuse("OperationNotAllowed", "Only a virtual machine can be generalized.")
	}
	for _, name := range a.accounts.names() {
		a.ssh.endUser(name)
	}
	if err := a.accounts.sweep(); err != nil {
		return err
	}
	keys, err := filepath.Glob(filepath.Join(a.root, "etc/ssh/ssh_host_*"))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := os.Remove(key); err != nil {
			return err
		}
	}
	for _, file := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		// Empty, not absent: an empty one is filled at the next start.
		err := os.Truncate(filepath.Join(a.root, file), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	top, err := os.Open(a.root)
	if err != nil {
		return err
	}
	defer top.Close()
	return unix.Syncfs(int(top.Fd()))
}

// sweep removes every trace of the accounts the agent made.
func (a *accounts) sweep() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	etc, err := readEtc(a.root)
	if err != nil {
		return err
	}
	gone := a.named
	a.named = map[string]*account{}
	for name, acc := range gone {
		if !acc.Made {
			continue
		}
		etc.drop(name)
		if err := os.RemoveAll(filepath.Join(a.root, acc.Home)); err != nil {
			return err
		}
	}
	etc.dropOurs()
	if err := etc.save(a.root); err != nil {
		return err
	}
	a.ready = false
	return os.RemoveAll(filepath.Dir(filepath.Join(a.root, accountsFile)))
}
