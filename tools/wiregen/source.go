package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// module is what a source module tells: models, enums, operations.
type module struct {
	ref        moduleRef
	models     map[string]*model
	enums      map[string][]string
	operations []operation
}

type model struct {
	name       string
	properties []property
}

type property struct {
	name, field string // in JSON, in Go
	typ         string // string, bool, int32, int64, float32, float64, time, any, Model, []X, map[string]X
	required    bool
}

func readModule(ref moduleRef) (*module, error) {
	dir, err := sources(ref.path)
	if err != nil {
		return nil, err
	}
	m := &module{ref: ref, models: map[string]*model{}, enums: map[string][]string{}}
	names := map[string]map[string]string{} // model -> Go field -> JSON name
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s: no sources in %s", ref.path, dir)
	}
	statuses := map[string]int{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(path)
		for _, decl := range f.Decls {
			switch {
			case base == "models.go":
				m.readModels(decl)
			case base == "constants.go":
				m.readEnums(decl)
			case base == "models_serde.go":
				readNames(decl, names)
			case strings.HasSuffix(base, "client.go"):
				m.readOperation(decl, statuses)
			}
		}
	}
	for i := range m.operations {
		m.operations[i].status = max(200, statuses[strings.ToLower(m.operations[i].name)]) // pagers check theirs elsewhere
	}
	for name, one := range m.models {
		kept := one.properties[:0]
		for _, p := range one.properties {
			if p.name = names[name][p.field]; p.name != "" {
				kept = append(kept, p)
			}
		}
		one.properties = kept
	}
	return m, nil
}

// sources is the folder of a required module, fetched when it is not there yet.
func sources(path string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", path).Output()
	var got struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &got); jsonErr == nil && got.Error != "" {
		return "", fmt.Errorf("%s: %s", path, got.Error)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return got.Dir, nil
}

func (m *module) readModels(decl ast.Decl) {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.TYPE {
		return
	}
	for _, spec := range gen.Specs {
		ts := spec.(*ast.TypeSpec)
		st, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		one := &model{name: ts.Name.Name}
		for _, f := range st.Fields.List {
			if len(f.Names) != 1 {
				continue
			}
			one.properties = append(one.properties, property{
				field: f.Names[0].Name, typ: typeText(f.Type),
				required: f.Doc != nil && strings.HasPrefix(f.Doc.Text(), "REQUIRED"),
			})
		}
		m.models[one.name] = one
	}
}

func typeText(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return typeText(t.X)
	case *ast.ArrayType:
		return "[]" + typeText(t.Elt)
	case *ast.MapType:
		return "map[string]" + typeText(t.Value)
	case *ast.SelectorExpr:
		if name := t.Sel.Name; name == "ETag" {
			return "string"
		}
		return "time"
	case *ast.Ident:
		return t.Name
	default:
		return "any"
	}
}

func (m *module) readEnums(decl ast.Decl) {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.CONST {
		return
	}
	for _, spec := range gen.Specs {
		vs := spec.(*ast.ValueSpec)
		typ, ok := vs.Type.(*ast.Ident)
		if !ok || len(vs.Values) != 1 {
			continue
		}
		if lit, ok := vs.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			m.enums[typ.Name] = append(m.enums[typ.Name], value)
		}
	}
}

// readNames finds populate(objectMap, "jsonName", x.Field) in MarshalJSON.
func readNames(decl ast.Decl, names map[string]map[string]string) {
	fn, ok := decl.(*ast.FuncDecl)
	if !ok || fn.Recv == nil || fn.Name.Name != "MarshalJSON" {
		return
	}
	owner, receiver := typeText(fn.Recv.List[0].Type), fn.Recv.List[0].Names[0].Name
	names[owner] = map[string]string{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 3 && len(call.Args) != 4 {
			return true
		}
		if lit, ok := call.Args[1].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name, _ := strconv.Unquote(lit.Value)
			names[owner][fieldIn(call.Args[2], receiver)] = name
		}
		return true
	})
}

// fieldIn finds receiver.Field in an expression: as it is, or inside a
// conversion of 64-bit integers to text.
func fieldIn(e ast.Expr, receiver string) (field string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == receiver {
				field = sel.Sel.Name
			}
		}
		return field == ""
	})
	return field
}

// readOperation takes method and path from xCreateRequest and the first status
// from the method that calls it.
func (m *module) readOperation(decl ast.Decl, statuses map[string]int) {
	fn, ok := decl.(*ast.FuncDecl)
	if !ok || fn.Recv == nil {
		return
	}
	client := typeText(fn.Recv.List[0].Type)
	if name, ok := strings.CutSuffix(fn.Name.Name, "CreateRequest"); ok {
		op := operation{name: client + "." + strings.ToUpper(name[:1]) + name[1:]}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if id, ok := n.Lhs[0].(*ast.Ident); ok && id.Name == "urlPath" && op.path == "" {
					if lit, ok := n.Rhs[0].(*ast.BasicLit); ok {
						op.path, _ = strconv.Unquote(lit.Value)
					}
				}
			case *ast.SelectorExpr:
				if method, ok := strings.CutPrefix(n.Sel.Name, "Method"); ok && op.method == "" {
					op.method = strings.ToUpper(method)
				}
			}
			return true
		})
		if op.path != "" && op.method != "" {
			m.operations = append(m.operations, op)
		}
		return
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "HasStatusCode" {
			if status, ok := call.Args[1].(*ast.SelectorExpr); ok {
				statuses[strings.ToLower(client+"."+fn.Name.Name)] = statusOf(status.Sel.Name)
			}
		}
		return true
	})
}

func statusOf(name string) int {
	switch name {
	case "StatusCreated":
		return 201
	case "StatusAccepted":
		return 202
	case "StatusNoContent":
		return 204
	}
	return 200
}
