package localservices

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// variablesAfter are those of the variables that a shell which has them still has once it has read
// the file.
func variablesAfter(t *testing.T, h home, variables []string) (left []string) {
	t.Helper()
	cmd := exec.Command("sh", "-euc", `. "$1"; env`, "sh", h.envFile())
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, variables...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || !strings.Contains(said.String(), "make up starts one") {
		t.Fatalf("the shell ends with %v and says %q", err, said.String())
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSuffix(line, "\n"); slices.Contains(variables, line) {
			left = append(left, line)
		}
	}
	return left
}

// After down, reading the file of variables takes them out of a shell, as often as down is repeated.
func TestDownTakesTheVariablesAway(t *testing.T) {
	t.Parallel()
	h := home(t.TempDir())
	if err := h.clearEnv(); err != nil || exists(h.envFile()) {
		t.Errorf("where nothing was up: %v", err)
	}
	if err := os.WriteFile(h.envFile(), []byte("export BIFROST_GROUP='it'\\''s'\nexport AWS_REGION='eu-west-1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.clearEnv(); err != nil {
			t.Fatal(err)
		}
		if left := variablesAfter(t, h, []string{"BIFROST_GROUP=it's", "AWS_REGION=eu-west-1"}); len(left) > 0 {
			t.Errorf("the shell still has %q", left)
		}
	}
}
