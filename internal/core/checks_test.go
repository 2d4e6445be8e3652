package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// made are the ids of the findings that the code can make, each with whether it gives any
// of them a repair: d.mend(…) is about the d.add(…) before it.
func made(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		// That of the last d.add.
		last := ""
		words := map[string]ast.Expr{} // the constants of the function
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				clear(words)
			case *ast.ValueSpec:
				for i := range min(len(n.Names), len(n.Values)) {
					words[n.Names[i].Name] = n.Values[i]
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if on, ok := fun.X.(*ast.Ident); !ok || on.Name != "d" {
				return true
			}
			switch {
			case fun.Sel.Name == "add" && len(call.Args) == 5:
				arg := call.Args[0]
				if name, ok := arg.(*ast.Ident); ok {
					arg = words[name.Name]
				}
				id, ok := arg.(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: an id must be a string, or a constant of the function", fset.Position(call.Pos()))
					return true
				}
				if last, err = strconv.Unquote(id.Value); err != nil {
					t.Fatal(err)
				}
				ids[last] = ids[last] || false
			case strings.HasPrefix(fun.Sel.Name, "mend") && last != "" && inMaker(parsed, call.Pos()):
				ids[last] = true
			}
			return true
		})
	}
	return ids
}

// inMaker says that the call is in a function that makes findings, and not in one that
// only adds repairs, as d.mendLinger does.
func inMaker(f *ast.File, at token.Pos) bool {
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Pos() <= at && at < fn.End() {
			return !strings.HasPrefix(fn.Name.Name, "mend")
		}
	}
	return false
}

// TestChecks holds the catalogue against what the code can find.
func TestChecks(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, c := range Checks() {
		if _, twice := listed[c.ID]; twice || c.ID == "" || c.Looks == "" || c.Why == "" {
			t.Errorf("%+v: an id, once, what is looked at, and why", c)
		}
		listed[c.ID] = c.Fixes
	}
	ids := made(t)
	if len(ids) < 20 {
		t.Fatalf("only these were found in the source: %v", ids)
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if fixes, ok := listed[id]; !ok {
			t.Errorf("the catalogue lacks %s", id)
		} else if fixes != ids[id] {
			t.Errorf("%s: the catalogue says fixes %v, and the code %v", id, fixes, ids[id])
		}
		delete(listed, id)
	}
	for id := range listed {
		t.Errorf("nothing finds %s", id)
	}
}
