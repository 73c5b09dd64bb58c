package armapi

import (
	"strings"

	"millpond/internal/web"
)

// equalities is a conjunction of equalities and functions: name to value.
type equalities map[string]string

func (f equalities) matches(name, value string) bool {
	want, ok := f[name]
	return !ok || strings.EqualFold(want, value)
}

// tagged reports whether tags hold what tagName and tagValue ask for; the two
// speak of one tag.
func (f equalities) tagged(tags map[string]string) bool {
	name, asked := f["tagName"]
	if !asked {
		return true
	}
	for k, v := range tags {
		if strings.EqualFold(k, name) {
			return f.matches("tagValue", v)
		}
	}
	return false
}

// readFilter takes the filters Resource Manager offers on its lists, joined by
// and: roleName eq 'x', resourceGroup eq 'x', and of Authorization assignedTo('x')
// and atScope(). Others than known are refused: ignoring one would show too much.
func readFilter(c *web.Call, known ...string) (equalities, error) {
	tree, err := c.Filter()
	if err != nil {
		return nil, err
	}
	f := equalities{}
	if tree == nil || f.read(tree, known) {
		return f, nil
	}
	return nil, web.QueryFault("$filter", clip(c.Query("$filter")), "The filters here are: "+strings.Join(known, ", "))
}

func (f equalities) read(t *web.Filter, known []string) bool {
	switch {
	case t.Op == "and" && len(t.Args) == 2:
		return f.read(t.Args[0], known) && f.read(t.Args[1], known)
	case t.Op == "eq" && len(t.Args) == 2 && t.Args[0].Op == "path" && t.Args[1].Op == "literal":
		return f.set(t.Args[0].Path, t.Args[1].Value, known)
	case t.Op == "assignedTo" && len(t.Args) == 1 && t.Args[0].Op == "literal":
		return f.set(t.Op, t.Args[0].Value, known)
	case t.Op == "atScope":
		return f.set(t.Op, "", known)
	}
	return false
}

func (f equalities) set(name string, value any, known []string) bool {
	text, ok := value.(string)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			f[k] = text
			return ok
		}
	}
	return false
}
