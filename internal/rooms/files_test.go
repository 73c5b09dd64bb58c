package rooms

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	longest = 500 // lines; no hand-written file but a test is longer
	longish = 400 // lines; nine in ten are shorter
)

func TestFilesAreShort(t *testing.T) {
	var all int
	var long []string
	goFiles(t, func(file string, text []byte) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		all++
		lines := bytes.Count(text, []byte("\n"))
		if lines > longest {
			t.Errorf("%s has %d lines, more than %d: it does two things; find where it parts", file, lines, longest)
		}
		if lines >= longish {
			long = append(long, file)
		}
	})
	if len(long)*10 > all {
		t.Errorf("%d of %d files have %d lines or more; at most one in ten may: %v", len(long), all, longish, long)
	}
}

// Every package says in doc.go what it owns, what it refuses to own and who calls it.
func TestEveryPackageHasDocGo(t *testing.T) {
	for _, p := range packages(t) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
		if os.IsNotExist(err) && p.Name == "main" { // a main says it above its package clause
			file, err = parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, "main.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
		}
		switch {
		case err != nil:
			t.Errorf("%s: %v", p.Path, err)
		case len(strings.TrimSpace(file.Doc.Text())) < 60:
			t.Errorf("%s: doc.go says too little: what does the package own, what does it refuse, who calls it?", p.Path)
		}
	}
}

// A package named after nothing attracts everything.
func TestNoPackageIsADrawer(t *testing.T) {
	drawers := []string{"utils", "util", "common", "helpers", "helper", "types", "models", "pkg", "misc", "base", "shared", "lib"}
	for _, p := range packages(t) {
		for dir := range strings.SplitSeq(p.Path, "/") {
			if slices.Contains(drawers, dir) || slices.Contains(drawers, p.Name) {
				t.Errorf("%s: name a package by what it knows", p.Path)
			}
		}
	}
}

// A sleeping test is slow on a good day and red on a bad one.
func TestNoTestSleeps(t *testing.T) {
	goFiles(t, func(file string, text []byte) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s: time.Sleep in a test: wait on a signal, a channel or a condition", files.Position(n.Pos()))
			}
			return true
		})
	})
}

var moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

func TestModuleNames(t *testing.T) {
	modules := map[string]string{"go.mod": module, "examples/go.mod": "", "tools/go.mod": module + "/tools", "tools/wiregen/go.mod": module + "/tools/wiregen"}
	for file, want := range modules {
		text, err := os.ReadFile(filepath.Join(root, file))
		if os.IsNotExist(err) && want == "" {
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		got := moduleLine.FindStringSubmatch(string(text))
		if got == nil || want != "" && got[1] != want {
			t.Errorf("%s: module %v, want %s", file, got, want)
		}
	}
}

// The examples are written as a user writes them: what they cannot do with public endpoints and official SDKs, nobody can.
func TestExamplesImportNothingOfOurs(t *testing.T) {
	goFiles(t, func(file string, text []byte) {
		if !strings.HasPrefix(file, "examples/") {
			return
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, spec := range tree.Imports {
			if imported := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(imported, module+"/internal") || path.Base(imported) == module {
				t.Errorf("%s imports %s", file, imported)
			}
		}
	})
}
