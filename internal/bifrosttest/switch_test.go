package bifrosttest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
)

// A switchedFile is a source file whose functions begin with the bodies that mutants give
// them, each behind the name of its mutant.
type switchedFile struct {
	original functions
	before   map[int]string // what is put in front of a body, by the function's place in the file
}

// writeSwitched puts into one overlay every plant that only changes bodies of functions. The
// others, and those of files that no compiler reads, are left out of it.
func writeSwitched(dir string, plants []plant) (overlay string, switched map[string]bool, err error) {
	files := map[string]*switchedFile{}
	switched = map[string]bool{}
	for _, p := range plants {
		mutated, err := p.apply()
		if err != nil {
			return "", nil, err
		}
		if switched[p.name] {
			return "", nil, fmt.Errorf("two mutants are called %q", p.name)
		}
		bodies := map[string]map[int]string{}
		for path, text := range mutated {
			if bodies[path], err = changedBodies(path, text); err != nil {
				return "", nil, err
			}
		}
		if slices.ContainsFunc(slices.Collect(maps.Values(bodies)), func(b map[int]string) bool { return b == nil }) {
			continue
		}
		switched[p.name] = true
		for path, changed := range bodies {
			if files[path] == nil {
				original, err := parseFunctions(path, "")
				if err != nil {
					return "", nil, err
				}
				files[path] = &switchedFile{original, map[int]string{}}
			}
			for i, body := range changed {
				files[path].before[i] += fmt.Sprintf("\nif bifrostTestMutant == %q {%s\n}\n", p.name, body)
			}
		}
	}
	replace := map[string]string{}
	put := func(path, text string) error {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		return os.WriteFile(replace[path], []byte(text), 0o600)
	}
	for path, file := range files {
		if err := put(path, file.text()); err != nil {
			return "", nil, err
		}
		source := fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar bifrostTestMutant = os.Getenv(%q)\n", file.original.pkg, runtimefake.MutantVariable)
		if err := put(filepath.Join(filepath.Dir(path), "bifrost_test_mutant.go"), source); err != nil {
			return "", nil, err
		}
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, switched, writeOverlay(overlay, replace)
}

// text is the file with the mutants' bodies in front of its own.
func (f *switchedFile) text() string {
	var b strings.Builder
	for i, body := range f.original.bodies {
		b.WriteString(f.original.between[i])
		b.WriteString(f.before[i])
		b.WriteString(body)
	}
	b.WriteString(f.original.between[len(f.original.bodies)])
	return b.String()
}

// functions is a source file taken apart: between[0] bodies[0] between[1] … is its text.
// A body is what stands between a function's braces.
type functions struct {
	pkg      string
	between  []string
	bodies   []string
	declared []*ast.FuncDecl
}

// parseFunctions takes a file apart, or a text that is to stand in its place.
func parseFunctions(path, text string) (functions, error) {
	if text == "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return functions{}, err
		}
		text = string(content)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return functions{}, err
	}
	f := functions{pkg: file.Name.Name}
	from := 0
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		left, right := set.Position(function.Body.Lbrace).Offset+1, set.Position(function.Body.Rbrace).Offset
		f.between = append(f.between, text[from:left])
		f.bodies = append(f.bodies, text[left:right])
		f.declared = append(f.declared, function)
		from = right
	}
	f.between = append(f.between, text[from:])
	return f, nil
}

// changedBodies gives the bodies in a mutated text that differ from the file's, by the
// function's place, ready to stand in front of the file's own. They are nil if something else
// differs, or labels would stand there twice.
func changedBodies(path, text string) (map[int]string, error) {
	if filepath.Ext(path) != ".go" {
		return nil, nil
	}
	original, err := parseFunctions(path, "")
	if err != nil {
		return nil, err
	}
	mutated, err := parseFunctions(path, text)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(original.between, mutated.between) {
		return nil, nil
	}
	changed := map[int]string{}
	for i, body := range mutated.bodies {
		if body == original.bodies[i] {
			continue
		}
		function := original.declared[i]
		if hasLabel(function) || hasLabel(mutated.declared[i]) {
			return nil, nil
		}
		if function.Type.Results == nil {
			body += "\nreturn"
		}
		changed[i] = body
	}
	return changed, nil
}

func hasLabel(function *ast.FuncDecl) (found bool) {
	ast.Inspect(function, func(n ast.Node) bool {
		_, label := n.(*ast.LabeledStmt)
		found = found || label
		return !found
	})
	return found
}

// TestChangedBodies: a mutant's body can stand in front of the file's own; what is more than
// a body has no switch.
func TestChangedBodies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.go")
	const source = `package a

const limit = 3

func count(n int) int { return n + limit }

func say(f func()) { f() }

func walk() {
outer:
	for {
		break outer
	}
}
`
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, after string
		want          map[int]string
	}{
		"a result":              {"n + limit", "n", map[int]string{0: " return n "}},
		"no result":             {"{ f() }", "{}", map[int]string{1: "\nreturn"}},
		"a constant":            {"limit = 3", "limit = 4", nil},
		"a signature":           {"say(f func())", "say(f, _ func())", nil},
		"a label":               {"break outer", "continue outer", nil},
		"a constant and a body": {"3\n\nfunc count(n int) int { return n", "4\n\nfunc count(n int) int { return 2 * n", nil},
	} {
		mutated := strings.Replace(source, c.before, c.after, 1)
		if mutated == source {
			t.Fatalf("%s: nothing is changed", name)
		}
		changed, err := changedBodies(path, mutated)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !maps.Equal(changed, c.want) || (changed == nil) != (c.want == nil) {
			t.Errorf("%s: %v may stand in front of what is there, want %v", name, changed, c.want)
		}
	}
}
