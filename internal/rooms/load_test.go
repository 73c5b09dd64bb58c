package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "millpond"

// onePackage is a package of the module. Paths are relative to the module: internal/pool, cmd/millpond.
type onePackage struct {
	Path        string
	Name        string
	Dir         string
	Imports     []string // of the module, production files
	TestImports []string // of the module, test files
	Outside     []string // everything else, production files
}

// packages asks `go list` for the packages of the module, once for all tests. -e: a room that does not compile at the
// moment still has its arrows.
func packages(t *testing.T) []onePackage {
	t.Helper()
	list, err := listPackages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var listPackages = sync.OnceValues(func() ([]onePackage, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var list []onePackage
	for dec := json.NewDecoder(out); ; {
		var p struct {
			ImportPath, Name, Dir              string
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		one := onePackage{Path: within(p.ImportPath), Name: p.Name, Dir: p.Dir}
		one.Imports, one.Outside = split(p.Imports)
		one.TestImports, _ = split(append(p.TestImports, p.XTestImports...))
		list = append(list, one)
	}
	return list, cmd.Wait()
})

func within(path string) string { return strings.TrimPrefix(path, module+"/") }

func split(imports []string) (ours, others []string) {
	for _, path := range imports {
		if strings.HasPrefix(path, module+"/") {
			ours = append(ours, within(path))
		} else {
			others = append(others, path)
		}
	}
	return ours, others
}

// root is the folder of the module, seen from this package.
const root = "../.."

// goFiles walks the hand-written Go files of the repository, the examples and their tests included: no generated file,
// no testdata, nothing in a folder whose name begins with a point.
func goFiles(t *testing.T, visit func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_gen.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(rel), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
