package node

import (
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// hangupGrace is how long a deleted user's processes have between SIGHUP and SIGKILL.
const hangupGrace = 500 * time.Millisecond

// sshSession is one session channel: at most one process.
type sshSession struct {
	login   *sshLogin
	channel ssh.Channel
	env     []string
	term    *ptyRequest
	tty     *os.File // the terminal's master side
	proc    *process
	replied chan struct{} // closed when the client knows that proc was started
}

// Payloads of RFC 4254, section 6.
type (
	ptyRequest struct {
		Term                     string
		Columns, Rows, Xpix, Ypx uint32
		Modes                    string
	}
	windowChange struct{ Columns, Rows, Xpix, Ypx uint32 }
	envRequest   struct{ Name, Value string }
	textRequest  struct{ Text string } // exec, subsystem, signal
	exitStatus   struct{ Status uint32 }
	exitSignal   struct {
		Signal        string
		Core          bool
		Message, Lang string
	}
)

// serve answers the requests of a channel until the client closes it; what
// still runs then is hung up, as sshd does.
func (l *sshLogin) serve(channel ssh.Channel, requests <-chan *ssh.Request) {
	s := &sshSession{login: l, channel: channel, replied: make(chan struct{})}
	defer channel.Close()
	for req := range requests {
		ok := s.handle(req)
		if req.WantReply {
			_ = req.Reply(ok, nil)
		}
		switch {
		case !starts(req.Type):
		case s.proc == nil:
			go ssh.DiscardRequests(requests)
			return
		case ok:
			close(s.replied)
		}
	}
	if s.proc != nil {
		kids.signal(s.proc, syscall.SIGHUP)
	}
	if s.tty != nil {
		s.tty.Close()
	}
}

func starts(kind string) bool { return kind == "shell" || kind == "exec" || kind == "subsystem" }

func (s *sshSession) handle(req *ssh.Request) bool {
	var text textRequest
	switch req.Type {
	case "env":
		var e envRequest
		if ssh.Unmarshal(req.Payload, &e) != nil || !envAllowed(e.Name) || strings.ContainsRune(e.Value, 0) {
			return false
		}
		s.env = append(s.env, e.Name+"="+e.Value)
		return true
	case "pty-req":
		var p ptyRequest
		if s.proc != nil || ssh.Unmarshal(req.Payload, &p) != nil {
			return false
		}
		s.term = &p
		return true
	case "window-change":
		var w windowChange
		return s.tty != nil && ssh.Unmarshal(req.Payload, &w) == nil && resize(s.tty, w) == nil
	case "signal":
		sig, known := signalNamed[text.of(req)]
		if known && s.proc != nil {
			kids.signal(s.proc, sig)
		}
		return known && s.proc != nil
	case "shell":
		return s.start(s.login.cred.shell, []string{"-" + path.Base(s.login.cred.shell)})
	case "exec":
		shell := s.login.cred.shell
		return s.start(shell, []string{path.Base(shell), "-c", text.of(req)})
	case "subsystem":
		return text.of(req) == "sftp" && s.start("/proc/self/exe", []string{"millpond-node", sftpArgument})
	}
	return false // agent and X11 forwarding among others
}

func (t *textRequest) of(req *ssh.Request) string {
	if ssh.Unmarshal(req.Payload, t) != nil {
		return ""
	}
	return t.Text
}

// envAllowed lets a client set what is its user's own business, but nothing the
// loader or the login itself decides.
func envAllowed(name string) bool {
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.HasPrefix(name, "LD_") {
		return false
	}
	switch name {
	case "HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "IFS", "ENV", "BASH_ENV":
		return false
	}
	return true
}

// start runs one program for the session, on a terminal when one was asked for.
func (s *sshSession) start(program string, argv []string) bool {
	if s.proc != nil {
		return false
	}
	l := s.login
	env := append([]string{
		"HOME=" + l.cred.home, "USER=" + l.cred.name, "LOGNAME=" + l.cred.name, "SHELL=" + l.cred.shell,
		"PATH=" + defaultPath, "LANG=C.UTF-8",
	}, s.env...)
	attr := &syscall.ProcAttr{
		Dir: "/", Env: env, Sys: &syscall.SysProcAttr{Setsid: true, Credential: l.cred.sys()},
	}
	if info, err := os.Stat(l.cred.home); err == nil && info.IsDir() {
		attr.Dir = l.cred.home
	}
	var err error
	if s.term != nil && program != "/proc/self/exe" {
		attr.Env = append(attr.Env, "TERM="+s.term.Term)
		err = s.startOnTerminal(program, argv, attr)
	} else {
		err = s.startOnPipes(program, argv, attr)
	}
	if err != nil {
		_, _ = io.WriteString(s.channel.Stderr(), "millpond-node: "+program+": "+err.Error()+"\r\n")
		return false
	}
	return true
}

func (s *sshSession) startOnTerminal(program string, argv []string, attr *syscall.ProcAttr) error {
	master, slave, err := openTerminal()
	if err != nil {
		return err
	}
	defer slave.Close()
	_ = slave.Chown(s.login.cred.uid, s.login.cred.gid) // some programs ask who owns their terminal
	_ = resize(master, windowChange{s.term.Columns, s.term.Rows, s.term.Xpix, s.term.Ypx})
	fd := slave.Fd()
	attr.Files = []uintptr{fd, fd, fd}
	attr.Sys.Setctty, attr.Sys.Ctty = true, 0
	if err := s.launch(program, argv, attr); err != nil {
		master.Close()
		return err
	}
	s.tty = master
	go func() { _, _ = io.Copy(master, s.channel) }() // ends with the channel or the terminal
	output := make(chan struct{})
	go func() {
		defer close(output)
		_, _ = io.Copy(s.channel, master) // EIO once the session's last user of the terminal is gone
	}()
	go s.finish(output)
	return nil
}

func (s *sshSession) startOnPipes(program string, argv []string, attr *syscall.ProcAttr) error {
	var ours, theirs [3]*os.File
	closeAll := func(files [3]*os.File) {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			return err
		}
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
		attr.Files = append(attr.Files, theirs[i].Fd())
	}
	err := s.launch(program, argv, attr)
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return err
	}
	go func() {
		_, _ = io.Copy(ours[0], s.channel)
		ours[0].Close()
	}()
	outputs := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	for i, to := range []io.Writer{s.channel, s.channel.Stderr()} {
		go func() {
			defer close(outputs[i])
			_, _ = io.Copy(to, ours[i+1])
			ours[i+1].Close() // when the client is gone the writer learns by SIGPIPE
		}()
	}
	go s.finish(outputs[:]...)
	return nil
}

