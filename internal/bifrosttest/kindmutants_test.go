package bifrosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A kindMutant is an everyday mistake in an adapter, a function, the command line
// or a template, and the tests of a package that have to find it.
type kindMutant struct {
	mutant
	pkg  string // from the module's root
	run  string // tests to run
	zone string // TZ of the run; empty for that of this machine
}

// TestKindMutants shows that the tests of each package see mistakes of the kinds
// that no simulation can: at ends of pages, in answers that lie, in what a process
// keeps, under contexts that have ended, in limits, units, places and glue.
func TestKindMutants(t *testing.T) {
	t.Parallel()
	for kind, mutants := range kindMutants {
		for _, m := range mutants {
			t.Run(kind+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				var overlay string
				var environment []string
				if strings.HasSuffix(m.edits[0].file, ".go") {
					overlay = m.write(t)
				} else {
					overlay, environment = m.writeFiles(t)
				}
				if !*mutantsFlag {
					return
				}
				seats <- struct{}{}
				defer func() { <-seats }()
				if m.zone != "" {
					environment = append(environment, "TZ="+m.zone)
				}
				m.huntIn(t, environment, overlay, "--- FAIL: ", module+m.pkg, "-run=^("+m.run+")")
			})
		}
	}
}

const (
	module = "github.com/bifrost-archive/bifrost/"
	// rootVariable names a copy of the module's root for tests that read files of it.
	rootVariable = "BIFROST_TEST_ROOT"
)

// writeFiles puts the mistake into a file that no compiler reads: everything else
// of the root is linked beside it.
func (m kindMutant) writeFiles(t *testing.T) (overlay string, environment []string) {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Rel(root, filepath.Join(root, strings.TrimPrefix(m.edits[0].file, "../../")))
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	e := m.edits[0]
	if n := strings.Count(string(content), e.before); n != 1 {
		t.Fatalf("%s: the text occurs %d times, want once; the mutant has to follow the file:\n%s", e.file, n, e.before)
	}
	link := func(name string) {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"template.yaml", "docs", "infra"} {
		if name != file && !strings.HasPrefix(file, name+"/") {
			link(name)
		}
	}
	if inner := filepath.Dir(file); inner != "." {
		if err := os.MkdirAll(filepath.Join(dir, inner), 0o700); err != nil {
			t.Fatal(err)
		}
		beside, err := filepath.Glob(filepath.Join(root, inner, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range beside {
			if name := filepath.Join(inner, filepath.Base(path)); name != file {
				link(name)
			}
		}
	}
	mutated := strings.Replace(string(content), e.before, e.after, 1)
	if err := os.WriteFile(filepath.Join(dir, file), []byte(mutated), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, []byte(`{"Replace": {}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay, []string{rootVariable + "=" + dir}
}
