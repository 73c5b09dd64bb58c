package web

import (
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	at, _ := ParseTime("2024-02-29T12:00:00Z")
	type state string
	name := "p"
	object := map[string]any{"id": "batch_app_1", "state": state("active"), "count": int32(3), "ratio": 0.5, "on": true, "made": at.Ticks(),
		"executionInfo/exitCode": 1, "quote": "it's", "ptr": &name, "none": (*string)(nil)}
	get := func(path string) any { return object[path] }
	for text, want := range map[string]bool{
		"id eq 'batch_app_1'":                      true,
		"id ne 'batch_app_1'":                      false,
		"'batch_app_1' eq id":                      true,
		"startswith(id,'batch_app_')":              true,
		"startswith(id, 'x') or endswith(id,'_1')": true,
		"contains(id,'app')":                       true,
		"substringof('app',id)":                    true,
		"tolower('ABC') eq 'abc'":                  true,
		"state eq 'active' and count eq 3":         true,
		"state eq 'active' and count gt 3":         false,
		"not (count eq 3)":                         false,
		"not count eq 3":                           false,
		"count ge 3 and count le 3 and count lt 4": true,
		"count gt 2.5":                             true,
		"ratio lt 1":                               true,
		"ratio eq 0.5d":                            true,
		"on eq true":                               true,
		"on":                                       true,
		"on eq 'true'":                             true,
		"made ge datetime'2024-02-29T11:59:59Z'":   true,
		"made lt datetime'2024-02-29T11:59:59Z'":   false,
		"made eq 2024-02-29T12:00:00Z":             true,
		"made gt '2024-01-01T00:00:00Z'":           true,
		"'2024-01-01T00:00:00Z' lt made":           true,
		"executionInfo/exitCode eq 1":              true,
		"quote eq 'it''s'":                         true,
		"ptr eq 'p'":                               true,
		"none eq null":                             true,
		"absent eq null":                           true,
		"absent ne 'x'":                            true,
		"absent gt 1":                              false,
		"id eq 1":                                  false,
		"a eq 1 or b eq 2 and on":                  false,
		"(a eq 1 or on) and on":                    true,
		"id eq guid'batch_app_1'":                  true,
		"atScope()":                                true,
	} {
		f, problem := ParseFilter(text)
		if problem != "" {
			t.Errorf("%s: %s", text, problem)
		} else if got := f.Match(get); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, bad := range []string{"id eq", "eq 'x'", "id eq 'x", "id eq 'x' and", "(id eq 'x'", "id eq 'x')", "id == 'x'", "id eq 'x' 'y'", "f(id)", "startswith(id)",
		"startswith(id,'a','b')", "id eq datetime'x'", "id eq 1e999", "a//b eq 1", "1a eq 1", "id eq foo'x'", "\xff", strings.Repeat("(", 100) + "a", strings.Repeat("not ", 100) + "a",
		strings.Repeat("a or ", 2000) + "a"} {
		if f, problem := ParseFilter(bad); problem == "" {
			t.Errorf("%.60q was read as %v", bad, f)
		}
	}
}

func TestFilterQuestions(t *testing.T) {
	f, _ := ParseFilter("verificationType eq 'verified' and (osType eq 'linux' or osType eq 'windows')")
	if v, ok := f.Equal("verificationtype"); !ok || v != "verified" {
		t.Error(v, ok)
	}
	if _, ok := f.Equal("osType"); ok {
		t.Error("a disjunct is not a promise")
	}
	if err := f.Allow("verificationType", "osType"); err != nil {
		t.Error(err)
	}
	if err := f.Allow("osType"); err == nil {
		t.Error("an unknown property passed")
	}
	var none *Filter
	if !none.Match(nil) || none.Allow() != nil {
		t.Error("no filter must match all")
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"id eq 'x'", "startswith(id,'a') and not (b gt 1.5 or c le datetime'2024-01-01T00:00:00Z')", "a/b ne null", "'it''s' eq q", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		filter, problem := ParseFilter(s)
		if problem != "" {
			if filter != nil {
				t.Fatal("a tree beside a problem")
			}
			return
		}
		filter.Match(func(string) any { return "x" })
		filter.Match(func(string) any { return int64(1) })
		filter.Match(func(string) any { return nil })
		_ = filter.Allow("id")
	})
}

func TestSelect(t *testing.T) {
	sel, ok := ParseSelect("allocationState, targetLowPriorityNodes,executionInfo/startTime,executionInfo/endTime")
	if !ok || !sel.Has("allocationState") || !sel.Has("targetLowPriorityNodes") || sel.Has("id") {
		t.Fatal(sel)
	}
	inner, has := sel.choose("executionInfo")
	if !has || !inner.Has("startTime") || inner.Has("exitCode") {
		t.Fatal(inner)
	}
	if sel, ok := ParseSelect("a/b,a"); !ok || sel.children["a"] != nil {
		t.Error("the whole property must win over its part")
	}
	if sel, ok := ParseSelect("a,a/b"); !ok || sel.children["a"] != nil {
		t.Error("the whole property must win over its part")
	}
	for _, all := range []string{"", "  ", "*"} {
		if sel, ok := ParseSelect(all); !ok || sel != nil {
			t.Errorf("%q: %v %v", all, sel, ok)
		}
	}
	for _, bad := range []string{"a,,b", "a b", "a/", "/a", "a('x')"} {
		if _, ok := ParseSelect(bad); ok {
			t.Errorf("%q passed", bad)
		}
	}
}

func FuzzSelect(f *testing.F) {
	f.Add("id, state")
	f.Add("a/b/c,a")
	f.Fuzz(func(t *testing.T, s string) {
		if sel, ok := ParseSelect(s); ok {
			sel.Has("id")
		}
	})
}
