package web

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"millpond/internal/resource"
)

// Match evaluates the filter over one object; a nil filter matches all. get
// gives the value of a property path: nil when absent, else a string (or any
// string type), an integer, a float, a bool, a Time, resource.Ticks or
// time.Time. Comparisons of values that cannot be compared are false, ne true.
func (f *Filter) Match(get func(path string) any) bool {
	if f == nil {
		return true
	}
	switch f.Op {
	case "and":
		return f.Args[0].Match(get) && f.Args[1].Match(get)
	case "or":
		return f.Args[0].Match(get) || f.Args[1].Match(get)
	case "not":
		return !f.Args[0].Match(get)
	case "eq", "ne", "gt", "ge", "lt", "le":
		order, ok := compare(f.Args[0].eval(get), f.Args[1].eval(get))
		switch f.Op {
		case "eq":
			return ok && order == 0
		case "ne":
			return !ok || order != 0
		case "gt":
			return ok && order > 0
		case "ge":
			return ok && order >= 0
		case "lt":
			return ok && order < 0
		}
		return ok && order <= 0
	default:
		b, _ := f.eval(get).(bool)
		return b
	}
}

// Paths lists the property paths the filter reads, so that a handler can refuse
// those it does not serve.
func (f *Filter) Paths() []string {
	if f == nil {
		return nil
	}
	if f.Op == "path" {
		return []string{f.Path}
	}
	var all []string
	for _, a := range f.Args {
		all = append(all, a.Paths()...)
	}
	return all
}

// Allow refuses paths outside the list with InvalidQueryParameterValue.
func (f *Filter) Allow(paths ...string) error {
next:
	for _, got := range f.Paths() {
		for _, p := range paths {
			if p == got {
				continue next
			}
		}
		return QueryFault("$filter", clip(got, 200), "The property '"+clip(got, 200)+"' cannot be filtered on; use "+strings.Join(paths, ", "))
	}
	return nil
}

// Equal reports the value v of a conjunct "path eq 'v'" (either way round), for
// handlers that can look it up directly.
func (f *Filter) Equal(path string) (any, bool) {
	if f == nil {
		return nil, false
	}
	switch f.Op {
	case "and":
		if v, ok := f.Args[0].Equal(path); ok {
			return v, true
		}
		return f.Args[1].Equal(path)
	case "eq":
		for i, a := range f.Args {
			other := f.Args[1-i]
			if a.Op == "path" && strings.EqualFold(a.Path, path) && other.Op == "literal" {
				return other.Value, true
			}
		}
	}
	return nil, false
}

func (f *Filter) eval(get func(string) any) any {
	switch f.Op {
	case "literal":
		return f.Value
	case "path":
		return plainValue(get(f.Path))
	case "tolower", "toupper":
		s, ok := f.Args[0].eval(get).(string)
		if !ok {
			return nil
		}
		if f.Op == "tolower" {
			return strings.ToLower(s)
		}
		return strings.ToUpper(s)
	case "startswith", "endswith", "contains", "substringof":
		a, ok1 := f.Args[0].eval(get).(string)
		b, ok2 := f.Args[1].eval(get).(string)
		if !ok1 || !ok2 {
			return false
		}
		switch f.Op {
		case "startswith":
			return strings.HasPrefix(a, b)
		case "endswith":
			return strings.HasSuffix(a, b)
		case "contains":
			return strings.Contains(a, b)
		}
		return strings.Contains(b, a)
	case "atScope", "assignedTo":
		return true // the handler narrows by scope and principal itself
	default:
		return f.Match(get)
	}
}

// plainValue folds what handlers give into string, int64, float64, bool, Time.
func plainValue(v any) any {
	switch v := v.(type) {
	case nil, string, int64, float64, bool, Time:
		return v
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case resource.Ticks:
		if v == 0 {
			return nil
		}
		return Time(v)
	case *Time:
		if v == nil {
			return nil
		}
		return *v
	case *string:
		if v == nil {
			return nil
		}
		return *v
	case time.Time:
		return Time(resource.TicksOf(v))
	case fmt.Stringer:
		return v.String()
	default:
		return stringKind(v)
	}
}

// compare orders two values; false when their kinds do not meet. Strings that
// meet a Time or a bool are read as one, as az writes them quoted.
func compare(a, b any) (int, bool) {
	switch a := a.(type) {
	case nil:
		return 0, b == nil
	case string:
		if s, ok := b.(string); ok {
			return strings.Compare(a, s), true
		}
		order, ok := compare(b, readAs(a, b))
		return -order, ok && b != nil
	case Time:
		if t, ok := readAs2[Time](b); ok {
			return order(a, t), true
		}
	case bool:
		if t, ok := readAs2[bool](b); ok {
			if a == t {
				return 0, true
			}
			if a {
				return 1, true
			}
			return -1, true
		}
	case int64:
		switch b := b.(type) {
		case int64:
			return order(a, b), true
		case float64:
			return order(float64(a), b), true
		}
	case float64:
		switch b := b.(type) {
		case int64:
			return order(a, float64(b)), true
		case float64:
			return order(a, b), true
		}
	}
	return 0, false
}

func order[T int64 | float64 | Time](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func readAs2[T any](v any) (T, bool) {
	var zero T
	if s, ok := v.(string); ok {
		v = readAs(s, zero)
	}
	t, ok := v.(T)
	return t, ok
}

// readAs reads s as the type like has, nil when it cannot.
func readAs(s string, like any) any {
	switch like.(type) {
	case Time:
		if t, ok := ParseTime(s); ok {
			return t
		}
	case bool:
		if s == "true" || s == "false" {
			return s == "true"
		}
	}
	return nil
}

// stringKind unwraps named string, integer and boolean types.
func stringKind(v any) any {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil
		}
		return plainValue(r.Elem().Interface())
	}
	switch r.Kind() {
	case reflect.String:
		return r.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Float32, reflect.Float64:
		return r.Float()
	case reflect.Bool:
		return r.Bool()
	}
	return nil
}
