//go:build real

package localservices

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUpAndDownAreSafeToRepeat uses a home of its own, so that it can run beside
// a developer's stack.
func TestUpAndDownAreSafeToRepeat(t *testing.T) {
	t.Parallel()
	h := home(t.TempDir())
	options := StackOptions{Kafka: Kafka(t), Parameters: map[string]string{
		"IncludeTopics":       "nothing-of-that-name",
		"DeletionProtection":  "false",
		"PermissionsBoundary": "arn:aws:iam::000000000000:policy/developers",
	}}
	t.Cleanup(func() {
		if err := h.down(); err != nil {
			t.Error(err)
		}
	})
	first, err := h.up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.up(t.Context(), StackOptions{Kafka: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "make down stops it") {
		t.Errorf("up with another Kafka: error %v, want it to leave the stack that runs", err)
	}
	second, err := h.up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Env(), second.Env()) {
		t.Errorf("a second up moved the stack from %v to %v", first.Env(), second.Env())
	}
	sourceEnv(t, h, first.Env())
	askDoctor(t, first)

	state, err := h.readState()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.down(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range state.Parts {
		if p.running() || exists(p.Dir) {
			t.Errorf("down left %s: %+v", p.Name, p)
		}
	}
	if exists(h.stateFile()) {
		t.Error("down left its file")
	}
	if left := variablesAfter(t, h, first.Env()); len(left) > 0 {
		t.Errorf("a shell that reads %s after down still has %q", h.envFile(), left)
	}
}

// askDoctor runs the check that newcomers run first. What it warns of is to be true of this
// stack: nothing is wrong with what was deployed, once the schedule has started the first
// tick. The cluster is not the test's own.
func askDoctor(t *testing.T, s *Stack) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "bifrost")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/bifrost")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	compareSettings(t, binary, s.Env())
	initAgain := exec.CommandContext(t.Context(), binary, "init")
	initAgain.Env = append(os.Environ(), s.Env()...)
	if said, err := initAgain.CombinedOutput(); err != nil {
		t.Errorf("init beside the stack: %v: %s", err, said)
	}
	warnings := []string{"not asked"}
	for deadline := time.Now().Add(3 * time.Minute); len(warnings) > 0; time.Sleep(time.Second) {
		if warnings = warningsOf(t, binary, s.Env()); len(warnings) > 0 && time.Now().After(deadline) {
			t.Fatalf("doctor says %s", strings.Join(warnings, "\n"))
		}
	}
}

// compareSettings expects every variable that bifrost env reads from the deployed stack.
func compareSettings(t *testing.T, binary string, env []string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "env", "--stack", stackName)
	command.Env = append(os.Environ(), env...)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("env: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if want := name + "=" + strings.Trim(value, "'"); !slices.Contains(env, want) {
			t.Errorf("the functions have %s, and the stack's variables do not", want)
		}
	}
	if !strings.Contains(string(out), "BIFROST_FENCE_PAUSE_SECONDS='5'") {
		t.Errorf("env says %s", out)
	}
}

// warningsOf are the checks of the stack that doctor does not call ok.
func warningsOf(t *testing.T, binary string, env []string) (warnings []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "doctor", "--json")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("doctor: %v\n%s", err, out)
	}
	var answer struct {
		Checks []struct{ Name, Result, Found, Next string }
	}
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Checks) < 15 {
		t.Fatalf("%v: doctor says %s", err, out)
	}
	for _, check := range answer.Checks {
		ofKafka := slices.Contains([]string{"topics selected", "offsets", "retention"}, check.Name)
		if check.Result != "ok" && !ofKafka {
			warnings = append(warnings, fmt.Sprintf("%s: %s: %s (%s)", check.Name, check.Result, check.Found, check.Next))
		}
	}
	return warnings
}

// sourceEnv reads the file as a shell does, and expects all the names that
// strangers' tools rely on, with the stack's values.
func sourceEnv(t *testing.T, h home, want []string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `. "$1" && env`, "sh", h.envFile())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(string(out), "\n")
	for _, variable := range want {
		if !slices.Contains(got, variable) {
			t.Errorf("%s does not say %s", h.envFile(), variable)
		}
	}
	for _, name := range []string{
		"BIFROST_BROKERS", "BIFROST_GROUP", "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE", "BIFROST_MAX_AGE_SECONDS",
		"BIFROST_DISCOVER_FUNCTION", "BIFROST_ARCHIVE_FUNCTION", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE",
	} {
		if !slices.ContainsFunc(want, func(v string) bool { return strings.HasPrefix(v, name+"=") && v != name+"=" }) {
			t.Errorf("the stack has no %s", name)
		}
	}
}

// TestUpLeavesNothingWhenItFails asks for a cluster that is not there.
func TestUpLeavesNothingWhenItFails(t *testing.T) {
	t.Parallel()
	h := home(t.TempDir())
	if _, err := h.up(t.Context(), StackOptions{Kafka: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v, want an error that names the cluster", err)
	}
	if exists(h.stateFile()) || exists(h.envFile()) {
		t.Error("a failed up left its files")
	}
}

// TestDownNamesAStateItCannotRead keeps a person from losing processes.
func TestDownNamesAStateItCannotRead(t *testing.T) {
	t.Parallel()
	h := home(t.TempDir())
	if err := errors.Join(os.MkdirAll(filepath.Dir(h.stateFile()), 0o755), os.WriteFile(h.stateFile(), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := h.down(); err == nil || !strings.Contains(err.Error(), h.stateFile()) {
		t.Errorf("got %v, want an error that names %s", err, h.stateFile())
	}
}
