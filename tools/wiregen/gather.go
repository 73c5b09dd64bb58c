package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

type goType struct {
	name       string
	properties []property // typ is Go text
}

// gather closes the roots over their references and turns models into Go types.
func gather(c *config, modules []*module) ([]goType, map[string][]string, error) {
	g := &gatherer{c: c, modules: modules, done: map[string]string{}, enums: map[string][]string{}}
	for _, root := range c.roots {
		if err := g.root(root); err != nil {
			return nil, nil, err
		}
	}
	for _, shape := range c.shapes {
		if err := g.model(nil, &model{name: shape}); err != nil {
			return nil, nil, err
		}
	}
	for used := range c.order {
		if _, ok := g.done[used]; !ok {
			return nil, nil, fmt.Errorf("order: no type %s", used)
		}
	}
	sort.Slice(g.types, func(i, j int) bool { return g.types[i].name < g.types[j].name })
	return g.types, g.enums, nil
}

type gatherer struct {
	c       *config
	modules []*module
	done    map[string]string // Go type -> module path
	types   []goType
	enums   map[string][]string
}

func (g *gatherer) root(name string) error {
	for _, m := range g.modules {
		if one := m.models[name]; one != nil {
			return g.model(m, one)
		}
	}
	return fmt.Errorf("no model %s", name)
}

func (g *gatherer) goName(m *module, name string) string {
	if to := g.c.rename[name]; to != "" {
		return to
	}
	if m != nil {
		return m.ref.prefix + name
	}
	return name
}

func (g *gatherer) model(m *module, one *model) error {
	name, from := g.goName(m, one.name), "the conf file"
	if m != nil {
		from = m.ref.path
	}
	if other, ok := g.done[name]; ok {
		if other != from && !g.same(name, one) {
			return fmt.Errorf("%s stands in %s and in %s: rename one", name, other, from)
		}
		return nil
	}
	g.done[name] = from
	t := goType{name: name}
	all := append(slices.Clone(one.properties), g.c.extra[name]...)
	for _, p := range all {
		text, err := g.text(m, name, p)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, p.name, err)
		}
		p.typ = text
		p.required = p.required && !g.c.optional[name+"."+p.name]
		t.properties = append(t.properties, p)
	}
	if err := g.sort(&t); err != nil {
		return err
	}
	g.types = append(g.types, t)
	return nil
}

// same reports that a model of another module has the same properties as the
// Go type that was made of its namesake.
func (g *gatherer) same(name string, one *model) bool {
	i := slices.IndexFunc(g.types, func(t goType) bool { return t.name == name })
	if i < 0 || len(g.types[i].properties) != len(one.properties) {
		return false
	}
	for _, p := range one.properties {
		if !slices.ContainsFunc(g.types[i].properties, func(q property) bool { return q.name == p.name && q.field == p.field }) {
			return false
		}
	}
	return true
}

// sort puts the properties in the order of the wire: that of the order
// statement; else the lead names; else as they came.
func (g *gatherer) sort(t *goType) error {
	order := g.c.order[t.name]
	for _, name := range order {
		if !slices.ContainsFunc(t.properties, func(p property) bool { return p.name == name }) {
			return fmt.Errorf("order: %s has no property %s", t.name, name)
		}
	}
	if order == nil {
		order = g.c.lead
	}
	rank := func(p property) int {
		if i := slices.Index(order, p.name); i >= 0 {
			return i
		}
		return len(order)
	}
	sort.SliceStable(t.properties, func(i, j int) bool { return rank(t.properties[i]) < rank(t.properties[j]) })
	seen := map[string]bool{}
	for _, p := range t.properties {
		if seen[p.name] || seen[p.field+"\x00"] {
			return fmt.Errorf("%s.%s twice", t.name, p.name)
		}
		seen[p.name], seen[p.field+"\x00"] = true, true
	}
	return nil
}

// text is the Go type of a property.
func (g *gatherer) text(m *module, owner string, p property) (string, error) {
	if rest, ok := strings.CutPrefix(p.typ, "[]"); ok {
		if rest == "byte" {
			return "*string", nil // base64 on the wire
		}
		text, err := g.name(m, owner, property{name: p.name, typ: rest})
		return "[]" + text, err
	}
	if rest, ok := strings.CutPrefix(p.typ, "map[string]"); ok {
		text, err := g.name(m, owner, property{name: p.name, typ: rest})
		return "map[string]" + text, err
	}
	text, err := g.name(m, owner, p)
	if text == "json.RawMessage" {
		return text, err
	}
	return "*" + text, err
}

func (g *gatherer) name(m *module, owner string, p property) (string, error) {
	if g.c.quoted[owner+"."+p.name] {
		return "int64", nil
	}
	switch p.typ {
	case "string":
		if g.c.duration[p.name] || g.c.duration[owner+"."+p.name] {
			return "web.Duration", nil
		}
		return "string", nil
	case "bool", "int32", "int64", "float32", "float64":
		return p.typ, nil
	case "time":
		if m != nil && m.ref.time != "Time" {
			if m.ref.time == "string" {
				return "string", nil
			}
			return "web." + m.ref.time, nil
		}
		return "web.Time", nil
	case "duration":
		return "web.Duration", nil
	case "any", "json.RawMessage":
		return "json.RawMessage", nil
	}
	if g.c.open[p.typ] {
		return "string", nil
	}
	if m != nil {
		if one := m.models[p.typ]; one != nil {
			return g.goName(m, p.typ), g.model(m, one)
		}
		if values := m.enums[p.typ]; values != nil {
			return g.goName(m, p.typ), g.enum(g.goName(m, p.typ), values)
		}
		if strings.HasSuffix(p.typ, "Classification") {
			return "json.RawMessage", nil // one of several types
		}
	}
	if values := g.c.enums[p.typ]; values != nil {
		return p.typ, g.enum(p.typ, values)
	}
	if slices.Contains(g.c.shapes, p.typ) {
		return p.typ, nil
	}
	for _, other := range g.modules {
		if one := other.models[p.typ]; one != nil {
			return g.goName(other, p.typ), g.model(other, one)
		}
		if values := other.enums[p.typ]; values != nil {
			return g.goName(other, p.typ), g.enum(g.goName(other, p.typ), values)
		}
	}
	return "", fmt.Errorf("unknown type %s", p.typ)
}

func (g *gatherer) enum(name string, values []string) error {
	if own := g.c.enums[name]; own != nil {
		values = own
	}
	sorted := slices.Sorted(slices.Values(values))
	if have, ok := g.enums[name]; ok && !slices.Equal(have, sorted) {
		return fmt.Errorf("enum %s stands in two modules: rename one", name)
	}
	g.enums[name] = sorted
	return nil
}
