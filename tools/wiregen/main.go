// Command wiregen writes the wire structs of a face from the shapes in the
// official Go SDK modules: names, types, JSON names and which properties are
// required, nothing else. What those modules lack (older properties, spelling of
// values on the wire, order) stands in the face's .conf file beside this program.
//
// Usage: wiregen FILE.conf...   (run in this folder; see scripts/generate)
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: wiregen FILE.conf...")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		if err := generate(path); err != nil {
			fmt.Fprintf(os.Stderr, "wiregen: %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func generate(path string) error {
	conf, err := readConfig(path)
	if err != nil {
		return err
	}
	var modules []*module
	for _, ref := range conf.modules {
		m, err := readModule(ref)
		if err != nil {
			return err
		}
		modules = append(modules, m)
	}
	types, enums, err := gather(conf, modules)
	if err != nil {
		return err
	}
	if err := emitTypes(conf, types, enums); err != nil {
		return err
	}
	return emitOperations(conf, modules)
}
