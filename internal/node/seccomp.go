package node

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Values of <linux/seccomp.h> and <linux/audit.h> that x/sys does not name.
const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000

	offsetNumber = 0  // struct seccomp_data: nr
	offsetArch   = 4  // arch
	offsetArg0   = 16 // low half of args[0] on a little-endian machine

	cloneNewMask = 0x7e020000 // every CLONE_NEW* that clone takes
)

// deniedCalls are refused with EPERM to everything that is not elevated. They
// load code into the kernel, change the machine's view of files, time or keys,
// or have a record of holes; a program that computes needs none of them.
// ptrace stays: it reaches only processes of the same user, and debuggers live
// by it.
var deniedCalls = []uint32{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
	unix.SYS_REBOOT, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_ACCT, unix.SYS_SYSLOG,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_SETNS, unix.SYS_VHANGUP,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
}

// seccompFilter builds the program: a foreign architecture gets ENOSYS for
// everything, clone3 gets ENOSYS (its flags lie in memory a filter cannot read;
// libc then falls back to clone), clone and unshare are refused new namespaces,
// the calls of deniedCalls are refused, the rest passes.
func seccompFilter() []unix.SockFilter {
	const (
		load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		jset = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K
	)
	deny := unix.SockFilter{Code: ret, K: seccompErrno | uint32(unix.EPERM)}
	absent := unix.SockFilter{Code: ret, K: seccompErrno | uint32(unix.ENOSYS)}
	allow := unix.SockFilter{Code: ret, K: seccompAllow}

	p := []unix.SockFilter{
		{Code: load, K: offsetArch},
		{Code: jeq, K: auditArch, Jt: 1}, absent,
		{Code: load, K: offsetNumber},
		{Code: jge, K: foreignNumbers, Jf: 1}, absent,
		{Code: jeq, K: unix.SYS_CLONE3, Jf: 1}, absent,
		{Code: jeq, K: unix.SYS_CLONE, Jt: 1},
		{Code: jeq, K: unix.SYS_UNSHARE, Jf: 4},
		{Code: load, K: offsetArg0},
		{Code: jset, K: cloneNewMask, Jf: 1}, deny,
		allow,
	}
	for _, call := range append(deniedCalls, deniedHere...) {
		p = append(p, unix.SockFilter{Code: jeq, K: call, Jf: 1}, deny)
	}
	return append(p, allow)
}

// confine takes from the calling thread, and from every process it starts, what
// only an elevated task may have: no program gains rights by exec, no
// capability can come back, and the filter stands. The thread keeps its own
// permitted capabilities, which it needs to become the task's user.
func confine() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		// EINVAL: a capability this kernel does not know. EPERM: the node host
		// took CAP_SETPCAP; no_new_privs below is what counts then.
		if err != nil && err != unix.EINVAL && err != unix.EPERM {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := seccompFilter()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}
