package node

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"millpond/internal/node/wire"
)

// Version is the agent's own version, set by the build.
var Version = "dev"

// Exit codes of serve.
const (
	exitRefused = 3 // the service does not want this machine any more
	exitBroken  = 4 // the machine cannot work: its state or accounts cannot be read or written
)

// agent is the program of one machine. It does what the service says and
// decides nothing about what runs where.
type agent struct {
	boot      wire.Boot
	root      string // the machine's root, "/" but in tests
	tasksRoot string
	socket    string
	state     *os.Root
	null      *os.File
	outbox    *outbox
	accounts  *accounts
	ssh       sshServer
	files     *os.Root // tasksRoot; nil in a virtual machine
	stop      chan struct{}
	stopOnce  sync.Once
	code      int

	mu      sync.Mutex
	epoch   int64
	running map[attemptKey]*attempt
}

// Main is the whole program: the first process of a machine, or with the
// argument "sftp" the file server of one SSH session. The result is the
// process's exit code.
func Main(args []string) int {
	if len(args) == 2 && args[1] == sftpArgument {
		return serveSFTP()
	}
	return Run(serve)
}

// serve runs the machine's agent until the service refuses it or the machine
// cannot work. It is called as PID 1, after boot mounted and pivoted.
func serve(boot wire.Boot) int {
	tune()
	unignore()
	syscall.Umask(0o022)
	state, err := os.OpenRoot(boot.State)
	if err == nil {
		var a *agent
		if a, err = newAgent(boot, "/", wire.TasksRoot, filepath.Join(SocketsDir, boot.Gateway), state); err == nil {
			return a.serve()
		}
	}
	fmt.Fprintln(os.Stderr, "millpond-node:", err)
	return exitBroken
}

// tune makes an idle agent small: thousands of them share one machine. The
// heap is about a megabyte, so collecting it often is cheap.
func tune() {
	runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(64 << 20)
}

// unignore keeps children from inheriting an ignored signal (a node host that
// was started with nohup has one): with a handler of ours in place, exec gives
// them the default.
func unignore() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

func newAgent(boot wire.Boot, root, tasksRoot, socket string, state *os.Root) (*agent, error) {
	a := &agent{
		boot: boot, root: root, tasksRoot: tasksRoot, socket: socket, state: state,
		running: map[attemptKey]*attempt{}, stop: make(chan struct{}),
	}
	var err error
	if a.null, err = openNull(); err != nil {
		return nil, err
	}
	j, p, err := openJournal(state)
	if err != nil {
		return nil, err
	}
	a.outbox = newOutbox(j, p)
	if a.accounts, err = openAccounts(root); err != nil {
		return nil, err
	}
	if boot.Role == wire.RoleVM {
		return a, nil // no tasks, no task files, and nothing of ours in what is captured
	}
	if err := makeNodeDirs(tasksRoot); err != nil {
		return nil, err
	}
	a.files, err = os.OpenRoot(tasksRoot)
	return a, err
}

// exit ends serve; the first reason counts.
func (a *agent) exit(code int, why error) {
	a.stopOnce.Do(func() {
		if why != nil {
			fmt.Fprintln(os.Stderr, "millpond-node:", why)
		}
		a.code = code
		close(a.stop)
	})
}

// welcomed applies what the service says at the start of a session; false when
// this connection is of a service that another one has followed.
func (a *agent) welcomed(w *wire.Welcome) (bool, error) {
	a.mu.Lock()
	stale := w.Epoch < a.epoch
	a.epoch = max(a.epoch, w.Epoch)
	a.mu.Unlock()
	if stale {
		return false, nil
	}
	a.outbox.forget(w.Forget)
	a.mu.Lock()
	for _, h := range w.Forget {
		if t := a.running[attemptKey{h.TaskUID, h.Attempt}]; t != nil {
			t.stop(wire.FailEnded)
		}
	}
	a.mu.Unlock()
	return true, a.accounts.put(w.Users, false)
}

// assign runs tasks at once, side by side; how many fit is the service's
// business. What cannot be journaled is not run.
func (a *agent) assign(tasks []wire.Task, w *wire.Welcome) {
	fresh, err := a.outbox.accept(tasks)
	if a.files == nil {
		err = errors.New("a virtual machine runs no tasks")
	}
	for _, t := range fresh {
		if err != nil {
			a.outbox.add(wire.Report{
				TaskUID: t.UID, Attempt: t.Attempt, Kind: t.Kind, Event: wire.EventEnded, At: ticksNow(), Failure: prepareFailure(err),
			})
			continue
		}
		run := &attempt{task: t, cancel: make(chan string, 1)}
		a.mu.Lock()
		a.running[attemptKey{t.UID, t.Attempt}] = run
		a.mu.Unlock()
		go a.run(run, w)
	}
}

func (a *agent) finished(t *attempt) {
	a.mu.Lock()
	delete(a.running, attemptKey{t.task.UID, t.task.Attempt})
	a.mu.Unlock()
}

// cancel ends attempts. One that is not known here was never received or is
// long over; it is reported as ended all the same, so that the service need
// not wait, and the service drops the news when it has better.
func (a *agent) cancel(list []wire.Cancel) {
	for _, c := range list {
		a.mu.Lock()
		t := a.running[attemptKey{c.TaskUID, c.Attempt}]
		a.mu.Unlock()
		if t != nil {
			t.stop(c.Reason)
			continue
		}
		// An accept that is not on disk does no harm: nothing is run.
		fresh, _ := a.outbox.accept([]wire.Task{{UID: c.TaskUID, Attempt: c.Attempt, Kind: wire.KindTask}})
		if len(fresh) > 0 {
			a.outbox.add(wire.Report{
				TaskUID: c.TaskUID, Attempt: c.Attempt, Kind: wire.KindTask,
				Event: wire.EventEnded, At: ticksNow(), Failure: failure(c.Reason, ""),
			})
		}
	}
}

// hello is the agent's word on every new connection.
func (a *agent) hello() *wire.Hello {
	a.mu.Lock()
	epoch := a.epoch
	a.mu.Unlock()
	h := &wire.Hello{
		Version: wire.Version, AgentVersion: Version, NodeUID: a.boot.NodeUID, BootID: a.boot.BootID,
		Token: a.boot.Token, Epoch: epoch, Held: a.outbox.held(), Users: a.accounts.names(),
	}
	h.OSReleaseSHA256, h.PrettyName = osRelease(a.root)
	return h
}

func osRelease(root string) (digest, pretty string) {
	data, err := os.ReadFile(root + "/etc/os-release")
	if err != nil {
		return "", ""
	}
	sum := sha256.Sum256(data)
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			pretty = strings.Trim(v, `"'`)
		}
	}
	return hex.EncodeToString(sum[:]), pretty
}
