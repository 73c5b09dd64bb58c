package batchapi_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/provider"
	"millpond/internal/resource"
)

// node is a simulated machine with its agent: a folder, and tasks that end at
// once with the code their command line "exit N" names; "sleep" ends when it
// is cancelled or the machine stops, "stubborn" only when it is released.
type node struct {
	w     *world
	uid   string
	boot  string
	token string
	root  string
	held  map[string]int

	stubborn map[string]bool
}

func (w *world) machineStarts(m provider.Machine) {
	n := &node{w: w, uid: m.ID, boot: m.BootID, token: m.Token, root: filepath.Join(w.dir, "roots", m.ID), held: map[string]int{}, stubborn: map[string]bool{}}
	for _, dir := range []string{"applications", "fsmounts", "shared", "startup", "volatile", "workitems"} {
		_ = os.MkdirAll(filepath.Join(n.root, dir), 0o755)
	}
	w.mu.Lock()
	w.nodes[m.ID] = n
	w.mu.Unlock()
	go n.hello()
}

func (w *world) machineStops(i provider.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.nodes[i.ID]; n != nil && n.boot == i.BootID {
		delete(w.nodes, i.ID)
	}
}

func (n *node) live() bool { return n.w.nodes[n.uid] == n } // under w.mu

func (n *node) hello() {
	r, err := n.w.sched.Hello(context.Background(), job.Greeting{NodeUID: n.uid, BootID: n.boot, Token: n.token, AgentVersion: "1.12.9"})
	if err != nil || r.Refused != "" {
		return
	}
	for _, work := range r.Resend {
		n.run(work)
	}
	if r.Start != nil {
		n.start(*r.Start)
	}
	n.w.sched.Ready(n.uid)
}

// write makes a file below the node's root with the clock's time.
func (n *node) write(name, text string) {
	full := filepath.Join(n.root, filepath.FromSlash(name))
	_ = os.MkdirAll(filepath.Dir(full), 0o755)
	_ = os.WriteFile(full, []byte(text), 0o644)
	at := n.w.clock.Now().Time()
	for ; strings.HasPrefix(full, n.root); full = filepath.Dir(full) {
		_ = os.Chtimes(full, at, at)
	}
}

func code(command string) (exit int, sleeps bool) {
	if rest, ok := strings.CutPrefix(command, "exit "); ok {
		exit, _ = strconv.Atoi(rest)
	}
	return exit, command == "sleep" || command == "stubborn"
}

func (n *node) run(work job.Assignment) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	t := work.Task
	if n.held[t.UID] == t.Attempt {
		return
	}
	n.held[t.UID] = t.Attempt
	dir := t.Dir(work.Job.Spec.ID)
	_ = os.MkdirAll(filepath.Join(n.root, dir, "wd"), 0o755)
	n.write(dir+"/stdout.txt", "ran "+t.Spec.CommandLine+"\n")
	n.write(dir+"/stderr.txt", "")
	if t.Spec.CommandLine == "stubborn" {
		n.stubborn[t.UID] = true
	}
	if exit, sleeps := code(t.Spec.CommandLine); !sleeps {
		go n.end(t.UID, t.Attempt, exit)
	}
}

func (n *node) end(task string, attempt, exit int) {
	n.w.mu.Lock()
	known := n.live() && n.held[task] == attempt
	delete(n.held, task)
	n.w.mu.Unlock()
	if !known {
		return
	}
	now := n.w.clock.Now()
	_ = n.w.sched.News(context.Background(), n.uid, n.boot, []job.News{{TaskUID: task, Attempt: attempt, NodeUID: n.uid, Ended: true, At: now, Started: now, ExitCode: &exit}}, nil)
}

func (n *node) start(order job.StartOrder) {
	exit, sleeps := code(order.Task.CommandLine)
	n.write("startup/stdout.txt", "ran "+order.Task.CommandLine+"\n")
	if sleeps {
		return
	}
	now := n.w.clock.Now()
	go func() {
		_ = n.w.sched.News(context.Background(), n.uid, n.boot, nil, []pool.StartNews{{Attempt: order.Attempt, Ended: true, At: now, Started: now, ExitCode: &exit}})
	}()
}

// gate is the far end of schedule.Nodes and pool.Reach.
type gate struct{ w *world }

func (g gate) node(uid string) (*node, error) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if n := g.w.nodes[uid]; n != nil {
		return n, nil
	}
	return nil, fault.New("NodeNotReady", "")
}

