package main

import (
	"os"

	"millpond/internal/app"
	"millpond/internal/cli"
)

// version is set by the build.
var version = "dev"

func main() {
	os.Exit(cli.Main(cli.Program{
		Version: version, Up: app.Up, NodeHost: app.NodeHost, Doctor: app.Doctor,
	}, os.Args[1:], os.Stdout, os.Stderr))
}
