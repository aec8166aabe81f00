package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/job"
)

const (
	machine      = "arn:aws:states:eu-west-1:123456789012:stateMachine:jobs"
	targetSecret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:of-the-target"
)

// latestCapture is the key of the one capture of the account.
var latestCapture = capture.PositionsKey("g", "c", time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))

// account is AWS with empty tables, a bucket that holds one capture of an empty cluster, and
// Step Functions, which refuses to start a job and sends its input.
func account(t *testing.T, inputs chan<- string) (url string) {
	t.Helper()
	bucket := s3fake.New()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if !isJSON {
			bucket.ServeHTTP(w, r)
			return
		}
		status, answer := http.StatusOK, `{"Items":[],"Responses":{}}`
		switch {
		case service == "secretsmanager":
			answer = `{"SecretString":"{\"username\":\"u\",\"password\":\"p\"}"}`
		case operation == "StartExecution":
			var started struct{ Input string }
			if err := json.NewDecoder(r.Body).Decode(&started); err != nil {
				t.Error(err)
			}
			inputs <- started.Input
			status, answer = http.StatusBadRequest, `{"__type":"StateMachineDoesNotExist","message":"not here"}`
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(answer))))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	made, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/bucket", nil)
	if err == nil {
		_, err = http.DefaultClient.Do(made)
	}
	if err != nil {
		t.Fatal(err)
	}
	const configuration = "configuration.jsonl.gz"
	bucket.Put("bucket", configuration, zipped(t, `{"type":"configuration","version":1,"cluster_id":"c"}`, `{"type":"end","lines":1}`))
	bucket.Put("bucket", latestCapture, zipped(t,
		`{"type":"positions","version":1,"cluster_id":"c","at":"2026-01-31T12:00:00Z","configuration":"`+configuration+`"}`,
		`{"type":"end","lines":1}`))
	return server.URL
}

