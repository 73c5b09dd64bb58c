package web

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"millpond/internal/fault"
)

// maxDepth of nested arrays and objects; the deepest wire type has nine.
const maxDepth = 32

// Decode reads one JSON object into v, a pointer to a wire struct, in a single
// pass. Errors: InvalidRequestBody (syntax, unknown property, wrong type; Reason
// in the OData library's words, facts/wire.md 1.7), InvalidPropertyValue (enum,
// length), MissingRequiredProperty. A null counts as absent. Members that begin
// with "odata." are passed over, so a body that was read can be sent back.
func (s *Schema) Decode(data []byte, v any, version string) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic("web: Decode needs a pointer")
	}
	d := decoder{schema: s, data: data, version: version}
	if len(data) >= 3 && string(data[:3]) == "\xef\xbb\xbf" {
		d.pos = 3
	}
	d.space()
	if d.pos == len(data) {
		return badBody("The request body is empty.")
	}
	if d.data[d.pos] != '{' {
		return badBody("The request body must be a JSON object.")
	}
	if err := d.value(s.planOf(target.Type().Elem()), target.Elem(), nil); err != nil {
		return err
	}
	if d.space(); d.pos != len(data) {
		return d.syntax("more text after the end of the object")
	}
	return nil
}

type decoder struct {
	schema  *Schema
	data    []byte
	pos     int
	depth   int
	version string
	name    string // of the property being read
}

func badBody(format string, args ...any) error {
	return fault.New("InvalidRequestBody", "").With("Reason", fmt.Sprintf(format, args...))
}

func (d *decoder) syntax(what string) error {
	return badBody("Invalid JSON at byte %d: %s.", d.pos, what)
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is not space, 0 at the end.
func (d *decoder) peek() byte {
	d.space()
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

func (d *decoder) word(w string) bool {
	if strings.HasPrefix(string(d.data[d.pos:min(d.pos+len(w), len(d.data))]), w) {
		d.pos += len(w)
		return true
	}
	return false
}

// value reads into v; f is the property it belongs to, nil at the top and in
// arrays of objects.
func (d *decoder) value(p *plan, v reflect.Value, f *field) error {
	switch p.kind {
	case kindPointer:
		n := reflect.New(p.elem.typ)
		if err := d.value(p.elem, n.Elem(), f); err != nil {
			return err
		}
		v.Set(n)
		return nil
	case kindStruct:
		return d.object(p, v)
	case kindSlice:
		return d.array(p, v, f)
	case kindMap:
		return d.mapping(p, v, f)
	case kindRaw, kindAny:
		return d.raw(p, v)
	case kindOther:
		return d.other(p, v)
	default:
		return d.scalar(p, v, f)
	}
}

func (d *decoder) object(p *plan, v reflect.Value) error {
	if d.peek() != '{' {
		return d.mismatch(p)
	}
	seen := newSeen(len(p.fields))
	err := d.members(func(name []byte) error {
		i, ok := p.byName[string(name)]
		if !ok && d.schema.FoldNames {
			i, ok = p.byName[strings.ToLower(string(name))]
		}
		if !ok || !within(d.version, p.fields[i].since, p.fields[i].until) {
			if strings.HasPrefix(string(name), "odata.") {
				return d.skip()
			}
			return badBody("The property '%s' does not exist on type '%s'. Make sure to only use property names that are defined by the type.",
				clip(string(name), 200), p.name)
		}
		if seen.set(i) {
			return badBody("The property '%s' is given more than once.", p.fields[i].name)
		}
		f := &p.fields[i]
		if d.peek() == 'n' && d.word("null") {
			seen.clear(i)
			return nil
		}
		d.name = f.name
		return d.value(f.plan, v.Field(f.index), f)
	})
	if err != nil {
		return err
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.required && !seen.has(i) && within(d.version, f.since, f.until) {
			return fault.Missing(f.name)
		}
	}
	return nil
}

// members walks an object; each reads the value after every name. The name's
// bytes are valid only until the value is read.
func (d *decoder) members(each func(name []byte) error) error {
	if d.depth++; d.depth > maxDepth {
		return d.syntax("too deeply nested")
	}
	defer func() { d.depth-- }()
	d.pos++
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.syntax("a property name is expected")
		}
		name, err := d.text()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return d.syntax("a colon is expected")
		}
		d.pos++
		if err := each(name); err != nil {
			return err
		}
		switch d.peek() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return nil
		default:
			return d.syntax("a comma or the end of the object is expected")
		}
	}
}

