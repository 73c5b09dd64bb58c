package web

import (
	"strings"
)

// Selection is a parsed $select: the properties to write. A nil Selection
// writes all.
type Selection struct {
	children map[string]*Selection // nil child: the property with all below it
}

// Select reads $select: names, or paths with slashes, after commas and blanks
// (facts/wire.md 1.3).
func (c *Call) Select() (*Selection, error) {
	text, ok := c.LookupQuery("$select")
	if !ok {
		return nil, nil
	}
	sel, ok := ParseSelect(text)
	if !ok {
		return nil, QueryFault("$select", clip(text, 200), "The select clause holds an empty or malformed name")
	}
	return sel, nil
}

// ParseSelect reads the clause; an empty one selects all. It reports false when
// a name is empty or malformed.
func ParseSelect(text string) (*Selection, bool) {
	if strings.TrimSpace(text) == "" || len(text) > 4096 {
		return nil, len(text) <= 4096
	}
	root := &Selection{children: map[string]*Selection{}}
	for _, item := range strings.Split(text, ",") {
		path := strings.Split(strings.TrimSpace(item), "/")
		if path[0] == "*" && len(path) == 1 {
			return nil, true
		}
		at := root
		for i, name := range path {
			if name == "" || strings.ContainsAny(name, " \t'\"()") {
				return nil, false
			}
			child, seen := at.children[name]
			if i == len(path)-1 {
				at.children[name] = nil // the whole property wins over its parts
				break
			}
			if seen && child == nil {
				break
			}
			if child == nil {
				child = &Selection{children: map[string]*Selection{}}
				at.children[name] = child
			}
			at = child
		}
	}
	return root, true
}

// choose tells whether name is written and what of it.
func (s *Selection) choose(name string) (*Selection, bool) {
	if s == nil {
		return nil, true
	}
	child, ok := s.children[name]
	return child, ok
}

// Has reports whether the property is selected; true without a $select.
func (s *Selection) Has(name string) bool {
	_, ok := s.choose(name)
	return ok
}
