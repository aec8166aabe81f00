package bifrosttest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
)

// A plant is a mutant and how it is hunted: with which tests of which package, and what
// these print when they have found it.
type plant struct {
	mutant
	pkg         string // its directory, from this one
	run         string // pattern of tests
	sign        string
	flags       []string // more flags of the tests
	environment []string // more variables of the tests
}

const (
	// failed is the sign of a test that has found a mutant.
	failed = "--- FAIL: "
	// rootVariable names a copy of the module's root for tests that read files of it.
	rootVariable = "BIFROST_TEST_ROOT"
)

// A game is what is hunted together. One build of a package's tests holds all plants that
// can stand side by side, each behind its switch; the others have builds of their own. A
// build takes seconds, and tens of megabytes of the build cache for good.
type game struct {
	dir      string
	overlay  string          // puts every plant that has a switch in place
	switched map[string]bool // the plants that have one, by name

	mu     sync.Mutex
	builds map[string]func() (binary string, err error) // by package
}

// seats bounds how many builds and runs of tests go on together.
var seats = make(chan struct{}, 2)

// hunt runs tests on each plant and wants them to fail and to give their sign, and to pass
// while every switch is off.
func hunt(t *testing.T, plants []plant) {
	t.Helper()
	g := game{dir: t.TempDir(), builds: map[string]func() (string, error){}}
	var err error
	if g.overlay, g.switched, err = writeSwitched(g.dir, plants); err != nil {
		t.Fatal(err)
	}
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var overlay string
			switch {
			case g.switched[p.name]:
				p.environment = append(p.environment, runtimefake.MutantVariable+"="+p.name)
			case strings.HasSuffix(p.edits[0].file, ".go"):
				overlay = p.write(t)
			default:
				p.environment = append(p.environment, rootVariable+"="+p.writeRoot(t))
			}
			if !*mutantsFlag {
				return
			}
			seats <- struct{}{}
			defer func() { <-seats }()
			binary := g.build(t, p.pkg, overlay)
			output, err := p.test(t.Context(), binary)
			found := strings.Index(output, p.sign)
			if err == nil || found < 0 {
				t.Fatalf("nobody found it; the tests say %v:\n%.3000s", err, output)
			}
			before := strings.TrimSpace(output[:found])
			symptom := strings.TrimSpace(before[strings.LastIndex(before, "\n")+1:])
			t.Logf("%s\nfound: %s %s", p.why, symptom, firstLine(output[found:]))
		})
	}
	for pkg, run := range testsByPackage(plants) {
		t.Run("no mutant in "+filepath.Base(pkg), func(t *testing.T) {
			t.Parallel()
			if !*mutantsFlag {
				return
			}
			seats <- struct{}{}
			defer func() { <-seats }()
			p := plant{pkg: pkg, run: run}
			if output, err := p.test(t.Context(), g.build(t, pkg, "")); err != nil {
				t.Fatalf("the tests that hunt here fail without a mutant: %v\n%.3000s", err, output)
			}
		})
	}
}

// testsByPackage joins the patterns of tests of each package, without what they say of subtests.
func testsByPackage(plants []plant) map[string]string {
	patterns := map[string][]string{}
	for _, p := range plants {
		pattern, _, _ := strings.Cut(p.run, "/")
		if !slices.Contains(patterns[p.pkg], pattern) {
			patterns[p.pkg] = append(patterns[p.pkg], pattern)
		}
	}
	joined := map[string]string{}
	for pkg, each := range patterns {
		joined[pkg] = strings.Join(each, "|")
	}
	return joined
}

// build builds the tests of a package with an overlay, or once for all with that of the switches.
func (g *game) build(t *testing.T, pkg, overlay string) (binary string) {
	t.Helper()
	if overlay != "" {
		binary = filepath.Join(t.TempDir(), "tests.test")
		if err := buildTests(t.Context(), pkg, overlay, binary); err != nil {
			t.Fatal(err)
		}
		return binary
	}
	g.mu.Lock()
	once, ok := g.builds[pkg]
	if !ok {
		binary := filepath.Join(g.dir, fmt.Sprintf("tests%d.test", len(g.builds)))
		once = sync.OnceValues(func() (string, error) {
			return binary, buildTests(context.Background(), pkg, g.overlay, binary)
		})
		g.builds[pkg] = once
	}
	g.mu.Unlock()
	binary, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// buildTests builds the tests of the package in directory pkg.
func buildTests(ctx context.Context, pkg, overlay, binary string) error {
	command := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay="+overlay, "-o", binary, ".")
	command.Dir = pkg
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tests of %s with the mutants: %w\n%.3000s", pkg, err, output)
	}
	return nil
}

// asFound keeps rapid from looking for a smaller failure, for half a minute, once it has one.
const asFound = "-rapid.shrinktime=0s"

// test runs the tests of a plant where go test would.
func (p plant) test(ctx context.Context, binary string) (output string, err error) {
	flags := append([]string{"-test.timeout=10m", "-test.failfast", "-test.run=" + p.run}, p.flags...)
	if exec.CommandContext(ctx, binary, "-test.list=^$", asFound).Run() == nil {
		flags = append(flags, asFound)
	}
	command := exec.CommandContext(ctx, binary, flags...)
	command.Dir = p.pkg
	command.Env = append(os.Environ(), p.environment...)
	said, err := command.CombinedOutput()
	return string(said), err
}

// write makes the mutated files and the overlay that puts them in place.
func (p plant) write(t *testing.T) (overlay string) {
	t.Helper()
	mutated, err := p.apply()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for path, text := range mutated {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := writeOverlay(overlay, replace); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// apply gives the mutated text of each file that the edits touch, by its absolute path.
func (m mutant) apply() (map[string]string, error) {
	mutated := map[string]string{}
	for _, e := range m.edits {
		path, err := filepath.Abs(e.file)
		if err != nil {
			return nil, err
		}
		text, ok := mutated[path]
		if !ok {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text = string(content)
		}
		if n := strings.Count(text, e.before); n != 1 {
			return nil, fmt.Errorf("%s, %s: the text occurs %d times, want once; the mutant has to follow the file:\n%s",
				m.name, e.file, n, e.before)
		}
		mutated[path] = strings.Replace(text, e.before, e.after, 1)
	}
	return mutated, nil
}

func writeOverlay(path string, replace map[string]string) error {
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(path, list, 0o600)
}

// writeRoot puts the mistake into a file that no compiler reads, in a copy of the module's
// root: everything else of the root is linked beside it.
func (p plant) writeRoot(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mutated, err := p.apply()
	if err != nil {
		t.Fatal(err)
	}
	var file, text string
	for file, text = range mutated {
		if file, err = filepath.Rel(root, file); err != nil {
			t.Fatal(err)
		}
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
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