// elements walks an array.
func (d *decoder) elements(each func() error) error {
	if d.depth++; d.depth > maxDepth {
		return d.syntax("too deeply nested")
	}
	defer func() { d.depth-- }()
	d.pos++
	if d.peek() == ']' {
		d.pos++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return nil
		default:
			return d.syntax("a comma or the end of the array is expected")
		}
	}
}

func (d *decoder) array(p *plan, v reflect.Value, f *field) error {
	if d.peek() != '[' {
		return d.mismatch(p)
	}
	// an empty array is not an absent one (facts/wire.md 4.31)
	v.Set(reflect.MakeSlice(p.typ, 0, 4))
	n := 0
	return d.elements(func() error {
		if d.peek() == 'n' {
			return d.mismatch(p.elem)
		}
		if n == v.Cap() {
			v.Grow(n)
		}
		v.SetLen(n + 1)
		n++
		return d.value(p.elem, v.Index(n-1), f)
	})
}

func (d *decoder) mapping(p *plan, v reflect.Value, f *field) error {
	if d.peek() != '{' {
		return d.mismatch(p)
	}
	v.Set(reflect.MakeMap(p.typ))
	return d.members(func(name []byte) error {
		key := reflect.ValueOf(string(name)).Convert(p.typ.Key())
		if d.peek() == 'n' && d.word("null") {
			return nil
		}
		n := reflect.New(p.elem.typ).Elem()
		if err := d.value(p.elem, n, f); err != nil {
			return err
		}
		v.SetMapIndex(key, n)
		return nil
	})
}

// other leaves a value to its own type.
func (d *decoder) other(p *plan, v reflect.Value) error {
	d.space()
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	if err := json.Unmarshal(d.data[start:d.pos], v.Addr().Interface()); err != nil {
		d.pos = start
		return d.mismatch(p)
	}
	return nil
}

func (d *decoder) raw(p *plan, v reflect.Value) error {
	d.space()
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	text := append([]byte(nil), d.data[start:d.pos]...)
	if p.kind == kindRaw {
		v.SetBytes(text)
		return nil
	}
	v.Set(reflect.ValueOf(rawMessage(text)))
	return nil
}

// skip passes over one value of any type, checking its syntax.
func (d *decoder) skip() error {
	switch c := d.peek(); {
	case c == '{':
		return d.members(func([]byte) error { return d.skip() })
	case c == '[':
		return d.elements(d.skip)
	case c == '"':
		_, err := d.text()
		return err
	case c == 't' && d.word("true"), c == 'f' && d.word("false"), c == 'n' && d.word("null"):
		return nil
	default:
		_, err := d.number()
		return err
	}
}

func (d *decoder) mismatch(p *plan) error {
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	found := clip(strings.ToValidUTF8(string(d.data[start:d.pos]), "?"), 100)
	if secretive(d.name) {
		found = "..."
	}
	switch p.kind {
	case kindStruct, kindMap:
		return badBody("An object is expected where '%s' was found.", found)
	case kindSlice:
		return badBody("An array is expected where '%s' was found.", found)
	default:
		return badBody("Cannot convert the literal '%s' to the expected type '%s'.", strings.Trim(found, `"`), p.name)
	}
}

// secretive tells by its name whether a property's value must not be repeated
// in an error: replies and what clients log of them are no place for it.
func secretive(property string) bool {
	name := strings.ToLower(property)
	return strings.Contains(name, "password") || strings.Contains(name, "secret") || strings.HasSuffix(name, "key") && !strings.HasSuffix(name, "publickey")
}
