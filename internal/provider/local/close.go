package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	return errors.Join(removeCgroups(p.name, p.ids), os.RemoveAll(p.config.RunDir),
		os.RemoveAll(filepath.Join(p.config.DataDir, hostRecord)))
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
		lock, err := p.lock(ctx)
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

func (p *Provider) killHost() {
	if pid := p.HostPID(); pid > 0 {
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Kill()
		}
	}
}

// Erase deletes a data folder of which no server runs any more, with all in it.
// An ordinary user cannot do that by `rm -r`: the files of machines' users are
// other ids' than his.
func Erase(ctx context.Context, config Config) error {
	if _, err := os.Stat(config.DataDir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if os.Geteuid() != 0 {
		p, err := Open(ctx, config)
		if err != nil {
			return err
		}
		if err := errors.Join(p.empty(ctx), p.Close(false)); err != nil {
			return err
		}
	}
	return os.RemoveAll(config.DataDir)
}

// empty removes all that the machines' root made in the data folder.
func (p *Provider) empty(ctx context.Context) error {
	var errs []error
	for _, name := range append([]string{tmpFolder}, p.config.Folders...) {
		entries, err := os.ReadDir(filepath.Join(p.config.DataDir, name))
		errs = append(errs, err)
		for _, entry := range entries {
			if entry.Name() == keepName {
				continue // without it the node host goes
			}
			errs = append(errs, p.Worker().Remove(ctx, filepath.Join(p.config.DataDir, name, entry.Name())))
		}
	}
	return errors.Join(errs...)
}
