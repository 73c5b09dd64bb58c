// Command testagent is an agent for tests of providers: it boots a machine as
// millpond-node does and then does, as root of the machine, what the test tells
// it through the gateway's socket. It is built by tests and
// never installed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"millpond/internal/node"
	"millpond/internal/node/wire"
)

// Order is one thing to do; Answer is how it went.
type Order struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	To   string `json:"to"` // a path, or text
}

// Answer has what was read, or why not.
type Answer struct {
	Text  string `json:"text"`
	Error string `json:"error"`
}

func main() { os.Exit(node.Run(serve)) } //nolint:forbidigo // a main

// serve dials the gateway as the real agent does, says who it is and takes
// orders, one JSON object a line. Without a gateway it is idle.
func serve(boot wire.Boot) int {
	conn, err := dial(filepath.Join(node.SocketsDir, boot.Gateway))
	if err == nil {
		takeOrders(conn, boot)
	}
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, syscall.SIGUSR1)
	<-idle
	return 0
}

func takeOrders(conn net.Conn, boot wire.Boot) {
	defer conn.Close()
	out := json.NewEncoder(conn)
	if err := out.Encode(boot); err != nil {
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var o Order
		var a Answer
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			a.Error = err.Error()
		} else if text, err := do(o); err != nil {
			a.Error = err.Error()
		} else {
			a.Text = text
		}
		if err := out.Encode(a); err != nil {
			return
		}
	}
}

func do(o Order) (string, error) {
	switch o.Op {
	case "read":
		text, err := os.ReadFile(o.Path)
		return string(text), err
	case "write":
		return "", os.WriteFile(o.Path, []byte(o.To), 0o644)
	case "list":
		entries, err := os.ReadDir(o.Path)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, "\n"), err
	case "mkdir":
		return "", os.MkdirAll(o.Path, 0o755)
	case "remove":
		return "", os.RemoveAll(o.Path)
	case "rename":
		return "", os.Rename(o.Path, o.To)
	case "dial":
		conn, err := dial(o.Path)
		if err == nil {
			conn.Close()
		}
		return "", err
	case "hostname":
		return os.Hostname()
	case "ids":
		return fmt.Sprint(os.Getpid(), os.Getuid()), nil
	case "mount":
		return "", syscall.Mount("x", o.Path, "tmpfs", 0, "")
	case "umount":
		return "", syscall.Unmount(o.Path, 0)
	case "chown":
		return "", os.Chown(o.Path, 0, 0)
	case "open":
		f, err := os.OpenFile(o.Path, os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return "", err
	case "eat":
		miB, err := strconv.Atoi(o.To)
		if err != nil {
			return "", err
		}
		block := make([]byte, miB<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		return "", nil
	case "run":
		out, err := exec.Command("/bin/sh", "-c", o.To).CombinedOutput()
		return string(out), err
	case "exit":
		os.Exit(7) //nolint:forbidigo // the order is to end
	}
	return "", fmt.Errorf("unknown order %q", o.Op)
}

func dial(path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(context.Background(), "unix", path)
}
