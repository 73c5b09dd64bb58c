package node

import (
	"os"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo terminal. The master is left to the runtime's
// poller: a blocking descriptor would hold a thread for each session, and
// closing it would not end a read.
func openTerminal() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	err = control(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		// Asked of the master itself, so that it does not matter where, or
		// whether, this devpts is mounted.
		peer, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if e != 0 {
			return e
		}
		slave = os.NewFile(peer, "terminal")
		return nil
	})
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

func resize(tty *os.File, w windowChange) error {
	return control(tty, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{
			Row: uint16(w.Rows), Col: uint16(w.Columns), Xpixel: uint16(w.Xpix), Ypixel: uint16(w.Ypx),
		})
	})
}

// control runs f on the descriptor; File.Fd would make it blocking.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
