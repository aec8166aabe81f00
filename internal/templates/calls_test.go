package templates

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	ours = "github.com/bifrost-archive/bifrost/"
	sdk  = "github.com/aws/aws-sdk-go-v2/service/"
)

// A program is the source of a function of AWS Lambda: what of this module it is
// linked from, with types.
type program struct {
	packages []*types.Package
	bodies   map[types.Object]ast.Node // of functions and of package variables
	uses     map[*ast.Ident]types.Object
	main     *types.Package
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// loadProgram reads a program. What is not of this module is known by what the
// compiler exports of it.
func loadProgram(t *testing.T, path string) *program {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", ours+path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports, own := map[string]string{}, []listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, ours) {
			own = append(own, p)
		}
	}
	p := &program{bodies: map[types.Object]ast.Node{}, uses: map[*ast.Ident]types.Object{}}
	files := token.NewFileSet()
	check := types.Config{Importer: mixed{p, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}}
	for _, l := range own { // go list puts what is imported first
		p.add(t, files, &check, l)
	}
	return p
}

// mixed prefers packages that were read to what was exported of them, so that an
// object is the same wherever it is used.
type mixed struct {
	program *program
	others  types.Importer
}

func (m mixed) Import(path string) (*types.Package, error) {
	for _, p := range m.program.packages {
		if p.Path() == path {
			return p, nil
		}
	}
	return m.others.Import(path)
}

func (p *program) add(t *testing.T, files *token.FileSet, check *types.Config, l listed) {
	t.Helper()
	var parsed []*ast.File
	for _, name := range l.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: p.uses}
	checked, err := check.Check(l.ImportPath, files, parsed, info)
	if err != nil {
		t.Fatal(err)
	}
	p.packages, p.main = append(p.packages, checked), checked
	for _, file := range parsed {
		for _, declaration := range file.Decls {
			p.remember(declaration, info.Defs)
		}
	}
}

func (p *program) remember(declaration ast.Decl, defined map[*ast.Ident]types.Object) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Body != nil {
			p.bodies[defined[d.Name]] = d.Body
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, name := range v.Names {
					p.bodies[defined[name]] = v
				}
			}
		}
	}
}

// calls returns every operation of an AWS service that the program can get to from
// its handler, as "s3.PutObject", and every kind of write in a transaction, as
// "dynamodb.types.Put". A function that is mentioned counts as called, and a call
// of an interface as a call of all that implement it: it errs to too many.
func (p *program) calls() map[string]bool {
	found := map[string]bool{}
	waiting := []types.Object{p.main.Scope().Lookup("handle")}
	seen := map[types.Object]bool{}
	for len(waiting) > 0 {
		object := waiting[0]
		waiting = waiting[1:]
		if seen[object] || p.bodies[object] == nil {
			continue
		}
		seen[object] = true
		ast.Inspect(p.bodies[object], func(node ast.Node) bool {
			if name, ok := node.(*ast.Ident); ok {
				used := origin(p.uses[name])
				if operation := operationOf(used); operation != "" {
					found[operation] = true
				}
				waiting = append(append(waiting, used), p.implementations(used)...)
			}
			return true
		})
	}
	return found
}

// origin is the generic function that an instance is of.
func origin(object types.Object) types.Object {
	if f, ok := object.(*types.Func); ok {
		return f.Origin()
	}
	return object
}

// operationOf names the operation of a service that an object of the SDK stands for.
func operationOf(object types.Object) string {
	if object == nil || object.Pkg() == nil {
		return ""
	}
	service, ok := strings.CutPrefix(object.Pkg().Path(), sdk)
	if !ok {
		return ""
	}
	switch o := object.(type) {
	case *types.TypeName:
		if strings.HasSuffix(service, "/types") {
			return strings.ReplaceAll(service, "/", ".") + "." + o.Name()
		}
	case *types.Func:
		if receiver := o.Signature().Recv(); receiver != nil && strings.HasSuffix(receiver.Type().String(), ".Client") {
			return service + "." + o.Name()
		}
		if name, ok := strings.CutSuffix(o.Name(), "Paginator"); ok {
			return service + "." + strings.TrimPrefix(name, "New")
		}
	}
	return ""
}

// implementations are the methods of this module that a method of an interface
// may stand for.
func (p *program) implementations(object types.Object) []types.Object {
	method, ok := object.(*types.Func)
	if !ok || method.Signature().Recv() == nil {
		return nil
	}
	contract, ok := method.Signature().Recv().Type().Underlying().(*types.Interface)
	if !ok {
		return nil
	}
	var all []types.Object
	for _, pkg := range p.packages {
		for _, name := range pkg.Scope().Names() {
			named, ok := pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || named.IsAlias() || types.IsInterface(named.Type()) || !types.Implements(types.NewPointer(named.Type()), contract) {
				continue
			}
			implementation, _, _ := types.LookupFieldOrMethod(types.NewPointer(named.Type()), true, pkg, method.Name())
			all = append(all, origin(implementation))
		}
	}
	return all
}
