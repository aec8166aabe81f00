package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
)

// TestMain takes away what the shell of a developer may have set: no test here
// has a stack to talk to. As a function it is main.
func TestMain(m *testing.M) {
	if os.Getenv(runtimefake.MainVariable) != "" {
		main()
		return
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "BIFROST_") && !strings.HasPrefix(name, "BIFROST_TEST_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	for event, word := range map[string]string{`{"topic":"orders"}`: "topic", `{} {}`: "follows", `"go"`: "want {}"} {
		if _, err := handle(t.Context(), start, json.RawMessage(event)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %v, want one that says %q", event, err, word)
		}
	}
}

func TestNoConfiguration(t *testing.T) {
	t.Parallel()
	_, err := handle(t.Context(), start, json.RawMessage(`{}`))
	for _, name := range []string{"BIFROST_BROKERS", "BIFROST_GROUP", "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE", "BIFROST_ARCHIVE_FUNCTION"} {
		if err == nil || !strings.Contains(err.Error(), name+" is not set") {
			t.Errorf("error %v does not say that %s is not set", err, name)
		}
	}
}
