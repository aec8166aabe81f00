package bifrosttest

import "testing"

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
	var plants []plant
	for kind, mutants := range kindMutants {
		for _, m := range mutants {
			p := plant{mutant: m.mutant, pkg: "../../" + m.pkg, run: "^(" + m.run + ")", sign: failed}
			p.name = kind + "/" + m.name
			if m.zone != "" {
				p.environment = []string{"TZ=" + m.zone}
			}
			plants = append(plants, p)
		}
	}
	hunt(t, plants)
}
