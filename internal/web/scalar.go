package web

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"millpond/internal/fault"
)

func (d *decoder) scalar(p *plan, v reflect.Value, f *field) error {
	c := d.peek()
	start := d.pos
	switch {
	case p.kind == kindBool:
		if c == 't' && d.word("true") || c == 'f' && d.word("false") {
			v.SetBool(c == 't')
			return nil
		}
	case (p.kind == kindInt || p.kind == kindFloat) && c != '"' && c != '{' && c != '[' && c != 't' && c != 'f' && c != 'n':
		text, err := d.number()
		if err != nil {
			return err
		}
		if setNumber(p, v, text) {
			return nil
		}
	case c == '"':
		text, err := d.text()
		if err != nil {
			return err
		}
		ok, err := setText(p, v, text, f)
		if ok || err != nil {
			return err
		}
	}
	d.pos = start
	return d.mismatch(p)
}

func setNumber(p *plan, v reflect.Value, text []byte) bool {
	if p.kind == kindFloat {
		n, err := strconv.ParseFloat(string(text), p.bits)
		v.SetFloat(n)
		return err == nil
	}
	n, err := strconv.ParseInt(string(text), 10, p.bits)
	v.SetInt(n)
	return err == nil
}

// setText reports false for text that is not of the type at all.
func setText(p *plan, v reflect.Value, text []byte, f *field) (bool, error) {
	switch p.kind {
	case kindString:
		if f != nil && f.max > 0 && len(text) > f.max && utf8.RuneCount(text) > f.max {
			shown := clip(string(text), 100)
			if secretive(f.name) {
				shown = ""
			}
			return false, fault.Property(f.name, shown, fmt.Sprintf("The length must not exceed %d characters", f.max))
		}
		v.SetString(string(text))
	case kindEnum:
		canonical, ok := p.enum[string(text)]
		if !ok {
			canonical, ok = p.enum[strings.ToLower(string(text))]
		}
		if !ok {
			name := p.name
			if f != nil {
				name = f.name
			}
			return false, fault.Property(name, clip(string(text), 100), "The value must be one of: "+joinValues(p.enum))
		}
		v.SetString(canonical)
	case kindTime, kindCompute:
		t, ok := ParseTime(string(text))
		v.SetInt(int64(t))
		return ok, nil
	case kindDuration:
		span, ok := ParseDuration(string(text))
		v.SetInt(int64(span))
		return ok, nil
	case kindInt:
		return setNumber(p, v, text), nil // OData writes Int64 as a string; az quotes every integer of its command line
	default:
		return false, nil
	}
	return true, nil
}