func zipped(t *testing.T, lines ...string) []byte {
	t.Helper()
	var content strings.Builder
	zip := gzip.NewWriter(&content)
	if _, err := io.WriteString(zip, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(content.String())
}

// parseInput reads the input of a job. An ID that was made of the time is its kind.
func parseInput(t *testing.T, input string) job.Spec {
	t.Helper()
	spec, err := job.ParseSpec([]byte(input))
	if err != nil {
		t.Fatalf("%v: %s", err, input)
	}
	if id, _, made := strings.Cut(spec.ID, "-20"); made {
		spec.ID = id
	}
	return spec
}

// Each flag of a command, and each variable that stands for one, is in the job that --as-job
// makes of it: a job that ends well without having done all of what it was asked for is worse
// than one that fails. A field of a job that no flag reaches, or a flag that no line here has,
// fails, so that a new one has to be thought about.
func TestFlagsReachTheJob(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	inputs := make(chan string, 1)
	url := account(t, inputs)
	const restore = "restore --at latest --to-brokers other:9092 --yes"
	const export = "export orders pay* --to s3://lake/kafka"
	to, captured := job.Target{Brokers: "other:9092"}, job.Restore{Capture: latestCapture}
	secured := job.Target{Brokers: "other:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "PLAIN", Secret: targetSecret}
	same := job.Target{Brokers: "other:9092", SameSecurity: true}
	everywhere := map[string]string{
		"BIFROST_TO_SECURITY_PROTOCOL": "SASL_SSL", "BIFROST_TO_SASL_MECHANISM": " PLAIN ", "BIFROST_TO_SECRET": targetSecret,
	}
	secure := " --to-security-protocol SASL_SSL --to-sasl-mechanism PLAIN --to-secret " + targetSecret
	restored := func(change func(*job.Spec)) job.Spec {
		own, what := to, captured
		spec := job.Spec{ID: "restore", Kind: job.KindRestore, To: &own, Restore: &what}
		change(&spec)
		return spec
	}
	replayed := func(what job.Replay) job.Spec {
		return job.Spec{ID: "replay", Kind: job.KindReplay, Topics: []string{"orders:copy"}, Replay: &what}
	}
	exported := func(what job.Export) job.Spec {
		what.To = "s3://lake/kafka"
		return job.Spec{ID: "export", Kind: job.KindExport, Topics: []string{"orders", "pay*"}, Export: &what}
	}
	known, reached := map[string]map[string]bool{}, map[string]bool{}
	for _, c := range []struct {
		line      string
		variables map[string]string
		want      job.Spec
	}{
		{restore, nil, restored(func(*job.Spec) {})},
		{restore + " --acls", nil, restored(func(s *job.Spec) { s.Restore.ACLs = true })},
		{restore + " --compression lz4", nil, restored(func(s *job.Spec) { s.Restore.Compression = "lz4" })},
		{restore + " --groups", nil, restored(func(s *job.Spec) { s.Restore.Groups = true })},
		{restore + " --topics orders,pay*", nil, restored(func(s *job.Spec) { s.Topics = []string{"orders", "pay*"} })},
		{restore + " --exclude tmp*", nil, restored(func(s *job.Spec) { s.Exclude = []string{"tmp*"} })},
		{restore + " --throttle 20MB", nil, restored(func(s *job.Spec) { s.BytesPerSecond = 20_000_000 })},
		{restore + secure, nil, restored(func(s *job.Spec) { s.To = &secured })},
		{restore, everywhere, restored(func(s *job.Spec) { s.To = &secured })},
		{restore + " --to-same-security", nil, restored(func(s *job.Spec) { s.To = &same })},
		{restore + " --to-same-security", everywhere, restored(func(s *job.Spec) { s.To = &same })},

		{"verify --deep", nil, job.Spec{ID: "verify", Kind: job.KindVerify}},
		{"verify --deep orders pay*", nil, job.Spec{ID: "verify", Kind: job.KindVerify, Topics: []string{"orders", "pay*"}}},

		{"replay orders:copy", nil, replayed(job.Replay{})},
		{"replay orders:copy --id mine", nil, job.Spec{ID: "mine", Kind: job.KindReplay, Topics: []string{"orders:copy"}, Replay: &job.Replay{}}},
		{"replay orders:copy --partitions 1,2", nil, replayed(job.Replay{Partitions: []int32{1, 2}})},
		{"replay orders:copy --from 3", nil, replayed(job.Replay{From: 3})},
		{"replay orders:copy --to 7", nil, replayed(job.Replay{To: 7})},
		{"replay orders:copy --since 2026-01-31", nil, replayed(job.Replay{Since: 1769817600000})},
		{"replay orders:copy --until 2026-01-31", nil, replayed(job.Replay{Until: 1769817600000})},
		{"replay orders:copy --rekey", nil, replayed(job.Replay{Rekey: true})},
		{"replay orders:copy --create", nil, replayed(job.Replay{Create: true})},
		{"replay orders:copy --force", nil, replayed(job.Replay{Force: true})},
		{"replay orders:copy --compression zstd", nil, replayed(job.Replay{Compression: "zstd"})},
		{"replay orders:copy --throttle 20MB", nil, job.Spec{ID: "replay", Kind: job.KindReplay, Topics: []string{"orders:copy"}, BytesPerSecond: 20_000_000, Replay: &job.Replay{}}},
		{"replay orders:copy --to-brokers other:9092" + secure, nil, job.Spec{ID: "replay", Kind: job.KindReplay, Topics: []string{"orders:copy"}, To: &secured, Replay: &job.Replay{}}},
		{"replay orders:copy --to-brokers other:9092", everywhere, job.Spec{ID: "replay", Kind: job.KindReplay, Topics: []string{"orders:copy"}, To: &secured, Replay: &job.Replay{}}},
		{"replay orders:copy --to-brokers other:9092 --to-same-security", nil, job.Spec{ID: "replay", Kind: job.KindReplay, Topics: []string{"orders:copy"}, To: &same, Replay: &job.Replay{}}},

		{export, nil, exported(job.Export{})},
		{export + " --schemas registry", nil, exported(job.Export{})}, // nothing is decoded
		{export + " --decode", nil, exported(job.Export{Decode: true, Schemas: "_schemas"})},
		{export + " --decode-key --schemas registry", nil, exported(job.Export{DecodeKey: true, Schemas: "registry"})},
		{export + " --typed", nil, exported(job.Export{Typed: "TOPIC-value", Schemas: "_schemas"})},
		{export + " --typed=com.shop.Order", nil, exported(job.Export{Typed: "com.shop.Order", Schemas: "_schemas"})},
		{export + " --typed-key=17 --schemas registry", nil, exported(job.Export{TypedKey: "17", Schemas: "registry"})},
	} {
		a := app.New(strings.NewReader(""), io.Discard, io.Discard)
		for name, value := range map[string]string{
			"BIFROST_BROKERS": "archived:9092", "BIFROST_BUCKET": "bucket", "BIFROST_GROUP": "g", "BIFROST_PROGRESS_TABLE": "p",
			"BIFROST_OBJECTS_TABLE": "o", "BIFROST_JOB_MACHINE": machine,
			"BIFROST_TO_SECURITY_PROTOCOL": "", "BIFROST_TO_SASL_MECHANISM": "", "BIFROST_TO_SECRET": "",
		} {
			a.SetVariable(name, value)
		}
		for name, value := range c.variables {
			a.SetVariable(name, value)
		}
		root := newRoot(a)
		root.SetArgs(append(strings.Fields(c.line), "--as-job", "--region", "eu-west-1", "--endpoint-url", url))
		command, err := root.ExecuteContextC(t.Context())
		if err == nil || !strings.Contains(err.Error(), "not here") {
			t.Errorf("%s: error %v, want that of the job", c.line, err)
			continue
		}
		got := parseInput(t, <-inputs)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s with %v: job %s, want %s", c.line, c.variables, asText(t, got), asText(t, c.want))
		}
		if known[command.Name()] == nil {
			known[command.Name()] = map[string]bool{}
		}
		command.Flags().Visit(func(f *pflag.Flag) { known[command.Name()][f.Name] = true })
		reachedFields(reflect.ValueOf(got), "", reached)
	}
	for field, is := range reached {
		if !is {
			t.Errorf("no flag reaches the job's %s", field)
		}
	}
	// Of one command alone, or refused beside --as-job, or about what is printed.
	others := map[string]string{
		"restore": "as-job finish help json parallel plan", "verify": "as-job fix gaps help json kafka parallel record yes",
		"replay": "again all as-job dry-run help json offset-map parallel show", "export": "as-job help json workers",
	}
	for name, flags := range known {
		command, _, err := newTestRoot().Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		command.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if !flags[f.Name] && !slices.Contains(strings.Fields(others[name]), f.Name) {
				t.Errorf("%s --%s: no line here has it", name, f.Name)
			}
		})
	}
	if len(known) != len(others) {
		t.Errorf("commands %v, want those of %v", slices.Sorted(maps.Keys(known)), others)
	}
}

// reachedFields marks which fields of a job are set, each by its path.
func reachedFields(v reflect.Value, path string, reached map[string]bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = reflect.Zero(v.Type().Elem())
		} else {
			v = v.Elem()
		}
	}
	if v.Kind() != reflect.Struct {
		reached[path] = reached[path] || !v.IsZero()
		return
	}
	for i := range v.NumField() {
		reachedFields(v.Field(i), path+"."+v.Type().Field(i).Name, reached)
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
