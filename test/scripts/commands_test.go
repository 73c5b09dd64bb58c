package scripts

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"millpond/test/rig"
)

// world is what the commands of one script share.
type world struct {
	tb     testing.TB
	data   string
	server *rig.Server
	ports  []string // addresses the server and its nodes listened at
	known  map[string]string
	tasks  int
}

func in(ts *testscript.TestScript) *world { return ts.Value("world").(*world) }

func want(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 1, "exits N COMMAND...")
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != code {
		ts.Fatalf("exit code %d, not %d", got, code)
	}
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	w := in(ts)
	want(ts, !neg, "up [ARG...]")
	w.server = rig.StartWith(w.tb, rig.Setup{Args: args, Data: w.data, Dir: ts.Getenv("WORK"), Env: append(os.Environ(), w.settings(ts)...)})
	for _, at := range []string{w.server.ARMURL, w.server.BatchHTTPURL} {
		if u, err := url.Parse(at); err == nil && u.Host != "" {
			w.ports = append(w.ports, u.Host)
		}
	}
}

// settings are the script's own MILLPOND_ variables but the data folder's.
func (w *world) settings(ts *testscript.TestScript) []string {
	var out []string
	for _, name := range []string{"MILLPOND_LOCATION", "MILLPOND_CONFIG", "MILLPOND_SSH_PORT"} {
		if v := ts.Getenv(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "end int|term")
	in(ts).server.End(map[string]os.Signal{"int": os.Interrupt, "term": syscall.SIGTERM}[args[0]])
}

func sigkill(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "sigkill")
	in(ts).server.Kill()
}

func makePool(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "pool ID N")
	s := in(ts).server
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s.Do("POST", "/pools", s.Pool(args[0], n, 2), nil)
	s.Do("POST", "/jobs", map[string]any{"id": args[0], "poolInfo": map[string]string{"poolId": args[0]}}, nil)
	s.Idle(args[0], n)
}

func idle(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "idle ID N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	in(ts).server.Idle(args[0], n)
}

func task(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, len(args) == 2, "task ID SCRIPT")
	w := in(ts)
	w.tasks++
	o := w.server.Run(args[0], fmt.Sprint("t", w.tasks), rig.Script(args[1]), nil)
	if neg == (o.Result == "success") {
		ts.Fatalf("%s: %+v", o.Result, o)
	}
	ts.Check(ts.Exec("printf", "%s", o.Stdout)) // for the stdout command
}

// state names what must survive a server: processes, boots, addresses.
func (w *world) state(pool string) map[string]string {
	out := map[string]string{}
	for _, n := range w.server.Nodes(pool) {
		ssh := w.server.RemoteLogin(pool, n.ID)
		out[n.ID] = n.LastBootTime + " " + n.IPAddress + " " + ssh
		w.ports = append(w.ports, ssh)
	}
	for _, p := range w.server.Processes() {
		if strings.HasPrefix(p.Command, "millpond-node") {
			out[strconv.Itoa(p.PID)] = "agent"
		}
	}
	return out
}

func remember(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "remember ID")
	in(ts).known = in(ts).state(args[0])
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, len(args) == 1, "same ID")
	w := in(ts)
	if now := w.state(args[0]); maps.Equal(now, w.known) == neg {
		ts.Fatalf("before %v, now %v", w.known, now)
	}
}

func nothingLeft(ts *testscript.TestScript, neg bool, _ []string) {
	left := in(ts).server.Leftovers()
	if neg == (len(left) == 0) {
		ts.Fatalf("left over: %v", left)
	}
}

func portsFree(ts *testscript.TestScript, neg bool, _ []string) {
	for _, at := range in(ts).ports {
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
		} else if !neg {
			ts.Fatalf("%s: %v", at, err)
		}
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "mode PATH MODE")
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, not %s", args[0], got, args[1])
	}
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 1, "keys FILE NAME...")
	var object map[string]string
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	got, wanted := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[1:]))
	if !slices.Equal(got, wanted) {
		ts.Fatalf("keys %v, not %v", got, wanted)
	}
	for name, v := range object {
		if v == "" {
			ts.Fatalf("%s is empty", name)
		}
	}
}

func sign(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, len(args) == 2, "sign METHOD PATH")
	a, err := in(ts).server.Try(args[0], args[1], nil)
	ts.Check(err)
	if neg == (a.Status < 300) {
		ts.Fatalf("%d %s", a.Status, a.Body)
	}
	ts.Check(ts.Exec("printf", "%s", string(a.Body)))
}
