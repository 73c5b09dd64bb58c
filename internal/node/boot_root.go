package node

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// mountClone mounts the machine's root over Disk/root, in this process's own
// mount namespace: in the node host's every later clone would have to copy it.
// The layers are named relative to LowerRoot because all options must fit in a
// page; userxattr because only user.overlay.* can be written in a user namespace.
func mountClone(boot wire.Boot) error {
	if err := unix.Chdir(boot.LowerRoot); err != nil {
		return fmt.Errorf("boot: layers %s: %w", boot.LowerRoot, err)
	}
	lower := make([]string, len(boot.Lower))
	for i, dir := range boot.Lower {
		lower[i] = escapeOption(dir)
	}
	options := "userxattr,lowerdir=" + strings.Join(lower, ":") +
		",upperdir=" + escapeOption(filepath.Join(boot.Disk, "upper")) +
		",workdir=" + escapeOption(filepath.Join(boot.Disk, "work"))
	if err := unix.Mount("overlay", filepath.Join(boot.Disk, "root"), "overlay", 0, options); err != nil {
		return fmt.Errorf("boot: mount overlay of %d layers on %s: %w", len(boot.Lower), boot.Disk, err)
	}
	return nil
}

// escapeOption writes a path so that overlayfs's option parser reads it back.
func escapeOption(path string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}

// pivot makes root the root of the machine. The outer root lies stacked below
// it until leave; it is returned as a descriptor and is the working directory,
// so that "dev/null" is the outer one and "/dev/null" the machine's.
func pivot(root string) (outer int, err error) {
	outer, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("boot: open the outer root: %w", err)
	}
	if err := unix.Chdir(root); err != nil {
		return -1, fmt.Errorf("boot: enter %s: %w", root, err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return -1, fmt.Errorf("boot: pivot into %s: %w", root, err)
	}
	if err := unix.Fchdir(outer); err != nil {
		return -1, fmt.Errorf("boot: outer root: %w", err)
	}
	return outer, nil
}

// leave drops the outer root; nothing of it can be named from here on.
func leave(outer int) error {
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("boot: detach the outer root: %w", err)
	}
	unix.Close(outer)
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	return nil
}
