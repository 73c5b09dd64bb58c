package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Program is what only the composed program can do.
type Program struct {
	Version string
	// Up runs the server until ctx ends; ready is called once it answers.
	Up func(ctx context.Context, up Up, ready func(Ready)) error
	// NodeHost is the process that keeps machines; it is started by the server.
	NodeHost func(args []string) int
	// Doctor checks the machine for what the server needs.
	Doctor func(ctx context.Context, dataDir string) []Finding
}

// Finding is one check of doctor.
type Finding struct {
	Name   string
	OK     bool
	Needed bool   // without it no node starts; else something is only not offered
	Note   string // what was found
	Fix    string // what to do when it is not OK
}

// Exit codes: 1 failed, 2 wrong usage; exec passes on its command's own.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError marks mistakes in the command line.
type usageError struct{ error }

// exitError carries the exit code of a command that exec ran.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// Main runs the command line and gives the exit code. Errors are one line on
// stderr, never a stack trace.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "node-host" {
		return p.NodeHost(args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(p)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	strictCompletion(root)
	err := root.ExecuteContext(ctx)
	var ended exitError
	var usage usageError
	var child *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.code
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "millpond: %v\nSee 'millpond --help'.\n", err)
		return exitUsage
	case errors.As(err, &child) && child.ExitCode() > 0:
		fmt.Fprintf(stderr, "millpond: %v\n", err)
		return child.ExitCode()
	}
	fmt.Fprintf(stderr, "millpond: %v\n", err)
	return exitFailed
}

func newRoot(p Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "millpond",
		Short: "Azure Batch on your own machines",
		Long: `Millpond serves the Azure Batch, Compute Gallery and Resource Manager APIs on
this machine, so that az, the Azure SDKs and programs written for Azure Batch
run unchanged, with nodes that boot from your own images.

  millpond up                       start the server
  eval "$(millpond env)"            point SDKs and az batch at it
  millpond az-setup DIR             make an az configuration for it
  millpond exec -- COMMAND          run a program that thinks it talks to Azure`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().String("data", "", "the server's data folder (default $MILLPOND_DATA, else millpond in the user's data home)")
	root.AddCommand(newUp(p), newEnv(), newAzSetup(), newExec(), newImage(), newDoctor(p), newVersion(p))
	return root
}

// strictCompletion adds cobra's completion command, which by itself answers a
// shell it does not know with its help. It writes where root writes, so that
// has to be set before.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = noArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command or argument %q", args[0])}
	}
	return nil
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("expected %s", what)}
		}
		return nil
	}
}

func newVersion(p Program) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "millpond "+p.Version)
			return err
		},
	}
}

func newDoctor(p Program) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Tell what this machine lacks to run nodes", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := dataDir(c)
			if err != nil {
				return err
			}
			missing := 0
			for _, f := range p.Doctor(c.Context(), dir) {
				mark := "ok  "
				switch {
				case !f.OK && f.Needed:
					mark = "MISS"
					missing++
				case !f.OK:
					mark = "note"
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  %-24s %s\n", mark, f.Name, f.Note)
				if !f.OK && f.Fix != "" {
					fmt.Fprintf(c.OutOrStdout(), "      %-24s fix: %s\n", "", f.Fix)
				}
			}
			if missing > 0 {
				return fmt.Errorf("%d of the things that nodes need are missing", missing)
			}
			return nil
		},
	}
}
