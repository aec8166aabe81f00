package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

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
		"the same security":   {&job.Target{Brokers: "other:9092", SameSecurity: true}, "of-the-source"},
		"the archived one":    {nil, "of-the-source"},
		"without credentials": {&job.Target{Brokers: "other:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "PLAIN"}, "--to-secret"},
	} {
		_, err := connect(t.Context(), parts, c.to)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.words)
		}
	}
}

// What does the steps of jobs has each of its parts, and each from its own setting.
func TestRunnerHasAllParts(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "the-group", "BIFROST_BUCKET": "the-bucket", "BIFROST_PROGRESS_TABLE": "p",
		"BIFROST_OBJECTS_TABLE": "o", "BIFROST_MAX_IN_FLIGHT": "6", "BIFROST_EXPIRATION_DAYS": "7",
	}
	c, err := config.Load(config.Archiver, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	parts, err := wiring.Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	r := runner(parts)
	for i := range reflect.TypeOf(*r).NumField() {
		if field := reflect.TypeOf(*r).Field(i); field.IsExported() && reflect.ValueOf(*r).Field(i).IsZero() && field.Name != "Memory" {
			t.Errorf("%s is nothing", field.Name)
		}
	}
	for what, pair := range map[string][2]any{
		"group": {r.Files.Group, "the-group"}, "bucket": {r.BucketName, "the-bucket"}, "functions at the same time": {r.MaxInFlight, 6}, "cores": {r.Cores, runtime.GOMAXPROCS(0)},
		"age at which objects expire": {r.Expiration, 7 * 24 * time.Hour}, "memory": {r.Memory, config.FunctionMemory()},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	if one, other := r.NewID(), r.NewID(); one == other {
		t.Error("an ID twice")
	}
}

// An export goes into the bucket and under the prefix that it names, not into the archive's, and
// each kind of request is charged as what it is: they have prices of their own.
func TestAnExportGoesWhereItIsToldAndIsCharged(t *testing.T) {
	paths := make(chan string, 10)
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.Method + " " + r.URL.Path
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s3.Close()
	for name, value := range map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "g", "BIFROST_BUCKET": "archive", "BIFROST_PROGRESS_TABLE": "p",
		"BIFROST_OBJECTS_TABLE": "o", "AWS_ENDPOINT_URL": s3.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id",
		"AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	parts, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	r := runner(parts)
	place := r.Place("lake", "daily/")
	if place.String() != "s3://lake/daily/" {
		t.Errorf("the place is %s", place)
	}
	for range 2 {
		if _, err := place.Read(t.Context(), "file"); err == nil {
			t.Error("a file that is refused was read")
		}
		if asked := <-paths; asked != "GET /lake/daily/file" {
			t.Errorf("asked for %s", asked)
		}
	}
	if _, err := place.CreateOnce(t.Context(), "other", []byte("x")); err == nil {
		t.Error("a file that is refused was written")
	}
	if asked := <-paths; asked != "PUT /lake/daily/other" {
		t.Errorf("asked for %s", asked)
	}
	if got, want := r.Requests(), (job.Requests{Puts: 1, Gets: 2}); got != want {
		t.Errorf("charged are %+v, want %+v", got, want)
	}
}

// The memory of the function bounds what a job takes. The variable is the process's: this test runs
// alone.
func TestJobsKnowTheMemoryOfTheirFunction(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
	if r := runner(&wiring.Parts{}); r.Memory != 1<<30 {
		t.Errorf("%d bytes of memory, want 1 GiB", r.Memory)
	}
}
