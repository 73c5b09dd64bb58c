package batchapi

import (
	"reflect"
	"slices"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// val is what a pointer holds, or the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// intOf is a count, 0 when absent.
func intOf(p *int32) int { return int(val(p)) }

func countOf(n int) *int32 { return new(int32(n)) } //nolint:gosec // counts of tasks and nodes fit

// notZero refuses a count that was sent as 0 where 0 would read as absent.
func notZero(property string, n *int32) error {
	if n != nil && *n == 0 {
		return fault.Property(property, "0", "The value must not be 0.")
	}
	return nil
}

// some is s, or nil when it is empty: absent on the wire.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func span(d *web.Duration) resource.Span {
	if d == nil {
		return 0
	}
	return d.Span()
}

// onlySupports refuses the properties of a body that this release cannot
// honour: those that hold something and are not in names. Empty lists and
// false say nothing and pass.
func onlySupports(prefix string, v any, names ...string) error {
	var p fault.Problems
	s := reflect.Indirect(reflect.ValueOf(v))
	if !s.IsValid() {
		return nil
	}
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Type().Field(i).Tag.Get("json"), ",")
		if slices.Contains(names, name) || idle(s.Field(i)) {
			continue
		}
		p.Add(fault.Unsupported(prefix+name, "This release does not support the property."))
	}
	return p.Err()
}

// idle reports whether a field asks for nothing.
func idle(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || v.Elem().Kind() == reflect.Bool && !v.Elem().Bool()
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

func environment(in []EnvironmentSetting) []pool.EnvironmentSetting {
	var out []pool.EnvironmentSetting
	for _, e := range in {
		out = append(out, pool.EnvironmentSetting{Name: val(e.Name), Value: val(e.Value)})
	}
	return out
}

func environmentOut(in []pool.EnvironmentSetting) []EnvironmentSetting {
	var out []EnvironmentSetting
	for _, e := range in {
		out = append(out, EnvironmentSetting{Name: new(e.Name), Value: new(e.Value)})
	}
	return out
}

func metadata(in []MetadataItem) []pool.Metadata {
	var out []pool.Metadata
	for _, m := range in {
		out = append(out, pool.Metadata{Name: val(m.Name), Value: val(m.Value)})
	}
	return out
}

func metadataOut(in []pool.Metadata) []MetadataItem {
	var out []MetadataItem
	for _, m := range in {
		out = append(out, MetadataItem{Name: new(m.Name), Value: new(m.Value)})
	}
	return out
}

// userIdentity reads who a task runs as; runElevated is what it was called
// before 2017-01-01.4.0.
func userIdentity(in *UserIdentity, runElevated *bool) pool.UserIdentity {
	if in == nil {
		if val(runElevated) {
			return pool.UserIdentity{Elevation: "admin"}
		}
		return pool.UserIdentity{}
	}
	u := pool.UserIdentity{Username: val(in.Username)}
	if in.AutoUser != nil {
		u.Scope = string(val(in.AutoUser.Scope))
		u.Elevation = string(val(in.AutoUser.ElevationLevel))
	}
	return u
}

func userIdentityOut(u pool.UserIdentity) (*UserIdentity, *bool) {
	if u.Username != "" {
		return &UserIdentity{Username: new(u.Username)}, new(false)
	}
	return &UserIdentity{AutoUser: &AutoUserSpecification{
		Scope: new(AutoUserScope(u.Scope)), ElevationLevel: new(ElevationLevel(u.Elevation)),
	}}, new(u.Elevation == "admin")
}

func failureOut(f *pool.Failure) *TaskFailureInfo {
	if f == nil {
		return nil
	}
	return &TaskFailureInfo{Category: new(ErrorCategory(f.Category)), Code: some(f.Code), Message: some(f.Message), Details: pairsOut(f.Details)}
}

func pairsOut(in [][2]string) []NameValuePair {
	var out []NameValuePair
	for _, p := range in {
		out = append(out, NameValuePair{Name: new(p[0]), Value: new(p[1])})
	}
	return out
}

func exitOut(code *int) *int32 {
	if code == nil {
		return nil
	}
	return countOf(*code)
}

// deleted is the reply to a delete: no body and no ETag.
func deleted() web.Reply { return web.Reply{} }
