package web

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Schema is what a face knows of its wire structs beyond their fields. One
// struct family serves both directions: pointers tell absent from zero, json
// tags give the names, wire tags the rules: wire:"req,max=1024".
type Schema struct {
	// Versions judges api-version and hides properties; nil takes any.
	Versions *Versions
	// Enums holds the canonical values of string types by Go type name. Input is
	// compared without regard to case and stored in this spelling.
	Enums map[string][]string
	// Names gives the name of a Go type in errors where it is another.
	Names map[string]string
	// TypePrefix stands before those names: Microsoft.Azure.Batch.Protocol.Entities.
	TypePrefix string
	// FoldNames takes property names in any case, as Resource Manager does.
	FoldNames bool

	plans sync.Map // reflect.Type -> *plan
}

type kind uint8

const (
	kindStruct kind = iota
	kindPointer
	kindSlice
	kindMap
	kindString
	kindEnum
	kindInt
	kindFloat
	kindBool
	kindTime
	kindCompute
	kindDuration
	kindRaw
	kindAny
	kindOther // left to encoding/json
)

// plan is a Go type, looked at once.
type plan struct {
	kind   kind
	typ    reflect.Type
	name   string // in errors
	elem   *plan
	fields []field
	byName map[string]int
	enum   map[string]string // lower case -> canonical
	bits   int
}

type field struct {
	name         string
	quoted       []byte // "name":
	index        int
	plan         *plan
	required     bool
	quote        bool // an integer written as a string (json:",string")
	omit         bool // when zero; nil pointers, slices and maps always are
	max          int  // of characters; 0 is no limit
	since, until string
}

var (
	typeTime     = reflect.TypeFor[Time]()
	typeCompute  = reflect.TypeFor[Compute]()
	typeDuration = reflect.TypeFor[Duration]()
	typeRaw      = reflect.TypeFor[json.RawMessage]()

	typeMarshaler     = reflect.TypeFor[json.Marshaler]()
	typeTextMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// planOf gives the plan of t. Types may refer to themselves, so a plan is filled
// under a builder and published when whole.
func (s *Schema) planOf(t reflect.Type) *plan {
	if p, ok := s.plans.Load(t); ok {
		return p.(*plan)
	}
	building := map[reflect.Type]*plan{}
	p := s.build(t, building)
	for typ, one := range building {
		s.plans.LoadOrStore(typ, one)
	}
	return p
}

func (s *Schema) build(t reflect.Type, building map[reflect.Type]*plan) *plan {
	if p, ok := s.plans.Load(t); ok {
		return p.(*plan)
	}
	if p, ok := building[t]; ok {
		return p
	}
	p := &plan{typ: t, name: s.nameOf(t)}
	building[t] = p
	switch t {
	case typeTime:
		p.kind, p.name = kindTime, "Edm.DateTime"
		return p
	case typeCompute:
		p.kind, p.name = kindCompute, "Edm.DateTimeOffset"
		return p
	case typeDuration:
		p.kind, p.name = kindDuration, "Edm.Time"
		return p
	case typeRaw:
		p.kind = kindRaw
		return p
	}
	for _, own := range []reflect.Type{typeMarshaler, typeTextMarshaler} {
		if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && (t.Implements(own) || reflect.PointerTo(t).Implements(own)) {
			p.kind = kindOther // it knows how it looks
			return p
		}
	}
	switch t.Kind() {
	case reflect.Struct:
		p.kind = kindStruct
		s.buildFields(p, building)
	case reflect.Pointer:
		p.kind, p.elem = kindPointer, s.build(t.Elem(), building)
	case reflect.Slice:
		p.kind, p.elem = kindSlice, s.build(t.Elem(), building)
	case reflect.Map:
		p.kind, p.elem = kindMap, s.build(t.Elem(), building)
		if t.Key().Kind() != reflect.String {
			p.kind = kindOther
		}
	case reflect.String:
		p.kind, p.name = kindString, "Edm.String"
		if values := s.Enums[t.Name()]; values != nil {
			p.kind, p.name, p.enum = kindEnum, s.nameOf(t), map[string]string{}
			for _, v := range values {
				p.enum[strings.ToLower(v)] = v
			}
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		p.kind, p.bits, p.name = kindInt, t.Bits(), "Edm.Int"+strconv.Itoa(t.Bits())
	case reflect.Float32, reflect.Float64:
		p.kind, p.bits, p.name = kindFloat, t.Bits(), "Edm.Double"
	case reflect.Bool:
		p.kind, p.name = kindBool, "Edm.Boolean"
	case reflect.Interface:
		p.kind = kindAny
	default:
		p.kind = kindOther
	}
	return p
}

func (s *Schema) nameOf(t reflect.Type) string {
	if name := s.Names[t.Name()]; name != "" {
		return s.TypePrefix + name
	}
	return s.TypePrefix + t.Name()
}

func (s *Schema) buildFields(p *plan, building map[reflect.Type]*plan) {
	p.byName = map[string]int{}
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if sf.Anonymous {
			panic(fmt.Sprintf("web: %s embeds %s: wire structs are flat", p.typ, sf.Name))
		}
		if !sf.IsExported() || name == "-" || name == "" {
			continue
		}
		f := field{
			name: name, quoted: append(appendString(nil, name), ':'), index: i,
			plan:  s.build(sf.Type, building),
			quote: strings.Contains(options, "string"),
			omit:  strings.Contains(options, "omit"),
		}
		for _, rule := range strings.Split(sf.Tag.Get("wire"), ",") {
			key, value, _ := strings.Cut(rule, "=")
			switch key {
			case "":
			case "req":
				f.required = true
			case "max":
				n, err := strconv.Atoi(value)
				if err != nil {
					panic(fmt.Sprintf("web: %s.%s: bad wire tag %q", p.typ, name, rule))
				}
				f.max = n
			default:
				panic(fmt.Sprintf("web: %s.%s: unknown wire rule %q", p.typ, name, rule))
			}
		}
		if s.Versions != nil {
			mark := s.Versions.Properties[p.typ.Name()+"."+name]
			f.since, f.until = mark.Since, mark.Until
		}
		key := name
		if s.FoldNames {
			key = strings.ToLower(name)
		}
		p.byName[key] = len(p.fields)
		p.fields = append(p.fields, f)
	}
}
