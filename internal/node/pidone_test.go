package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// pidOneArgument makes the test binary an agent that is PID 1, as in a machine.
const pidOneArgument = "pid-one"

func servePidOne(base, socket string) int {
	tune()
	unignore()
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("proc", "/proc", "proc", 0, "")
	}
	var state *os.Root
	if err == nil {
		state, err = os.OpenRoot(filepath.Join(base, "state"))
	}
	if err == nil {
		var a *agent
		boot := wire.Boot{NodeUID: "node-uid", BootID: "boot-1", Role: wire.RoleNode}
		if a, err = newAgent(boot, base, filepath.Join(base, "tasks"), socket, state); err == nil {
			return a.serve()
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return exitBroken
}

// startPidOne starts an agent in a process and pid namespace of its own.
func startPidOne(t testing.TB, s *service, base string) *process {
	t.Helper()
	fillRoot(t, base)
	null, err := openNull()
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := kids.start("/proc/self/exe", []string{"agent", pidOneArgument, base, s.socket}, &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), 2, 2}, Env: []string{"PATH=" + defaultPath},
		Sys: &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS},
	}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kids.signal(p, syscall.SIGKILL); <-p.done })
	return p
}

func TestPidOneBuriesOrphans(t *testing.T) {
	s := newService(t)
	dir := base(t)
	startPidOne(t, s, dir)
	c := s.call()
	// Forty orphans die before and after their parent does.
	orphans := shell("orphans", "i=0; while [ $i -lt 20 ]; do (setsid sh -c 'exit 1' &); (setsid sleep 0.05 &); i=$((i+1)); done")
	c.send(wire.Frame{Assign: []wire.Task{orphans}})
	if end := c.end(); end.Failure != nil {
		t.Fatalf("%+v", end.Failure)
	}
	// One more task watches until none of them is left, dead or alive.
	watch := shell("watch", "while grep -sqE '^[0-9]+ \\(.*\\) Z|^[0-9]+ \\(sleep\\) [A-Z] 1 ' /proc/[0-9]*/stat; do :; done")
	watch.User.Admin = true
	c.send(wire.Frame{Assign: []wire.Task{watch}})
	if end := c.end(); end.Failure != nil && *end.ExitCode != 0 {
		t.Errorf("%+v", end.Failure)
	}
}

func TestAgentKilledAndStartedAgain(t *testing.T) {
	s := newService(t)
	dir := base(t)
	p := startPidOne(t, s, dir)
	c := s.call()
	c.send(wire.Frame{Assign: []wire.Task{shell("a", "echo ran >> "+dir+"/tasks/shared/witness; exec sleep 1000")}})
	started := c.report()
	waitFile(t, dir+"/tasks/shared/witness")
	kids.signal(p, syscall.SIGKILL)
	<-p.done
	startPidOne(t, s, dir)
	c = s.call()
	if len(c.hello.Held) != 1 || !c.hello.Held[0].Ended {
		t.Errorf("held %+v", c.hello.Held)
	}
	end := c.end()
	if end.Failure == nil || end.Failure.Code != wire.FailLost || end.Started != started.At {
		t.Errorf("%+v %+v", end, end.Failure)
	}
	again := shell("a", "echo ran >> "+dir+"/tasks/shared/witness")
	again.Attempt = 2
	c.send(wire.Frame{Ack: end.Seq})
	c.send(wire.Frame{Assign: []wire.Task{again}})
	if end := c.end(); end.Attempt != 2 || end.Failure != nil {
		t.Errorf("%+v %+v", end, end.Failure)
	}
	if got := read(t, dir, "tasks/shared/witness"); got != "ran\nran\n" {
		t.Errorf("witness %q", got)
	}
}

func TestIdleAgentIsSmall(t *testing.T) {
	s := newService(t)
	p := startPidOne(t, s, base(t))
	c := s.call()
	c.send(wire.Frame{Ping: &wire.Ping{N: 1}})
	<-c.pongs
	proc := "/proc/" + strconv.Itoa(p.pid)
	// Clean pages are the binary's, which all agents of a machine share.
	dirty, threads := 0, 0
	for _, line := range strings.Split(read(t, proc, "smaps_rollup"), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Private_Dirty:" {
			dirty, _ = strconv.Atoi(f[1])
		}
	}
	tasks, err := os.ReadDir(proc + "/task")
	if err == nil {
		threads = len(tasks)
	}
	t.Logf("idle: %d kB of its own, %d threads", dirty, threads)
	if dirty > 3072 && !raceEnabled || threads > 8 {
		t.Errorf("%d kB and %d threads, want at most 3072 and 8", dirty, threads)
	}
	// No timers: once settled, the agent does not run at all while nothing happens.
	for end := time.Now().Add(patience); ; {
		before := cpuTime(t, proc)
		timer := time.NewTimer(300 * time.Millisecond)
		<-timer.C
		if cpuTime(t, proc) == before {
			return
		}
		if time.Now().After(end) {
			t.Fatal("an idle agent does not come to rest")
		}
	}
}

func cpuTime(t *testing.T, proc string) string {
	stat := read(t, proc, "stat")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')'):])
	return f[12] + "+" + f[13]
}

// One node, slots attempts at once, through frames, directories, users, journal
// and reports, on a temporary folder.
func BenchmarkTasks(b *testing.B) {
	for _, slots := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			s := newService(b)
			startPidOne(b, s, base(b))
			c := s.call()
			next := 0
			assign := func(n int) {
				var tasks []wire.Task
				for ; n > 0 && next < b.N; n-- {
					tasks = append(tasks, task("t"+strconv.Itoa(next), "true"))
					next++
				}
				if len(tasks) > 0 {
					c.send(wire.Frame{Assign: tasks})
				}
			}
			b.ResetTimer()
			assign(slots)
			for done := 0; done < b.N; {
				n := 0
				for first := true; first || len(c.reports) > 0; first = false {
					if r := <-c.reports; r.Event == wire.EventEnded {
						if r.Failure != nil {
							b.Fatalf("%+v", r.Failure)
						}
						n++
					}
				}
				done += n
				assign(n)
				c.send(wire.Frame{Ack: int64(2 * done)})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
