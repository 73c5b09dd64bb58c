package armapi

import (
	"fmt"
	"reflect"
	"strings"

	"millpond/internal/fault"
)

// readOnly are members of every body that clients send back as they read them.
var readOnly = []string{"id", "name", "type", "location", "tags.*", "etag", "systemData.*", "properties.provisioningState"}

// honour refuses what the contract knows and this release cannot do, instead of
// dropping it: every member that was sent must be in allowed. "a.b" is one
// member, "a.*" all below a, "a.b=V" the member with only that value. Members
// with their zero value ask for nothing and pass.
func honour(body any, allowed ...string) error {
	rules := map[string]string{}
	for _, a := range append(allowed, readOnly...) {
		name, value, limited := strings.Cut(a, "=")
		if !limited {
			value = "*"
		}
		rules[strings.ToLower(name)] = value
	}
	var p fault.Problems
	walk(reflect.ValueOf(body), "", rules, &p)
	return p.Joined()
}

func walk(v reflect.Value, path string, rules map[string]string, p *fault.Problems) {
	if rules[strings.ToLower(path)+".*"] != "" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), path, rules, p)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			walk(v.Field(i), strings.TrimPrefix(path+"."+name, "."), rules, p)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), path, rules, p)
		}
	default:
		if v.IsZero() {
			return
		}
		only := rules[strings.ToLower(path)]
		switch value := fmt.Sprint(v.Interface()); {
		case only == "":
			p.Add(unsupported(path, "The property '%s' is not offered by this release.", path))
		case only != "*" && !strings.EqualFold(only, value):
			p.Add(unsupported(path, "The property '%s' is offered with the value '%s' only, not '%s'.", path, only, value))
		}
	}
}

func unsupported(path, format string, args ...any) *fault.Error {
	return fault.Newf("UnsupportedProperty", format, args...).With("target", path)
}