func (g gate) Assign(uid string, work []job.Assignment) error {
	n, err := g.node(uid)
	for i := 0; err == nil && i < len(work); i++ {
		n.run(work[i])
	}
	return err
}

func (g gate) Start(uid string, order job.StartOrder) error {
	n, err := g.node(uid)
	if err == nil {
		n.start(order)
	}
	return err
}

func (g gate) Cancel(uid, task string, attempt int, _ string) error {
	n, err := g.node(uid)
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	switch {
	case err != nil:
	case !n.stubborn[task]:
		go n.end(task, attempt, 137)
	case n.held[task] == attempt:
		select {
		case g.w.cancelled <- func() { n.end(task, attempt, 0) }:
		default: // asked before
		}
	}
	return err
}

func (g gate) Drop(string) {}

// root opens a node's folder the way an agent does: nothing leaves it.
func (g gate) root(uid, name string) (*os.Root, string, error) {
	n, err := g.node(uid)
	if err != nil {
		return nil, "", err
	}
	if name == "" {
		name = "."
	}
	if !fs.ValidPath(name) {
		g.w.t.Errorf("the face asked a node for %q", name)
		return nil, "", fault.New("InvalidUri", "")
	}
	r, err := os.OpenRoot(n.root)
	return r, name, err
}

func fileOf(name string, info fs.FileInfo) pool.File {
	mode := uint32(info.Mode().Perm()) | 0o100000
	if info.IsDir() {
		return pool.File{Path: name, Dir: true, Modified: resource.TicksOf(info.ModTime()), Mode: uint32(info.Mode().Perm()) | 0o040000}
	}
	return pool.File{Path: name, Size: info.Size(), Modified: resource.TicksOf(info.ModTime()), Mode: mode}
}

func gone(err error) error {
	if err == nil {
		return nil
	}
	return fault.New("FileNotFound", "").Because(err)
}

func (g gate) ListFiles(_ context.Context, uid, name string, recursive bool) ([]pool.File, error) {
	r, name, err := g.root(uid, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var files []pool.File
	err = fs.WalkDir(r.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == name {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, fileOf(strings.TrimPrefix(at, name+"/"), info))
		if d.IsDir() && !recursive {
			return fs.SkipDir
		}
		return nil
	})
	sort.SliceStable(files, func(i, j int) bool { return strings.Count(files[i].Path, "/") < strings.Count(files[j].Path, "/") })
	return files, gone(err)
}

func (g gate) StatFile(_ context.Context, uid, name string) (pool.File, error) {
	r, name, err := g.root(uid, name)
	if err != nil {
		return pool.File{}, err
	}
	defer r.Close()
	info, err := r.Stat(name)
	if err != nil {
		return pool.File{}, gone(err)
	}
	return fileOf(path.Base(name), info), nil
}

func (g gate) ReadFile(ctx context.Context, uid, name string, offset, length int64) (pool.File, pool.ReadCloser, error) {
	info, err := g.StatFile(ctx, uid, name)
	if err != nil {
		return info, nil, err
	}
	r, name, err := g.root(uid, name)
	if err != nil {
		return info, nil, err
	}
	defer r.Close()
	f, err := r.Open(name)
	if err != nil {
		return info, nil, gone(err)
	}
	if length < 0 {
		length = info.Size - offset
	}
	return info, struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, length), f}, nil
}

func (g gate) DeleteFile(_ context.Context, uid, name string, recursive bool) error {
	r, name, err := g.root(uid, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Lstat(name); err != nil {
		return gone(err)
	}
	if recursive {
		return gone(r.RemoveAll(name))
	}
	return gone(r.Remove(name))
}

// PutUser fails for a user whose key is "cursed".
func (g gate) PutUser(_ context.Context, uid string, u pool.NodeUser, _ bool) error {
	_, err := g.node(uid)
	if err == nil && u.SSHKey == "cursed" {
		err = fault.New("NodeNotReady", "")
	}
	return err
}

func (g gate) DeleteUser(_ context.Context, uid, _ string) error {
	_, err := g.node(uid)
	return err
}

func (g gate) OpenSSH(_ context.Context, uid string, want int) (string, int, error) {
	if _, err := g.node(uid); err != nil {
		return "", 0, err
	}
	if want == 0 {
		want = 50000
	}
	return "127.0.0.1", want, nil
}

func (g gate) CloseSSH(string) {}

var errLate = errors.New("what a conversation waits for did not come")