// launch starts the process under the login, unless the login has ended.
func (s *sshSession) launch(program string, argv []string, attr *syscall.ProcAttr) error {
	l := s.login
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return errNoLogin
	}
	p, err := kids.start(program, argv, attr, false, false)
	if err != nil {
		return err
	}
	s.proc = p
	l.procs[p] = true
	return nil
}

// finish sends the exit once the process is over and its output is through.
func (s *sshSession) finish(outputs ...chan struct{}) {
	p := s.proc
	<-p.done
	s.login.mu.Lock()
	delete(s.login.procs, p)
	s.login.mu.Unlock()
	for _, out := range outputs {
		<-out
	}
	<-s.replied // a channel that is closed before the answer loses it
	if p.status.Signaled() {
		_, _ = s.channel.SendRequest("exit-signal", false, ssh.Marshal(exitSignal{Signal: nameOfSignal(p.status.Signal()), Core: p.status.CoreDump()}))
	} else {
		_, _ = s.channel.SendRequest("exit-status", false, ssh.Marshal(exitStatus{uint32(p.status.ExitStatus())}))
	}
	_ = s.channel.Close()
}

// end closes the login and everything its sessions run.
func (l *sshLogin) end() {
	l.mu.Lock()
	l.ended = true
	procs := make([]*process, 0, len(l.procs))
	for p := range l.procs {
		procs = append(procs, p)
	}
	l.mu.Unlock()
	for _, p := range procs {
		kids.signal(p, syscall.SIGHUP)
	}
	grace := time.NewTimer(hangupGrace)
	defer grace.Stop()
	for _, p := range procs {
		select {
		case <-p.done:
		case <-grace.C:
			grace.Reset(0)
		}
		killSession(p.pid)
	}
	l.conn.Close()
}

// signalNamed are the names of RFC 4254, section 6.10.
var signalNamed = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

func nameOfSignal(sig syscall.Signal) string {
	for name, s := range signalNamed {
		if s == sig {
			return name
		}
	}
	return "TERM"
}
