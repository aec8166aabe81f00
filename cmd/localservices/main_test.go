package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What make up says comes next is what the README says.
func TestNextStepsAreTheReadmes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for line := range strings.Lines(strings.ReplaceAll(nextSteps, "%%", "%")) {
		step, isStep := strings.CutPrefix(strings.TrimRight(line, "\n"), "  ")
		if !isStep || strings.Contains(step, "%s") {
			continue
		}
		if steps++; !strings.Contains(string(page), "\n"+step) {
			t.Errorf("the README has no line %q", step)
		}
	}
	if steps < 5 {
		t.Errorf("%d steps", steps)
	}
}

// TestHelpIsNoArgument: produce --help made a topic of that name, and up --help started a stack.
func TestHelpIsNoArgument(t *testing.T) {
	t.Parallel()
	for name := range commands {
		for _, help := range []string{"--help", "-h"} {
			if _, err := commandOf([]string{name, help}); !errors.Is(err, errUsage) {
				t.Errorf("localservices %s %s: error %v, want the usage", name, help, err)
			}
		}
		if command, err := commandOf([]string{name, "orders", "--help"}); command == nil || err != nil {
			t.Errorf("localservices %s orders --help: error %v, and run hands that to its command", name, err)
		}
	}
	for _, args := range [][]string{nil, {"--help"}, {"nosuch"}} {
		if _, err := commandOf(args); !errors.Is(err, errUsage) {
			t.Errorf("localservices %q: error %v, want the usage", args, err)
		}
	}
}
