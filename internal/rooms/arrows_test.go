package rooms

import (
	"slices"
	"strings"
	"testing"
)

// nouns stand in a line: each may import those before it and none after it.
var nouns = []string{"resource", "identity", "account", "gallery", "machine", "pool", "job"}

// arrows is the whole table of who may import whom, in rooms below internal/. Every room may also import fault. A package
// below a room belongs to it (pool/formula is pool) unless it has a row of its own. A new room needs a row here, and
// its place in docs/architecture.md.
var arrows = []struct {
	room string
	may  []string
}{
	{"fault", nil}, // and nothing but the standard library: see TestFaultImportsOnlyTheStandardLibrary

	{"layer", nil}, // knows no account, region or subscription
	{"resource", nil},
	{"identity", []string{"resource"}},
	{"account", []string{"resource", "identity"}},
	{"gallery", []string{"resource", "identity", "account", "layer"}},
	{"machine", []string{"resource", "identity", "account", "gallery", "layer"}},
	{"pool", []string{"resource", "identity", "account", "gallery", "machine"}},
	{"job", []string{"resource", "identity", "account", "gallery", "machine", "pool"}},

	{"provider", []string{"layer"}},
	{"provider/local", []string{"provider", "layer", "node/wire"}},
	{"provider/fake", []string{"provider", "layer"}},
	{"provider/providertest", []string{"provider", "layer"}},
	{"schedule", append([]string{"provider", "layer"}, nouns...)},

	{"node", []string{"node/wire"}},
	{"node/wire", nil},

	{"store", nouns},
	{"store/storetest", append([]string{"store"}, nouns...)},

	{"web", nouns},
	{"web/oauth", append([]string{"web"}, nouns...)},
	{"web/armapi", append([]string{"web"}, nouns...)},
	{"web/batchapi", append([]string{"web"}, nouns...)},
	{"web/adminapi", append([]string{"web"}, nouns...)},
	{"web/nodeapi", append([]string{"web", "node/wire"}, nouns...)},
	{"web/portal", append([]string{"web"}, nouns...)},
	{"web/registry", append([]string{"web", "layer"}, nouns...)},

	{"cli", nil}, // a client of public and admin HTTP; up and node-host are handed in by main
	{"app", []string{"*"}},
	{"rooms", nil},
}

// mains are the programs. test/, contract/ and examples/ look at the whole from outside and are not rooms.
var mains = map[string][]string{
	"cmd/millpond":      {"app", "cli"},
	"cmd/millpond-node": {"node"},
}

// mayImport answers whether a package may import a room, and in which row the answer stands.
func mayImport(from, to string) bool {
	if from == to || to == "fault" {
		return true
	}
	for _, row := range arrows {
		if row.room == from {
			return slices.Contains(row.may, to) || len(row.may) == 1 && row.may[0] == "*"
		}
	}
	return false
}

// roomOf gives the row a package below internal/ belongs to, "" when there is none.
func roomOf(path string) string {
	path = strings.TrimPrefix(path, "internal/")
	for path != "" {
		for _, row := range arrows {
			if row.room == path {
				return path
			}
		}
		cut := strings.LastIndex(path, "/")
		path = path[:max(cut, 0)]
	}
	return ""
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		from := roomOf(p.Path)
		if strings.HasPrefix(p.Path, "internal/") && from == "" {
			t.Errorf("%s: no such room; rooms are few: find its place in docs/architecture.md or give it a row in arrows", p.Path)
			continue
		}
		for _, imported := range p.Imports {
			switch {
			case strings.HasPrefix(imported, "cmd/"):
				t.Errorf("%s imports %s: nobody imports a main", p.Path, imported)
			case !strings.HasPrefix(imported, "internal/"):
			case mains[p.Path] != nil:
				if !slices.Contains(mains[p.Path], roomOf(imported)) {
					t.Errorf("%s imports %s: it may import %s only", p.Path, imported, strings.Join(mains[p.Path], ", "))
				}
			case from == "":
			case !mayImport(from, roomOf(imported)):
				t.Errorf("%s imports %s: there is no arrow %s -> %s in arrows_test.go", p.Path, imported, from, roomOf(imported))
			}
		}
	}
}

// TestArrowsAreALine keeps the table itself honest: no noun's row may name a noun that stands after it.
func TestArrowsAreALine(t *testing.T) {
	for i, noun := range nouns {
		for _, later := range nouns[i+1:] {
			if mayImport(noun, later) {
				t.Errorf("%s -> %s: nouns import only toward %s", noun, later, nouns[0])
			}
		}
	}
}

// Everybody imports fault, so whatever it imported everybody would.
func TestFaultImportsOnlyTheStandardLibrary(t *testing.T) {
	for _, p := range packages(t) {
		if p.Path != "internal/fault" {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.Outside) {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") || strings.HasPrefix(imported, "internal/") {
				t.Errorf("fault imports %s", imported)
			}
		}
	}
}

// What only tests need stays out of the programs: the suites a store or a provider is held against, and the tools of tests.
func TestProductionImportsNoTestPackage(t *testing.T) {
	tools := []string{"testing", "net/http/httptest", "github.com/google/go-cmp", "pgregory.net/rapid", "github.com/rogpeppe/go-internal"}
	suite := func(path string) bool { return strings.HasSuffix(path, "test") || strings.HasPrefix(path, "test/") }
	for _, p := range packages(t) {
		if suite(p.Path) {
			continue
		}
		for _, imported := range p.Imports {
			if suite(imported) {
				t.Errorf("%s imports %s, which is for tests", p.Path, imported)
			}
		}
		for _, imported := range p.Outside {
			for _, tool := range tools {
				if imported == tool || strings.HasPrefix(imported, tool+"/") {
					t.Errorf("%s imports %s, which is for tests", p.Path, imported)
				}
			}
		}
	}
}

// A test of a room may use real rooms below it (a face with the real store), but the whole program is test/'s.
func TestOnlyMainAndWholeProgramTestsImportApp(t *testing.T) {
	for _, p := range packages(t) {
		if p.Path == "cmd/millpond" || p.Path == "internal/app" || strings.HasPrefix(p.Path, "test/") {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports) {
			if roomOf(imported) == "app" {
				t.Errorf("%s imports %s: only cmd/millpond does", p.Path, imported)
			}
		}
	}
}
