package app

import (
	"context"
	"os"
	"path/filepath"

	"millpond/internal/cli"
	"millpond/internal/provider/local"
)

// NodeHost is the process that keeps machines.
func NodeHost(args []string) int { return local.HostMain(args) }

// Doctor checks what machines need on this computer and ends one real machine
// to prove it.
func Doctor(ctx context.Context, dataDir string) []cli.Finding {
	self, err := os.Executable()
	if err != nil {
		return []cli.Finding{{Name: "program", Note: err.Error()}}
	}
	var out []cli.Finding
	for _, f := range local.Check(ctx, local.Config{DataDir: dataDir, Millpond: self, Agent: agentBeside(self)}) {
		out = append(out, cli.Finding{Name: f.Name, OK: f.OK, Needed: f.Needed, Note: f.Detail, Fix: f.Fix})
	}
	return out
}

// agentBeside is where the node agent lies: in the folder of this program.
func agentBeside(self string) string { return filepath.Join(filepath.Dir(self), "millpond-node") }
