package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stopWait is how long a node host may take to end all its machines.
const stopWait = 60 * time.Second

// Close ends the machines and the node host and removes the run folder and the
// control groups, or with keep leaves all that for the next Open. It may be
// called twice.
func (p *Provider) Close(keep bool) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.stop()
	<-p.watched
	p.exits.close()
	p.starting.Lock() // no launch is under way, and after closed none begins
	defer p.starting.Unlock()
	if keep {
		return nil
	}
	if err := p.stopHost(); err != nil {
		return err
	}
	return errors.Join(removeCgroups(p.name, p.ids), os.RemoveAll(p.config.RunDir))
}

// stopHost asks the node host to end, and waits until it has. One that does
// not hear is killed; the kernel then ends its machines.
func (p *Provider) stopHost() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	if conn, err := p.dialOnce(ctx); err == nil {
		_, err = exchange(ctx, conn, request{Op: opShutdown}, nil)
		if err != nil && !errors.Is(err, errHostGone) {
			p.config.Log.Warn("the node host does not stop; killing it", "error", err)
			p.killHost()
		}
	}
	for {
		lock, err := p.lock()
		if err != nil {
			return err
		}
		if lock != nil {
			return lock.Close()
		}
		if !pause(ctx, retryEvery/10) {
			break
		}
	}
	p.killHost()
	return fmt.Errorf("local: node host of %s did not end in %v", p.config.DataDir, stopWait)
}

// HostPID is the process id of the node host, 0 when it is not known. It is
// for people and tests that look at the process from outside.
func (p *Provider) HostPID() int {
	text, err := os.ReadFile(filepath.Join(p.config.RunDir, hostPID))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	// A number lives on in the file after its process; others may get it.
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.Contains(string(line), "node-host") {
		return 0
	}
	return pid
}

func (p *Provider) killHost() {
	if pid := p.HostPID(); pid > 0 {
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Kill()
		}
	}
}
