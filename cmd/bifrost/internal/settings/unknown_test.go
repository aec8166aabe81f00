package settings

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A variable that nothing reads is named, with the one that was probably meant.
func TestVariablesThatNothingReads(t *testing.T) {
	t.Parallel()
	got := UnknownVariables([]string{
		"BIFROST_BUKET=archive", "BIFROST_BUCKET=archive", "BIFROST_MAX_AGE=0", "BIFROST_MAX_AGE_SECONDS=0", "BIFROST_COLOUR=red",
		"BIFROST_GRUOP=", "BIFROST_DISCOVER_FUNCTION=f", "BIFROST_TEST_KAFKA=k", "BIFROST_JOB_MACHINE=m", "BIFROST_TO_SECRET=s",
		"HOME=/", "OTHER_BIFROST_BUKET=x", "BIFROST_GROUP",
	})
	want := []string{
		"BIFROST_BUKET is set, and nothing reads it, did you mean BIFROST_BUCKET?",
		"BIFROST_COLOUR is set, and nothing reads it: docs/configuration.md lists the variables",
		"BIFROST_MAX_AGE is set, and nothing reads it, did you mean BIFROST_MAX_AGE_SECONDS?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// No warning is of what the stack sets, deployed or on this machine.
func TestVariablesOfTheStackAreRead(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..", "..")
	files, err := filepath.Glob(filepath.Join(root, "infra", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	set := 0
	for _, name := range append(files, filepath.Join(root, "template.yaml"), filepath.Join(root, "internal", "localservices", "stack.go")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, variable := range regexp.MustCompile(`\bBIFROST_[A-Z_]+\b`).FindAllString(string(text), -1) {
			set++
			if said := UnknownVariables([]string{variable + "=x"}); len(said) > 0 {
				t.Errorf("%s: %s", name, said)
			}
		}
	}
	if set < 20 {
		t.Errorf("the stack sets %d variables", set)
	}
}
