package main

import (
	"os"

	"millpond/internal/node"
)

func main() { os.Exit(node.Main(os.Args)) }
