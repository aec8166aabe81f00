package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// glue is where rules are put together from settings and adapters.
var glue = []string{"cmd/bifrost", "functions", "internal/wiring"}

// leftOut are the fields that a package leaves as they are, with the reason.
var leftOut = map[string]string{
	"cmd/bifrost: export.Exporter.Found":                       "a job counts what a call before it has exported",
	"cmd/bifrost: readback.Query.Matches":                      "only an export compresses values again",
	"cmd/bifrost/internal/settings: readback.Reader.ReadAhead": "tests make it tiny",
	"cmd/bifrost/internal/settings: readback.Reader.Skipped":   "cat and get set it on what this returns",
	"internal/wiring: bifrost.Worker.Stop":                     "localdispatch sets it on what this returns; Lambda stops nobody",
	"cmd/bifrost: replay.Options.Parallel":                     "map reads positions and writes nothing",
	"cmd/bifrost: replay.Options.Batches":                      "map reads positions and writes nothing",
	"cmd/bifrost: replay.Options.Throttle":                     "map reads positions and writes nothing",
	"cmd/bifrost: replay.Options.MakeTargets":                  "map reads positions and writes nothing",
	"cmd/bifrost: repair.Rebuilder.Partitions":                 "rebuild has globs of topics",
	"cmd/bifrost/internal/fix: repair.Rebuilder.Topics":        "the fixer sets which partitions are rebuilt",
	"cmd/bifrost/internal/fix: repair.Rebuilder.Partitions":    "the fixer sets which partitions are rebuilt",
	"cmd/bifrost/internal/fix: repair.Rebuilder.Anew":          "the tables are not those of a backup",
}

// A rule that glue puts together is given all of its fields: one that is forgotten is a limit of
// nothing, a pause of nothing or a condition that is never met, and nothing fails. Rules are
// the structs that hold an interface or a function. A field counts as given that is in the
// literal, or set afterwards in the same package.
func TestGlueGivesRulesAllFields(t *testing.T) {
	t.Parallel()
	rules := rulesOf(t)
	met, used := map[string]bool{}, map[string]bool{}
	for folder, files := range parsedFiles(t, glue...) {
		set := map[string]bool{}
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				if assignment, ok := n.(*ast.AssignStmt); ok {
					for _, left := range assignment.Lhs {
						if field, ok := left.(*ast.SelectorExpr); ok {
							set[field.Sel.Name] = true
						}
					}
				}
				return true
			})
		}
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok || len(literal.Elts) == 0 {
					return true
				}
				kind, ok := literal.Type.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				rule := fmt.Sprint(kind.X, ".", kind.Sel.Name)
				fields, ok := rules[rule]
				if !ok {
					return true
				}
				met[rule] = true
				given := maps.Clone(set)
				for _, element := range literal.Elts {
					pair, keyed := element.(*ast.KeyValueExpr)
					if !keyed {
						return true // all of them, or the compiler objects
					}
					given[fmt.Sprint(pair.Key)] = true
				}
				for _, field := range fields {
					name := strings.TrimPrefix(folder, "../../") + ": " + rule + "." + field
					if given[field] {
						continue
					}
					if leftOut[name] == "" {
						t.Errorf("%s is never set: set it, or say in leftOut why not", name)
					}
					used[name] = true
				}
				return true
			})
		}
	}
	for name := range leftOut {
		if !used[name] {
			t.Errorf("%s is always given, or is not there: take it out of leftOut", name)
		}
	}
	if len(met) < 10 {
		t.Errorf("only %v were looked at", slices.Sorted(maps.Keys(met)))
	}
}

// rulesOf are the exported fields of every rule, by package and name.
func rulesOf(t *testing.T) map[string][]string {
	t.Helper()
	type structure struct {
		name string
		of   *ast.StructType
		pkg  string
	}
	var structs []structure
	interfaces := map[string]bool{}
	for _, files := range parsedFiles(t, "internal", "cmd") {
		for _, file := range files {
			for _, declaration := range file.Decls {
				types, ok := declaration.(*ast.GenDecl)
				if !ok || types.Tok != token.TYPE {
					continue
				}
				for _, spec := range types.Specs {
					name := file.Name.Name + "." + spec.(*ast.TypeSpec).Name.Name
					switch of := spec.(*ast.TypeSpec).Type.(type) {
					case *ast.InterfaceType:
						interfaces[name] = true
					case *ast.StructType:
						structs = append(structs, structure{name, of, file.Name.Name})
					}
				}
			}
		}
	}
	rules := map[string][]string{}
	for _, s := range structs {
		var fields []string
		isRule := false
		for _, field := range s.of.Fields.List {
			switch of := field.Type.(type) {
			case *ast.FuncType:
				isRule = true
			case *ast.Ident:
				isRule = isRule || interfaces[s.pkg+"."+of.Name]
			case *ast.SelectorExpr:
				isRule = isRule || interfaces[fmt.Sprint(of.X, ".", of.Sel.Name)]
			}
			for _, name := range field.Names {
				if name.IsExported() {
					fields = append(fields, name.Name)
				}
			}
			if len(field.Names) == 0 {
				fields = append(fields, embedded(field.Type))
			}
		}
		if isRule {
			rules[s.name] = fields
		}
	}
	return rules
}

// embedded is the name of a field that has none of its own.
func embedded(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return embedded(of.X)
	case *ast.SelectorExpr:
		return of.Sel.Name
	}
	return fmt.Sprint(of)
}

// parsedFiles are the parsed files of the packages below the folders, without tests.
func parsedFiles(t *testing.T, folders ...string) map[string][]*ast.File {
	t.Helper()
	all, positions := map[string][]*ast.File{}, token.NewFileSet()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(positions, path, nil, parser.SkipObjectResolution)
			if err == nil {
				all[filepath.Dir(path)] = append(all[filepath.Dir(path)], file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
