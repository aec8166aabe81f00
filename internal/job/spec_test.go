package job

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The samples are what the pages give to the console, and what the workflow sends.
func TestSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../events/job-*.json")
	if err != nil || len(files) != 8 {
		t.Fatalf("samples %v, error %v", files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "job-"), ".")
		switch step {
		case "plan", "work", "finish":
			if e, err := ParseEvent(text); err != nil || e.Step != step {
				t.Errorf("%s: %+v, error %v", path, e, err)
			}
		default:
			spec, err := ParseSpec(text)
			if err != nil || spec.Continues() != (step == "continue") {
				t.Errorf("%s: %+v, error %v", path, spec, err)
			}
			again, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			if same, err := ParseSpec(again); err != nil || string(mustJSON(t, same)) != string(again) {
				t.Errorf("%s: written and read it is %+v, error %v", path, same, err)
			}
		}
	}
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSpecsThatAreRefused(t *testing.T) {
	t.Parallel()
	const to = `"to":{"brokers":"b:9092"}`
	for spec, words := range map[string]string{
		`{`:                           "events/job-replay.json",
		`{}`:                          `job ID ""`,
		`{"id":"~x","kind":"verify"}`: "job ID",
		`{"id":"` + strings.Repeat("x", 49) + `","kind":"verify"}`:                                                     "up to 47",
		`{"id":"x","kind":"replay","topics":["a"],"workers":1}`:                                                        "workers",
		`{"id":"x","topics":["a"]}`:                                                                                    `kind ""`,
		`{"id":"x","kind":"verify","bytes_per_second":5}`:                                                              "nothing into Kafka that could be held back",
		`{"id":"x","kind":"verify",` + to + `}`:                                                                        "writes into no cluster",
		`{"id":"x","kind":"verify","topics":["[a"]}`:                                                                   "topics [a",
		`{"id":"x","kind":"verify","exclude":["[a"]}`:                                                                  "exclude [a",
		`{"id":"x","kind":"replay","topics":["a"],"exclude":["b"]}`:                                                    "exclude: a replay names its topics",
		`{"id":"x","kind":"verify","replay":{}}`:                                                                       "replay: it is for jobs of that kind",
		`{"id":"x","kind":"replay","topics":["a"],"restore":{"capture":"c"}}`:                                          "restore: it is for jobs of that kind",
		`{"id":"x","kind":"replay","topics":["a"],"bytes_per_second":-1}`:                                              "want 0 or more",
		`{"id":"x","kind":"replay","topics":["a"],"to":{}}`:                                                            "to.brokers is missing",
		`{"id":"x","kind":"replay","topics":["a"],"to":{"brokers":"b","secret":"file:/x"}}`:                            "reads no file",
		`{"id":"x","kind":"replay","topics":["a"],"to":{"brokers":"b","same_security":true,"sasl_mechanism":"PLAIN"}}`: "same_security",
		`{"id":"x","kind":"replay","topics":["a"],"replay":{"from":5,"to":5}}`:                                         "0 <= from < to",
		`{"id":"x","kind":"replay","topics":["a","b"],"replay":{"from":5}}`:                                            "offsets of one topic",
		`{"id":"x","kind":"replay","topics":["a"],"replay":{"since":5,"until":4}}`:                                     "since < until",
		`{"id":"x","kind":"replay","topics":["a"],"replay":{"partitions":[-1]}}`:                                       "no number of a partition",
		`{"id":"x","kind":"replay","topics":["a"],"replay":{"compression":"best"}}`:                                    "replay.compression",
		`{"id":"x","kind":"replay","topics":["a"],"replay":{"again":true}}`:                                            "again",
		`{"id":"x","kind":"restore",` + to + `}`:                                                                       "restore.capture is missing",
		`{"id":"x","kind":"restore","restore":{"capture":"c","compression":"best"},` + to + `}`:                        "restore.compression",
		`{"id":"x","kind":"restore","restore":{"capture":"c"}}`:                                                        "to is missing",
		`{"id":"x","kind":"export","export":{"to":"s3://b/p"}}`:                                                        "topics are missing",
		`{"id":"x","kind":"export","topics":["a"]}`:                                                                    "export.to is missing",
		`{"id":"x","kind":"export","topics":["a"],"export":{}}`:                                                        "export.to is missing",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"/lake"}}`:                                            "no directory",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"s3://b/../p"}}`:                                      "no part of a prefix",
		`{"id":"x","kind":"export","topics":["[a"],"export":{"to":"s3://b/p"}}`:                                        "topics [a",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"s3://b/p","workers":3}}`:                             "workers",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"s3://b/p","schemas":"_schemas"}}`:                    "export.schemas is for",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"s3://b/p","decode":true}}`:                           "asks no registry",
		`{"id":"x","kind":"export","topics":["a"],"export":{"to":"s3://b/p","decode":true,"schemas":"http://r:8081"}}`: "asks no registry",
		`{"id":"x","kind":"export","topics":["a"],"bytes_per_second":5,"export":{"to":"s3://b/p"}}`:                    "nothing into Kafka",
		`{"id":"x","kind":"export","topics":["a"],` + to + `,"export":{"to":"s3://b/p"}}`:                              "writes into no cluster",
		`{"id":"x","kind":"verify","export":{"to":"s3://b/p"}}`:                                                        "export: it is for jobs of that kind",
	} {
		if _, err := ParseSpec([]byte(spec)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want one that says %q", spec, err, words)
		}
	}
}

// Globs that exclude win, and a spec that has them is a new job.
func TestSpecExcludesTopics(t *testing.T) {
	t.Parallel()
	spec, err := ParseSpec([]byte(`{"id":"x","kind":"verify","topics":["orders*"],"exclude":["*-tmp"]}`))
	if err != nil {
		t.Fatal(err)
	}
	filter, err := spec.filter()
	if err != nil || !filter.Selects("orders-1") || filter.Selects("orders-tmp") || filter.Selects("payments") {
		t.Errorf("%+v, error %v", filter, err)
	}
	if (Spec{ID: "x", Exclude: []string{"a"}}).Continues() {
		t.Error("a spec that excludes something continues another")
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	for event, words := range map[string]string{
		`[]`:               "events/job-plan.json",
		`{}`:               "want plan, work or finish",
		`{"step":"erase"}`: `step "erase"`,
		`{"step":"plan","execution":"x","workers":1}`:                "events/job-plan.json",
		`{"step":"plan","job":{},"execution":"x"}`:                   `"workers"`,
		`{"step":"plan","job":{},"workers":1}`:                       `"execution"`,
		`{"step":"work","item":{"item":1}}`:                          `"id"`,
		`{"step":"work","id":"x"}`:                                   `"item"`,
		`{"step":"work","id":"x","item":{"item":1},"bucket":"mine"}`: "bucket",
		`{"step":"finish","execution":"x"}`:                          "events/job-finish.json",
	} {
		if _, err := ParseEvent([]byte(event)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want one that says %q", event, err, words)
		}
	}
}

// The workers of a replay and of a restore write with the codec that was chosen, and with none if none was.
func TestTheCodecOfAJob(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Spec{
		"gzip": {Kind: KindReplay, Replay: &Replay{Compression: "gzip"}}, "none": {Kind: KindRestore, Restore: &Restore{Compression: "none"}},
	} {
		if got, err := s.codec(); err != nil || got == nil || got.String() != name {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, s := range []Spec{{Kind: KindReplay}, {Kind: KindReplay, Replay: &Replay{}}, {Kind: KindRestore, Restore: &Restore{}}} {
		if got, err := s.codec(); err != nil || got != nil {
			t.Errorf("%+v: %v, %v, want none", s, got, err)
		}
	}
}
