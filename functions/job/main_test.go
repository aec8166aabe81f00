package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// TestMain takes away what the shell of a developer may have set: no test here has a
// stack to talk to. As a function it is main.
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
	for event, words := range map[string]string{
		`{}`: "want plan, work or finish",
		`{"step":"work","id":"x","item":{"item":1}}`: "BIFROST_BUCKET is not set",
	} {
		if _, err := handle(t.Context(), open, json.RawMessage(event)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want one that says %q", event, err, words)
		}
	}
}

// A job gets into another cluster as the command does with flags of the same names: the
// credentials of the archived one go nowhere else, unless somebody says so.
func TestConnect(t *testing.T) {
	t.Parallel()
	parts := &wiring.Parts{Config: config.Config{
		Brokers: []string{"archived:9092"}, Kafka: config.Kafka{Mechanism: "PLAIN", Secret: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:of-the-source"},
	}}
	for name, c := range map[string]struct {
		to    *job.Target
		words string // of the error; empty for none
	}{
		"another cluster":     {&job.Target{Brokers: "other:9092"}, ""},
		"wrong brokers":       {&job.Target{Brokers: "other"}, "other"},
		"wrong protocol":      {&job.Target{Brokers: "other:9092", SecurityProtocol: "TLS"}, "TLS"},
		"without credentials": {&job.Target{Brokers: "other:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "PLAIN"}, "--to-secret"},
	} {
		_, err := connect(t.Context(), parts, c.to)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.words)
		}
	}
}

// The rule has what the configuration says: the group, the bucket, how many functions
// archive, when the bucket deletes objects.
func TestTheRunnerIsThatOfTheConfiguration(t *testing.T) {
	t.Parallel()
	parts := &wiring.Parts{Config: config.Config{Group: "the-group", Bucket: "the-bucket", MaxInFlight: 7, Expiration: 48 * time.Hour}}
	r := runner(parts)
	if r.Group != "the-group" || r.BucketName != "the-bucket" || r.MaxInFlight != 7 || r.Expiration != 48*time.Hour {
		t.Errorf("runner %+v", r)
	}
	one, other := r.NewID(), r.NewID()
	if r.Cores < 1 || time.Since(r.Now()).Abs() > time.Minute || one == other {
		t.Errorf("%d cores, the time %v, the IDs %s and %s", r.Cores, r.Now(), one, other)
	}
}
