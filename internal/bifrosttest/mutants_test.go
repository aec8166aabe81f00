package bifrosttest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var mutantsFlag = flag.Bool("mutants", false, "build every mutant of the rules and let the simulation find it; without it only check that each still applies")

// mutant is a bug planted in the rules, or in a twin where a port's contract is
// what protects. The simulation must find it.
type mutant struct {
	name  string
	why   string // what the real code protects
	edits []edit
}

// edit replaces a text that occurs exactly once in a file.
type edit struct{ file, before, after string }

const (
	rules = "../bifrost/"
	twins = "./"
)

// TestMutants shows that the simulation can see. The mutants are built from the
// real sources with an overlay; the tree stays as it is.
func TestMutants(t *testing.T) {
	t.Parallel()
	hunt(t, mutants, "replay: go test", "^(TestEveryFault|TestCombinedFaults|TestRandom)$")
}

// TestSuiteMutants shows that the suites can see.
func TestSuiteMutants(t *testing.T) {
	t.Parallel()
	hunt(t, suiteMutants, "--- FAIL: Test", "^(TestLedger|TestStore)$")
}

// TestStopMutants shows that the tests of ranges that cannot be read on can see.
func TestStopMutants(t *testing.T) {
	t.Parallel()
	hunt(t, stopMutants, "--- FAIL: Test", "^TestStop[A-Z]")
}

// seats bounds how many mutants are built and run at once.
var seats = make(chan struct{}, 2)

// hunt runs tests on each mutant and wants them to fail and to say sign.
func hunt(t *testing.T, mutants []mutant, sign, all string) {
	t.Helper()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			overlay := m.write(t)
			if !*mutantsFlag {
				return
			}
			seats <- struct{}{}
			defer func() { <-seats }()
			tests := all
			if scenario, ok := foundIn[m.name]; ok {
				tests = "^TestEveryFault$/^" + strings.ReplaceAll(scenario, " ", "_") + "$"
			}
			m.hunt(t, overlay, sign, "-run="+tests, ".")
		})
	}
}

// write makes the mutated files and the overlay that puts them in place.
func (m mutant) write(t *testing.T) (overlay string) {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, e := range m.edits {
		path, err := filepath.Abs(e.file)
		if err != nil {
			t.Fatal(err)
		}
		source := path
		if before, ok := replace[path]; ok {
			source = before
		}
		content, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(content), e.before); n != 1 {
			t.Fatalf("%s: the text occurs %d times, want once; the mutant has to follow the code:\n%s", e.file, n, e.before)
		}
		replace[path] = filepath.Join(dir, filepath.Base(path))
		mutated := strings.Replace(string(content), e.before, e.after, 1)
		if err := os.WriteFile(replace[path], []byte(mutated), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// hunt runs go test on the mutant. The last arguments are a package, and flags of its
// tests.
func (m mutant) hunt(t *testing.T, overlay, sign string, args ...string) {
	t.Helper()
	m.huntIn(t, nil, overlay, sign, args...)
}

// huntIn does so with more variables in the environment.
func (m mutant) huntIn(t *testing.T, environment []string, overlay, sign string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1", "-vet=off", "-ldflags=-s -w",
		"-overlay=" + overlay}, args...)...)
	command.Env = append(os.Environ(), environment...)
	output, err := command.CombinedOutput()
	found := strings.Index(string(output), sign)
	if err == nil || found < 0 {
		t.Fatalf("nobody found it; go test says %v:\n%.3000s", err, output)
	}
	before := strings.TrimSpace(string(output[:found]))
	symptom := strings.TrimSpace(before[strings.LastIndex(before, "\n")+1:])
	t.Logf("%s\nfound: %s %s", m.why, symptom, firstLine(output[found:]))
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
