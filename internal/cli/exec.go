package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func newExec() *cobra.Command {
	var offline bool
	c := &cobra.Command{
		Use:   "exec [--offline] -- COMMAND [ARG...]",
		Short: "Run a command whose requests to Azure reach the server instead",
		Long: `Run COMMAND with proxy and CA variables under which the names of Azure's login,
Resource Manager and Batch services lead to this server. Nothing of the command
has to change:

  millpond exec -- python sample.py
  millpond exec -- az batch pool list

Everything else is passed on as usual, or refused with --offline. Only the
command sees the variables. Its exit code is passed on.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("expected a command after --")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			a, err := loadAdmin(c)
			if err != nil {
				return err
			}
			ca, err := bundle(a.CAFile)
			if err != nil {
				return err
			}
			target, err := url.Parse(a.ARMURL)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			p := &proxy{target: target.Host, offline: offline}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go p.serve(ctx, l)
			return runChild(args, childEnv(os.Environ(), "http://"+l.Addr().String(), ca))
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "refuse every name that is not Azure's")
	return c
}

// childEnv is the command's environment: proxy and CA variables replaced.
func childEnv(env []string, proxy, ca string) []string {
	set := append(trust(ca),
		[2]string{"HTTPS_PROXY", proxy}, [2]string{"https_proxy", proxy},
		[2]string{"HTTP_PROXY", proxy}, [2]string{"http_proxy", proxy},
		// Loopback keeps its own way, so that direct calls to the server work too.
		[2]string{"NO_PROXY", "127.0.0.1,localhost"}, [2]string{"no_proxy", "127.0.0.1,localhost"})
	names := map[string]bool{"ALL_PROXY": true, "all_proxy": true}
	for _, v := range set {
		names[v[0]] = true
	}
	var out []string
	for _, entry := range env {
		if name, _, _ := strings.Cut(entry, "="); !names[name] {
			out = append(out, entry)
		}
	}
	for _, v := range set {
		out = append(out, v[0]+"="+v[1])
	}
	return out
}

// runChild runs the command on our terminal; signals go to it, its exit code
// becomes ours (128 and the signal's number when it was killed).
func runChild(args, env []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		fmt.Fprintf(os.Stderr, "millpond: %v\n", err)
		return exitError{127}
	}
	cmd := exec.Command(path, args[1:]...) //nolint:gosec // running it is what was asked
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "millpond: %v\n", err)
		return exitError{126}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return exitError{128 + int(status.Signal())}
		}
		return exitError{exit.ExitCode()}
	}
	return err
}

func redact(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, "***")
}
