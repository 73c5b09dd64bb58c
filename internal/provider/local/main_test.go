package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// testAgent is the built test agent.
var testAgent string

// TestMain lets the test's own binary be the `millpond` that runs the node host.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "node-host" {
		os.Exit(HostMain(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "become-plain-user" {
		fmt.Fprintln(os.Stderr, becomePlainUser(os.Args[2:]))
		os.Exit(1)
	}
	// A node host built with the race detector would sleep a second at its end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testAgent = os.Getenv("MILLPOND_TEST_AGENT"); testAgent != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "millpond-agent")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testAgent = filepath.Join(dir, "testagent")
	cmd := exec.Command("go", "build", "-o", testAgent, "millpond/internal/node/testagent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the test agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
