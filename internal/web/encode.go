package web

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"sort"
	"strconv"
	"sync"
	"unicode/utf8"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Encode writes body (a pointer to a wire struct, Values, a map, raw JSON or
// anything encoding/json takes) inside its envelope: odata.metadata is the first
// member and the next page's address the last. Properties the version does not
// know and those sel leaves out are not written; nothing is ever null but what a
// field of type any holds.
func (s *Schema) Encode(env Envelope, body any, version string, sel *Selection) ([]byte, error) {
	if raw, ok := body.(json.RawMessage); ok {
		return raw, nil
	}
	kept := buffers.Get().(*[]byte)
	e := encoder{schema: s, version: version}
	b, err := e.whole((*kept)[:0], env, body, sel)
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(b)
	if cap(b) <= maxKept {
		*kept = b
	}
	buffers.Put(kept)
	return out, nil
}

// buffers are reused between replies: a page of tasks is half a megabyte.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxKept = 1 << 20

func (e *encoder) whole(b []byte, env Envelope, body any, sel *Selection) ([]byte, error) {
	s := e.schema
	b = append(b, '{')
	if env.Metadata != "" {
		b = append(b, `"odata.metadata":`...)
		b = appendString(b, env.Metadata)
	}
	page, isPage := body.(Values)
	if !isPage {
		v := reflect.ValueOf(body)
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		switch p := s.planOf(v.Type()); {
		case p.kind == kindStruct:
			b = e.fields(b, p, v, sel)
		case p.kind == kindMap:
			b = e.entries(b, p, v)
		case env.Metadata == "":
			b = e.value(b[:0], p, v, sel) // an array or a bare value
			return b, e.err
		default:
			return nil, fault.Newf("InternalError", "a body of type %s has no place for odata.metadata", v.Type())
		}
		return append(b, '}'), e.err
	}
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"value":`...)
	items := reflect.ValueOf(page.Items)
	if !items.IsValid() || items.Len() == 0 {
		b = append(b, "[]"...)
	} else {
		b = e.value(b, s.planOf(items.Type()), items, sel)
	}
	if page.Next != "" {
		b = append(b, ',')
		b = appendString(b, env.NextName)
		b = appendString(append(b, ':'), page.Next)
	}
	return append(b, '}'), e.err
}

type encoder struct {
	schema  *Schema
	version string
	err     error
}

func (e *encoder) value(b []byte, p *plan, v reflect.Value, sel *Selection) []byte {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return e.value(b, p.elem, v.Elem(), sel)
	case kindStruct:
		return append(e.fields(append(b, '{'), p, v, sel), '}')
	case kindSlice:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.value(b, p.elem, v.Index(i), sel)
		}
		return append(b, ']')
	case kindMap:
		return append(e.entries(append(b, '{'), p, v), '}')
	case kindString, kindEnum:
		return appendString(b, v.String())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return appendFloat(b, v.Float(), p.bits)
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindTime:
		return append(Time(v.Int()).appendText(append(b, '"')), '"')
	case kindCompute:
		return appendString(b, OffsetTime(resource.Ticks(v.Int())))
	case kindDuration:
		return append(Duration(v.Int()).appendText(append(b, '"')), '"')
	case kindRaw:
		if v.Len() == 0 {
			return append(b, "null"...)
		}
		return append(b, v.Bytes()...)
	case kindAny:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return e.value(b, e.schema.planOf(v.Elem().Type()), v.Elem(), sel)
	default:
		if v.CanAddr() {
			v = v.Addr() // its methods may ask for a pointer
		}
		raw, err := json.Marshal(v.Interface())
		if err != nil && e.err == nil {
			e.err = fault.New("InternalError", "").Because(err)
		}
		return append(b, raw...)
	}
}

func (e *encoder) fields(b []byte, p *plan, v reflect.Value, sel *Selection) []byte {
	first := b[len(b)-1] == '{'
	for i := range p.fields {
		f := &p.fields[i]
		under, chosen := sel.choose(f.name)
		if !chosen || !within(e.version, f.since, f.until) {
			continue
		}
		fv := v.Field(f.index)
		switch f.plan.kind {
		case kindPointer, kindSlice, kindMap, kindRaw:
			if fv.IsNil() {
				continue
			}
		default:
			if f.omit && fv.IsZero() {
				continue
			}
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.quoted...)
		if f.quote {
			b = append(e.value(append(b, '"'), f.plan, fv, nil), '"')
			continue
		}
		b = e.value(b, f.plan, fv, under)
	}
	return b
}

func (e *encoder) entries(b []byte, p *plan, v reflect.Value) []byte {
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	first := b[len(b)-1] == '{'
	for _, key := range keys {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, key.String()), ':')
		b = e.value(b, p.elem, v.MapIndex(key), nil)
	}
	return b
}

func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, '0')
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendString quotes s; invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
