package web

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Filter is a parsed $filter: the part of OData the services accept, as a pure
// tree. Build one with ParseFilter or Call.Filter and ask Match.
type Filter struct {
	// Op is and, or, not, eq, ne, gt, ge, lt, le, a function's name, path or
	// literal.
	Op    string
	Args  []*Filter
	Path  string // executionInfo/exitCode
	Value any    // string, int64, float64, bool, Time or nil
}

// Filter reads $filter; nil when there is none.
func (c *Call) Filter() (*Filter, error) {
	text, ok := c.LookupQuery("$filter")
	if !ok || strings.TrimSpace(text) == "" {
		return nil, nil
	}
	f, reason := ParseFilter(text)
	if reason != "" {
		return nil, QueryFault("$filter", clip(text, 200), reason)
	}
	return f, nil
}

const (
	maxFilter      = 8192
	maxFilterDepth = 64
)

var filterFunctions = map[string]int{"startswith": 2, "endswith": 2, "contains": 2, "substringof": 2, "tolower": 1, "toupper": 1,
	// Resource Manager's, on lists of role assignments
	"atScope": 0, "assignedTo": 1}

// ParseFilter reads a clause; the second result says what is wrong with it, ""
// when nothing is.
func ParseFilter(text string) (*Filter, string) {
	if len(text) > maxFilter {
		return nil, "The filter clause is longer than 8192 bytes"
	}
	if !utf8.ValidString(text) {
		return nil, "The filter clause is not UTF-8"
	}
	p := &filterParser{text: text}
	p.next()
	f := p.or()
	if p.problem == "" && p.kind != tokenEnd {
		p.fail("unexpected '" + p.token + "'")
	}
	if p.problem != "" {
		return nil, "Syntax error at position " + strconv.Itoa(p.at) + " of the filter clause: " + p.problem
	}
	return f, ""
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenLiteral
	tokenMark // ( ) ,
)

type filterParser struct {
	text    string
	pos, at int // behind and before the token
	kind    tokenKind
	token   string
	value   any
	depth   int
	problem string
}

func (p *filterParser) fail(what string) {
	if p.problem == "" {
		p.problem = what
	}
	p.kind, p.token = tokenEnd, ""
}

func (p *filterParser) next() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
	p.at, p.value = p.pos, nil
	if p.pos == len(p.text) || p.problem != "" {
		p.kind, p.token = tokenEnd, ""
		return
	}
	switch c := p.text[p.pos]; {
	case c == '(' || c == ')' || c == ',':
		p.pos++
		p.kind, p.token = tokenMark, string(c)
	case c == '\'':
		p.kind, p.token = tokenLiteral, "a string"
		p.value = p.quoted()
	default:
		p.pos += wordLength(p.text[p.pos:])
		if p.pos == p.at {
			p.fail("unexpected character")
			return
		}
		p.token = p.text[p.at:p.pos]
		p.word()
	}
}

func wordLength(s string) int {
	if i := strings.IndexAny(s, " \t(),'"); i >= 0 {
		return i
	}
	return len(s)
}

// quoted reads 'it”s'.
func (p *filterParser) quoted() string {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		if p.text[p.pos] == '\'' {
			if p.pos++; p.pos == len(p.text) || p.text[p.pos] != '\'' {
				return b.String()
			}
		}
		b.WriteByte(p.text[p.pos])
	}
	p.fail("a string is not closed")
	return ""
}

// word is a name, a number, a boolean, or a prefix before a quoted literal
// (datetime'2024-01-01T00:00:00Z', guid'...').
func (p *filterParser) word() {
	p.kind = tokenLiteral
	switch c := p.token[0]; {
	case p.token == "true" || p.token == "false":
		p.value = p.token == "true"
	case p.token == "null":
	case c >= '0' && c <= '9' || c == '-' || c == '+':
		p.number()
	case p.pos < len(p.text) && p.text[p.pos] == '\'':
		p.prefixed(strings.ToLower(p.token))
	default:
		p.kind = tokenName
		for _, part := range strings.Split(p.token, "/") {
			if !isName(part) {
				p.fail("'" + p.token + "' is not a property path")
				return
			}
		}
	}
}

func isName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || (r < '0' || r > '9') && r != '.') {
			return false
		}
	}
	return s != ""
}

func (p *filterParser) number() {
	if n, err := strconv.ParseInt(strings.TrimRight(p.token, "lL"), 10, 64); err == nil {
		p.value = n
	} else if t, ok := ParseTime(p.token); ok { // OData 4 writes instants bare
		p.value = t
	} else if f, err := strconv.ParseFloat(strings.TrimRight(p.token, "dDfFmM"), 64); err == nil && f-f == 0 {
		p.value = f
	} else {
		p.fail("'" + p.token + "' is not a number")
	}
}

func (p *filterParser) prefixed(prefix string) {
	text := p.quoted()
	if p.problem != "" {
		return
	}
	switch prefix {
	case "datetime", "datetimeoffset":
		t, ok := ParseTime(text)
		if !ok {
			p.fail("'" + text + "' is not a date-time")
			return
		}
		p.value = t
	case "guid":
		p.value = text
	default:
		p.fail("unknown literal " + prefix + "'...'")
	}
}

func (p *filterParser) is(word string) bool { return p.kind == tokenName && p.token == word }

func (p *filterParser) or() *Filter {
	left := p.and()
	for p.is("or") {
		p.next()
		left = &Filter{Op: "or", Args: []*Filter{left, p.and()}}
	}
	return left
}

func (p *filterParser) and() *Filter {
	left := p.not()
	for p.is("and") {
		p.next()
		left = &Filter{Op: "and", Args: []*Filter{left, p.not()}}
	}
	return left
}

func (p *filterParser) not() *Filter {
	if p.depth++; p.depth > maxFilterDepth {
		p.fail("too deeply nested")
		return nil
	}
	defer func() { p.depth-- }()
	if p.is("not") {
		p.next()
		return &Filter{Op: "not", Args: []*Filter{p.not()}}
	}
	left := p.operand()
	for _, op := range []string{"eq", "ne", "gt", "ge", "lt", "le"} {
		if p.is(op) {
			p.next()
			return &Filter{Op: op, Args: []*Filter{left, p.operand()}}
		}
	}
	return left
}

func (p *filterParser) operand() *Filter {
	switch {
	case p.kind == tokenLiteral:
		f := &Filter{Op: "literal", Value: p.value}
		p.next()
		return f
	case p.kind == tokenMark && p.token == "(":
		p.next()
		f := p.or()
		p.expect(")")
		return f
	case p.kind == tokenName:
		name := p.token
		p.next()
		if p.kind == tokenMark && p.token == "(" {
			return p.call(name)
		}
		return &Filter{Op: "path", Path: name}
	case p.problem == "":
		p.fail("a value is expected")
	}
	return nil
}

func (p *filterParser) expect(mark string) {
	if p.kind != tokenMark || p.token != mark {
		p.fail("'" + mark + "' is expected")
		return
	}
	p.next()
}

func (p *filterParser) call(name string) *Filter {
	want, ok := filterFunctions[name]
	if !ok {
		p.fail("unknown function '" + name + "'")
		return nil
	}
	f := &Filter{Op: name}
	p.next()
	for i := range want {
		if i > 0 {
			p.expect(",")
		}
		f.Args = append(f.Args, p.or())
	}
	p.expect(")")
	return f
}
