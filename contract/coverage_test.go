package contract

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millpond/internal/web"
	"millpond/internal/web/armapi"
	"millpond/internal/web/batchapi"
)

var update = flag.Bool("update", false, "add newly routed operations to routed.txt and drop them from unsupported.txt")

// face is one table of routes and the contracts it answers for.
type face struct {
	name   string
	fold   bool
	routes []web.Route
	whole  *web.Table // with the rows that answer 501
	tables []string
}

func faces() []face {
	return []face{
		{"batch", false, (&batchapi.API{}).Routes(), (&batchapi.API{}).Face(nil).Table, []string{"batch-2024-07-01.20.0.json", "batch-2022-10-01.16.0.json"}},
		{"arm", true, (&armapi.API{}).Routes(), (&armapi.API{}).Face().Table, []string{"arm-batch-2024-07-01.json", "arm-compute.json", "arm-resources.json", "arm-subscriptions.json", "arm-authorization.json"}},
	}
}

type operation struct{ Client, Operation, Method, Path string }

// key names an operation in the lists: by method and path, which clients
// of two ages share while they name it differently.
func (o operation) key(face string) string { return face + " " + o.Method + " " + o.Path }

// readTable gives the operations of one contract table.
func readTable(t *testing.T, name string) []operation {
	t.Helper()
	dir := os.Getenv("MILLPOND_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	text, err := os.ReadFile(filepath.Join(dir, "contract", name))
	if os.IsNotExist(err) {
		t.Skipf("the contract tables are not here (set MILLPOND_SHARED to the folder that holds contract/): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Operations []operation }
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	return table.Operations
}

// sample is an address a client of the operation could ask for.
func sample(path string) string {
	path = strings.ReplaceAll(path, "{scope}", "subscriptions/s")
	return strings.NewReplacer("{", "", "}", "").Replace(path)
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return kept
}

// unsupported reads "face METHOD path: reason".
func unsupported(t *testing.T) map[string]string {
	all := map[string]string{}
	for _, line := range lines(t, "unsupported.txt") {
		key, reason, ok := strings.Cut(line, ": ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Errorf("unsupported.txt: %q gives no reason", line)
		}
		if all[key] != "" {
			t.Errorf("unsupported.txt: %s stands twice", key)
		}
		all[key] = reason
	}
	return all
}

func TestEveryOperationIsRoutedOrListed(t *testing.T) {
	reasons := unsupported(t)
	known, gone := map[string]bool{}, map[string]bool{}
	for _, f := range faces() {
		table := web.NewTable(f.routes, f.fold)
		for _, name := range f.tables {
			for _, op := range readTable(t, name) {
				key := op.key(f.name)
				known[key] = true
				route, _, _ := table.Match(op.Method, sample(op.Path))
				routed := route != nil && route.Handle != nil
				switch {
				case routed && reasons[key] != "" && *update:
					gone[key] = true
				case routed && reasons[key] != "":
					t.Errorf("%s is routed as %s and still in unsupported.txt", key, route.Operation)
				case !routed && reasons[key] == "":
					t.Errorf("%s (%s.%s) is neither routed nor in unsupported.txt", key, op.Client, op.Operation)
				case !routed && !strings.HasPrefix(reasons[key], "404"):
					if row, _, _ := f.whole.Match(op.Method, sample(op.Path)); row == nil {
						t.Errorf("%s answers 404, not 501", key)
					}
				}
			}
		}
	}
	for key := range reasons {
		if !known[key] {
			t.Errorf("unsupported.txt: no contract has %s", key)
		}
	}
	if len(gone) > 0 {
		rewrite(t, "unsupported.txt", func(line string) bool {
			key, _, _ := strings.Cut(line, ": ")
			return !gone[key]
		}, nil)
	}
}

// The routed operations are pinned by name: one that vanished breaks a client.
func TestRoutedOperationsOnlyGrow(t *testing.T) {
	var now []string
	for _, f := range faces() {
		for _, r := range f.routes {
			if r.Handle != nil {
				now = append(now, f.name+" "+r.Operation)
			}
		}
	}
	slices.Sort(now)
	now = slices.Compact(now) // an operation may have two addresses, with and without a scope
	pinned := lines(t, "routed.txt")
	for _, name := range pinned {
		if !slices.Contains(now, name) {
			t.Errorf("%s was routed and is not any more", name)
		}
	}
	var fresh []string
	for _, name := range now {
		if !slices.Contains(pinned, name) {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) == 0 {
		return
	}
	if !*update {
		t.Errorf("routed and not pinned in routed.txt; run with -update:\n%s", strings.Join(fresh, "\n"))
		return
	}
	rewrite(t, "routed.txt", func(string) bool { return true }, fresh)
}

// rewrite keeps the lines that pass, adds more and sorts all but the comments
// at the head.
func rewrite(t *testing.T, file string, keep func(string) bool, more []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var head, body []string
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			head = append(head, line)
		case line != "" && keep(line):
			body = append(body, line)
		}
	}
	body = append(body, more...)
	slices.Sort(body)
	body = slices.Compact(body)
	if err := os.WriteFile(file, []byte(strings.Join(append(head, body...), "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
