// Command mainjob does the main job of an Azure Batch user from the first step to the last, against a Millpond server that
// it starts for the purpose: a virtual machine, software installed in it, an image version with replicas, a pool of that
// version, 200 tasks, their outputs fetched and checked. It prints every step with its time.
//
// It is written as a user writes it: with Azure's SDKs for Go, against public endpoints. Nothing in it is Millpond's but
// how the server is started (server.go) and where it is found (admin.json).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the command line; BASE and MILLPOND come from the environment, where the Makefile puts them.
type options struct {
	millpond string
	base     string
	keep     bool
	clean    bool
	out      string
}

func main() {
	var o options
	flag.StringVar(&o.millpond, "millpond", env("MILLPOND", "millpond"), "the millpond program (MILLPOND)")
	flag.StringVar(&o.base, "base", env("BASE", "debootstrap"), "base image: debootstrap, host, or the path of a root file system as a tar (BASE)")
	flag.BoolVar(&o.keep, "keep", false, "leave the server and its nodes running at the end")
	flag.BoolVar(&o.clean, "clean", false, "remove the folder of server and outputs at the end")
	flag.StringVar(&o.out, "out", "", "folder for the outputs (default: beside the server's data)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mainjob:", err)
		stop()
		os.Exit(1)
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// run makes the folder, starts the server, does the job, and ends what it started.
func run(ctx context.Context, o options, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "millpond-demo-")
	if err != nil {
		return err
	}
	// Root of a node's user namespace is nobody here, and must pass through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // passed through, not listed
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(dir, "out")
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil { //nolint:gosec // pictures are for everybody
		return err
	}
	steps := newSteps(w)
	var srv *server
	err = steps.do("server started", func() (string, error) {
		srv, err = startServer(ctx, o.millpond, dir)
		if err != nil {
			return "", err
		}
		return srv.admin.ARMURL, nil
	})
	if srv != nil {
		defer func() { err = end(w, srv, o, dir, err) }()
	}
	if err != nil {
		return err
	}
	a, err := connect(srv.admin)
	if err != nil {
		return err
	}
	j := &mainJob{azure: a, server: srv, steps: steps, options: o, dir: dir}
	if err := j.do(ctx); err != nil {
		return err
	}
	j.report(w)
	return nil
}

// end stops the server, unless it is to stay, and shows the end of its log when the job has failed.
func end(w io.Writer, srv *server, o options, dir string, failed error) error {
	if failed != nil {
		fmt.Fprintf(os.Stderr, "\nThe end of the server's log, %s:\n%s\n", srv.logPath(), srv.tail(60))
	}
	if o.keep && failed == nil {
		fmt.Fprintf(w, "\nThe server goes on. Stop it with: kill %d\n", srv.pid())
		return nil
	}
	began := time.Now()
	if err := srv.stop(); err != nil && failed == nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	fmt.Fprintf(w, "\nServer stopped in %.1f s. ", time.Since(began).Seconds())
	if o.clean && failed == nil {
		if err := remove(dir); err != nil {
			return err
		}
		fmt.Fprintf(w, "Removed %s\n", dir)
		return nil
	}
	fmt.Fprintf(w, "All is kept in %s\n", dir)
	if failed == nil {
		fmt.Fprintf(w, "To look around, start it again:\n  %s\n", srv.again())
	}
	return failed
}

// remove deletes the folder. Below it are files of the nodes' users, which an ordinary user may delete only as root of a
// user namespace that has their ids.
func remove(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if out, err := exec.Command("unshare", "--map-root-user", "--map-auto", "--", "rm", "-rf", dir).CombinedOutput(); err != nil { //nolint:gosec // the folder we made
		return fmt.Errorf("removing %s: %w: %s", dir, err, out)
	}
	return nil
}
