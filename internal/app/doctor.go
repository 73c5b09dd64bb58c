package app

import (
	"context"

	"millpond/internal/cli"
	"millpond/internal/provider/local"
)

// NodeHost is the process that keeps machines.
func NodeHost(args []string) int { return local.HostMain(args) }
