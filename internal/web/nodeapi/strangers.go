package nodeapi

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// strangersEach is how many connections of one machine may be open before they
// said hello, and how many it may open in a strangersHold. An agent needs one; a
// task with root's rights in its node, which can reach the socket too, must not
// use up the service's descriptors, nor fill its store with hellos.
const strangersEach = 64

// strangersUnseen is the same for all machines together that cannot be told
// apart.
const strangersUnseen = 4096

// strangersHold is how long a connection takes up its place at the least.
const strangersHold = time.Second

// strangers counts the connections that have not said hello, by machine.
type strangers struct {
	mu sync.Mutex
	by map[uint64]int
}

// enter counts a connection, and gives what takes it off again; false when its
// machine has too many.
func (s *strangers) enter(conn net.Conn) (leave func(), ok bool) {
	from, most := machineOf(conn), strangersEach
	if from == 0 {
		most = strangersUnseen
	}
	came := time.Now() // of the machine's clock, as deadlines are
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint64]int{}
	}
	if s.by[from] >= most {
		return nil, false
	}
	s.by[from]++
	return sync.OnceFunc(func() {
		time.AfterFunc(time.Until(came.Add(strangersHold)), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.by[from]--; s.by[from] == 0 {
				delete(s.by, from)
			}
		})
	}), true
}

// machineOf tells machines apart by the pid namespace of the peer; 0 stands for
// all whose namespace cannot be seen.
func machineOf(conn net.Conn) uint64 {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return 0
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return 0
	}
	return pidNamespace(int(peer.Pid))
}

// levels is how deep below this process's pid namespace a machine's lies: the
// node host's is the first, the machine's the second. Deeper ones are of the
// machine's own making and count as the machine.
const levels = 2

// pidNamespace gives the inode of the process's pid namespace, or of the one
// above it that is levels below ours.
func pidNamespace(pid int) uint64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return 0
	}
	const nsGetParent = 0xb702 // NS_GET_PARENT of <linux/nsfs.h>
	var line []uint64          // the process's own namespace first, ours last
	for {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			f.Close()
			return 0
		}
		line = append(line, st.Ino)
		parent, err := unix.IoctlRetInt(int(f.Fd()), nsGetParent)
		f.Close()
		if err != nil { // EPERM: what is above ours is not shown
			break
		}
		f = os.NewFile(uintptr(parent), "pid namespace")
	}
	return line[max(0, len(line)-1-levels)]
}
