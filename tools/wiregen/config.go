package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// config is a .conf file: one statement a line, the first word says which.
type config struct {
	pkg, out   string
	modules    []moduleRef
	roots      []string
	rename     map[string]string   // model -> Go type
	entity     map[string]string   // Go type -> name in errors
	order      map[string][]string // Go type -> JSON names, first to last
	lead       []string            // JSON names that come first in every ARM resource
	extra      map[string][]property
	shapes     []string // models given in full by the conf file
	duration   map[string]bool
	quoted     map[string]bool // Type.property: an integer written as a string
	max        map[string]int  // property -> characters
	enums      map[string][]string
	open       map[string]bool // enums taken as any string
	optional   map[string]bool // Type.property
	operations []operation
	clients    map[string]bool // clients whose operations are listed
	skip       []string        // path prefixes that are not
}

type moduleRef struct {
	path, prefix, time string
}

type operation struct {
	name, method, path string
	status             int
}

func readConfig(path string) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := &config{rename: map[string]string{}, entity: map[string]string{}, order: map[string][]string{}, extra: map[string][]property{},
		duration: map[string]bool{}, quoted: map[string]bool{}, max: map[string]int{}, enums: map[string][]string{},
		open: map[string]bool{}, optional: map[string]bool{}, clients: map[string]bool{}}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if err := c.statement(words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return c, lines.Err()
}

func (c *config) statement(key string, args []string) error {
	need := map[string]int{"package": 1, "out": 1, "module": 1, "root": 1, "rename": 2, "entity": 2, "order": 2, "lead": 1,
		"extra": 3, "shape": 2, "duration": 1, "quoted": 1, "max": 2, "enum": 2, "open": 1, "optional": 1, "operation": 4, "clients": 1, "skip": 1}
	n, ok := need[key]
	if !ok || len(args) < n {
		return fmt.Errorf("bad statement %q with %d arguments", key, len(args))
	}
	switch key {
	case "package":
		c.pkg = args[0]
	case "out":
		c.out = args[0]
	case "module":
		ref := moduleRef{path: args[0], time: "Time"}
		for _, option := range args[1:] {
			name, value, _ := strings.Cut(option, "=")
			switch name {
			case "prefix":
				ref.prefix = value
			case "time":
				ref.time = value
			default:
				return fmt.Errorf("bad option %q", option)
			}
		}
		c.modules = append(c.modules, ref)
	case "root":
		c.roots = append(c.roots, args...)
	case "rename":
		c.rename[args[0]] = args[1]
	case "entity":
		c.entity[args[0]] = args[1]
	case "order":
		c.order[args[0]] = append(c.order[args[0]], args[1:]...)
	case "lead":
		c.lead = args
	case "extra", "shape":
		return c.properties(key, args)
	case "duration":
		set(c.duration, args)
	case "quoted":
		set(c.quoted, args)
	case "open":
		set(c.open, args)
	case "optional":
		set(c.optional, args)
	case "clients":
		set(c.clients, args)
	case "skip":
		c.skip = append(c.skip, args...)
	case "enum":
		c.enums[args[0]] = args[1:]
	case "max":
		characters, err := strconv.Atoi(args[1])
		c.max[args[0]] = characters
		return err
	case "operation":
		status, err := strconv.Atoi(args[3])
		c.operations = append(c.operations, operation{args[0], args[1], args[2], status})
		return err
	}
	return nil
}

// properties reads "extra Type name type" (one more property of a model) and
// "shape Type name:type..." (a whole model; a * behind the type is required).
func (c *config) properties(key string, args []string) error {
	if key == "extra" {
		c.extra[args[0]] = append(c.extra[args[0]], newProperty(args[1], args[2]))
		return nil
	}
	if len(c.extra[args[0]]) == 0 {
		c.shapes = append(c.shapes, args[0])
	}
	for _, one := range args[1:] {
		name, typ, ok := strings.Cut(one, ":")
		if !ok {
			return fmt.Errorf("bad property %q", one)
		}
		c.extra[args[0]] = append(c.extra[args[0]], newProperty(name, typ))
	}
	return nil
}

func newProperty(name, typ string) property {
	bare, required := strings.CutSuffix(typ, "*")
	return property{name: name, field: goName(name), typ: bare, required: required}
}

func set(m map[string]bool, names []string) {
	for _, n := range names {
		m[n] = true
	}
}

// initialisms that are not a leading capital only
var initialisms = []string{"id", "url", "ip", "vm", "os", "sku", "cpu", "uri"}

func goName(jsonName string) string {
	for _, short := range initialisms {
		if jsonName == short || strings.HasPrefix(jsonName, short) && len(jsonName) > len(short) && jsonName[len(short)] >= 'A' && jsonName[len(short)] <= 'Z' {
			jsonName = strings.ToUpper(short) + jsonName[len(short):]
			break
		}
	}
	name := strings.ToUpper(jsonName[:1]) + jsonName[1:]
	if rest, ok := strings.CutSuffix(name, "Id"); ok {
		name = rest + "ID"
	}
	return name
}
