package main

import (
	"errors"
	"testing"
)

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
