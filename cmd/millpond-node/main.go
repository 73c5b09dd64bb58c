// Command millpond-node is the agent: the first process of every machine.
package main

import (
	"os"

	"millpond/internal/node"
)

func main() { os.Exit(node.Main(os.Args)) }
