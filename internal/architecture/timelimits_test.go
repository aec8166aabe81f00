package architecture

import (
	"go/ast"
	"slices"
	"testing"
)

// timeLimits are what talks to others without a time limit unless it is told one, and the field that
// has it.
var timeLimits = map[string]string{
	"http.Client": "Timeout", "http.Server": "ReadHeaderTimeout", "net.Dialer": "Timeout",
}

// unlimited are those that nobody can tell.
var unlimited = []string{"http.DefaultClient", "http.Get", "http.Head", "http.Post", "http.PostForm", "http.ListenAndServe"}

// TestNobodyWaitsForever: what talks to others over the network has a time limit. Programs that
// measure, and what tests stand on, may wait.
func TestNobodyWaitsForever(t *testing.T) {
	t.Parallel()
	may := []string{"cmd/bench", "cmd/localservices", "cmd/release", "internal/bifrosttest", "internal/localservices"}
	limited := 0
	for _, s := range sources(t) {
		if withinAny(s.pkg, may) {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CompositeLit:
				field, known := timeLimits[qualified(n.Type)]
				if !known {
					break
				}
				limited++
				if !slices.ContainsFunc(n.Elts, func(e ast.Expr) bool { return names(e, field) }) {
					t.Errorf("%s: a %s without %s waits forever", s.name, qualified(n.Type), field)
				}
			case *ast.SelectorExpr:
				if slices.Contains(unlimited, qualified(n)) {
					t.Errorf("%s: %s has no time limit", s.name, qualified(n))
				}
			}
			return true
		})
	}
	if limited == 0 {
		t.Error("nobody talks to anybody")
	}
}

// qualified is what a selector says, such as http.Client.
func qualified(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + selector.Sel.Name
}

// names reports whether an element of a literal gives a field its value.
func names(element ast.Expr, field string) bool {
	pair, ok := element.(*ast.KeyValueExpr)
	if !ok {
		return false
	}
	name, ok := pair.Key.(*ast.Ident)
	return ok && name.Name == field
}
