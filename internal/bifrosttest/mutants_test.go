package bifrosttest

import (
	"flag"
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
	var plants []plant
	for _, m := range mutants {
		run := "^(TestEveryFault|TestCombinedFaults|TestRandom)$"
		if scenario, ok := foundIn[m.name]; ok {
			run = "^TestEveryFault$/^" + strings.ReplaceAll(scenario, " ", "_") + "$"
		}
		plants = append(plants, plant{mutant: m, pkg: ".", run: run, sign: "replay: go test"})
	}
	hunt(t, plants)
}

// TestSuiteMutants shows that the suites can see.
func TestSuiteMutants(t *testing.T) {
	t.Parallel()
	var plants []plant
	for _, m := range suiteMutants {
		plants = append(plants, plant{mutant: m, pkg: ".", run: "^(TestLedger|TestStore)$", sign: failed})
	}
	hunt(t, plants)
}

// TestStopMutants shows that the tests of ranges that cannot be read on can see.
func TestStopMutants(t *testing.T) {
	t.Parallel()
	var plants []plant
	for _, m := range stopMutants {
		plants = append(plants, plant{mutant: m, pkg: ".", run: "^TestStop[A-Z]", sign: failed})
	}
	hunt(t, plants)
}
