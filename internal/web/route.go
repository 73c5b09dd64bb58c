package web

import (
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"millpond/internal/fault"
)

// Handler does one operation. What it returns is written by the face, so a
// handler can neither forget a header nor go on after an error.
type Handler func(*Call) (Reply, error)

// Route is one row of a face's table.
type Route struct {
	Operation string // the contract's name: CreatePool, GalleriesClient.CreateOrUpdate
	Method    string
	// Pattern is the path below the mount: /pools/{poolId}. {name} takes one
	// escaped segment, {name...} one or more, and a segment may hold text beside
	// its captures: certificates(thumbprint={thumbprint}).
	Pattern string
	// Action is the permission asked of Face.Authorize; Open rows need no identity.
	Action string
	Open   bool
	Status int // of success; Reply.Status overrides it
	// DataServiceID overrides the rule "on successful POST, PUT and PATCH".
	DataServiceID Presence
	// Since and Until bound the api-versions that know the operation
	// (inclusive, exclusive; empty means no bound).
	Since, Until string
	Handle       Handler // nil answers 501
}

// Presence says whether something is shown against its rule.
type Presence int8

// Presences.
const (
	ByRule Presence = iota
	Always
	Never
)

// Params are the captured parts of a path, unescaped.
type Params []struct{ Name, Value string }

// Get is the value captured as name, or "".
func (p Params) Get(name string) string {
	for _, kv := range p {
		if kv.Name == name {
			return kv.Value
		}
	}
	return ""
}

type segment struct {
	parts []part // literal and capture alternate
	many  bool   // {name...}
}

type part struct{ literal, capture string }

type compiled struct {
	*Route
	segments []segment
	captures int
}

// Table matches escaped paths against routes.
type Table struct {
	rows []compiled
	fold bool
}

// NewTable compiles routes; fold compares fixed segments without regard to
// case, as Resource Manager does. A malformed or doubled row panics: tables are
// program text.
func NewTable(routes []Route, fold bool) *Table {
	t := &Table{fold: fold}
	seen := map[string]bool{}
	for i := range routes {
		r := &routes[i]
		c := compiled{Route: r}
		key := r.Method + " "
		for _, text := range split(r.Pattern) {
			s := parseSegment(text)
			for _, p := range s.parts {
				if p.capture != "" {
					c.captures++
					key += "{}"
				} else {
					key += p.literal
				}
			}
			if s.many {
				c.captures += 10 // a wide capture is the last resort
				key += "..."
			}
			key += "/"
			c.segments = append(c.segments, s)
		}
		if r.Handle == nil {
			c.captures += 1000 // never before a row that has a handler
		}
		if t.fold {
			key = strings.ToLower(key)
		}
		if seen[key] {
			panic("web: route twice: " + key)
		}
		seen[key] = true
		t.rows = append(t.rows, c)
	}
	sort.SliceStable(t.rows, func(i, j int) bool { return t.rows[i].captures < t.rows[j].captures })
	return t
}

func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func parseSegment(text string) segment {
	var s segment
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			s.parts = append(s.parts, part{literal: text})
			break
		}
		end := strings.IndexByte(text, '}')
		if end < open {
			panic("web: unbalanced braces in " + text)
		}
		if open > 0 {
			s.parts = append(s.parts, part{literal: text[:open]})
		}
		name, many := strings.CutSuffix(text[open+1:end], "...")
		s.many = s.many || many
		s.parts = append(s.parts, part{capture: name})
		text = text[end+1:]
	}
	if s.many && len(s.parts) != 1 {
		panic("web: a wide capture stands alone in its segment")
	}
	return s
}

// Match finds the row for an escaped path. Errors: ResourceNotFound when no
// row knows the path, UnsupportedHttpVerb when none knows it with this method,
// InvalidUri for escapes that cannot be read.
func (t *Table) Match(method, escaped string) (*Route, Params, error) {
	segments := split(escaped)
	known := false
	for i := range t.rows {
		row := &t.rows[i]
		if row.Method != method && known {
			continue
		}
		var params Params
		if !t.match(row.segments, segments, &params) {
			continue
		}
		known = true
		if row.Method != method {
			continue
		}
		for j := range params {
			value, err := url.PathUnescape(params[j].Value)
			if err != nil || strings.ContainsRune(value, 0) {
				return nil, nil, fault.New("InvalidUri", "")
			}
			params[j].Value = value
		}
		return row.Route, params, nil
	}
	if known {
		return nil, nil, fault.New("UnsupportedHttpVerb", "")
	}
	return nil, nil, fault.New("ResourceNotFound", "")
}

func (t *Table) match(pattern []segment, path []string, params *Params) bool {
	for i, s := range pattern {
		if len(path) == 0 {
			return false
		}
		if s.many {
			rest := pattern[i+1:]
			mark := len(*params)
			for n := len(path); n >= 1; n-- {
				*params = append((*params)[:mark], struct{ Name, Value string }{s.parts[0].capture, strings.Join(path[:n], "/")})
				if t.match(rest, path[n:], params) {
					return true
				}
			}
			*params = (*params)[:mark]
			return false
		}
		if !t.segment(s, path[0], params) {
			return false
		}
		path = path[1:]
	}
	return len(path) == 0
}

func (t *Table) segment(s segment, text string, params *Params) bool {
	for i, p := range s.parts {
		if p.capture == "" {
			if len(text) < len(p.literal) || !t.same(text[:len(p.literal)], p.literal) {
				return false
			}
			text = text[len(p.literal):]
			continue
		}
		end := len(text)
		if i+1 < len(s.parts) {
			if end = t.index(text, s.parts[i+1].literal); end < 0 {
				return false
			}
		}
		if end == 0 {
			return false
		}
		*params = append(*params, struct{ Name, Value string }{p.capture, text[:end]})
		text = text[end:]
	}
	return text == ""
}

func (t *Table) same(a, b string) bool {
	return a == b || t.fold && strings.EqualFold(a, b)
}

func (t *Table) index(text, literal string) int {
	if t.fold {
		return strings.Index(strings.ToLower(text), strings.ToLower(literal))
	}
	return strings.Index(text, literal)
}

// Merge adds to routes those of contract that no row routes yet, so that they
// answer 501 and not 404.
func Merge(routes, contract []Route) []Route {
	have := map[string]bool{}
	for _, r := range routes {
		have[r.Shape()] = true
	}
	all := append([]Route(nil), routes...)
	for _, r := range contract {
		if !have[r.Shape()] {
			r.Handle = nil
			all = append(all, r)
		}
	}
	return all
}

// Shape is the method and the path with nameless captures in lower case: two
// rows of one shape are the same operation.
func (r Route) Shape() string {
	var b strings.Builder
	for _, s := range split(r.Pattern) {
		b.WriteByte('/')
		for _, p := range parseSegment(s).parts {
			if p.capture != "" {
				b.WriteString("{}")
			}
			b.WriteString(strings.ToLower(p.literal))
		}
	}
	return fmt.Sprintf("%s %s", r.Method, b.String())
}

func unrouted(c *Call) (Reply, error) {
	return Reply{}, fault.New("NotImplemented", "").With("Operation", c.Route.Operation)
}

// allowed lists the methods a path answers to, for the Allow header.
func (t *Table) allowed(escaped string) string {
	var methods []string
	for _, m := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut} {
		if _, _, err := t.Match(m, escaped); err == nil {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}
