package bifrost

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sampleEvents = "../../events"

// Every sample event is read by the code that reads it in production, and comes
// out the same when it is written again.
func TestSampleEvents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(sampleEvents, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample events in %s: %v", sampleEvents, err)
	}
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch name := filepath.Base(file); {
		case strings.HasPrefix(name, "discover"):
			if err := ParseTick(event); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case strings.HasPrefix(name, "archive"):
			task, err := ParseTask(event)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			checkSameJSON(t, name, event, task)
		case strings.HasPrefix(name, "job-"): // internal/job reads them, all there are
		default:
			t.Errorf("%s: no function takes this event", name)
		}
	}
}

func checkSameJSON(t *testing.T, name string, event []byte, decoded any) {
	t.Helper()
	encoded, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, event); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded, want.Bytes()) {
		t.Errorf("%s comes out as %s", name, encoded)
	}
}

func TestParseTaskRefuses(t *testing.T) {
	t.Parallel()
	whole := `{"topic":"orders","partition":0,"topic_id":"AQAAAAAAAAAAAAAAAAAAAA","start_offset":5,"end_offset":9,"attempt":1}`
	if _, err := ParseTask([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ event, names string }{
		"empty":             {``, "JSON object"},
		"an array":          {`[]`, "JSON object"},
		"no fields":         {`{}`, `"topic" is missing`},
		"null":              {strings.Replace(whole, `"orders"`, `null`, 1), `"topic" is missing`},
		"unknown field":     {strings.Replace(whole, `{`, `{"extra":1,`, 1), "extra"},
		"empty topic":       {strings.Replace(whole, `"orders"`, `""`, 1), "topic"},
		"path as topic":     {strings.Replace(whole, `orders`, `../orders`, 1), "topic"},
		"negative":          {strings.Replace(whole, `"partition":0`, `"partition":-1`, 1), "partition -1"},
		"start beyond end":  {strings.Replace(whole, `"start_offset":5`, `"start_offset":10`, 1), "[10, 9)"},
		"empty range":       {strings.Replace(whole, `"start_offset":5`, `"start_offset":9`, 1), "[9, 9)"},
		"negative start":    {strings.Replace(whole, `"start_offset":5`, `"start_offset":-5`, 1), "[-5, 9)"},
		"attempt zero":      {strings.Replace(whole, `"attempt":1`, `"attempt":0`, 1), "attempt 0"},
		"topic ID":          {strings.Replace(whole, `AQAA`, ``, 1), "topic ID"},
		"partition as text": {strings.Replace(whole, `"partition":0`, `"partition":"0"`, 1), "partition"},
		"second object":     {whole + `{}`, "after top-level value"},
		"too large":         {strings.Replace(whole, `"end_offset":9`, `"end_offset":99999999999999999999`, 1), "end_offset"},
	}
	for name, test := range tests {
		if _, err := ParseTask([]byte(test.event)); err == nil || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s: error %v, want one that names %q", name, err, test.names)
		}
	}
}

func TestParseTickRefuses(t *testing.T) {
	t.Parallel()
	for _, event := range []string{``, `[]`, `{"topic":"orders"}`, `{} {}`, `"x"`} {
		if err := ParseTick([]byte(event)); err == nil {
			t.Errorf("event %q was taken", event)
		}
	}
}

// TestBothNamesOfATopic: whoever reads an answer or a log line can tell the life of a
// topic from the topic, and topic keeps its value.
func TestBothNamesOfATopic(t *testing.T) {
	t.Parallel()
	p := Partition{Name: "orders@AAAAAAAAAAAAAAAAAAAABg.1", Number: 2}
	want := map[string]any{"topic": p.Name, "name": p.Name, "kafka_topic": "orders", "partition": 2.0}
	task := NewTask(Row{Partition: p, Range: Range{Start: 1, End: 2}, Attempts: 1})
	result := newResult(task, Row{Partition: p}, Facts{}, OutcomeGone, nil)
	logged := map[string]func(*slog.Logger){
		"task":  func(l *slog.Logger) { l.LogAttrs(t.Context(), slog.LevelInfo, "", task.LogAttrs()...) },
		"range": func(l *slog.Logger) { l.LogAttrs(t.Context(), slog.LevelInfo, "", result.LogAttrs()...) },
	}
	lines := map[string][]byte{}
	for name, log := range logged {
		var out bytes.Buffer
		log(slog.New(slog.NewJSONHandler(&out, nil)))
		lines[name] = out.Bytes()
	}
	var err error
	if lines["answer"], err = json.Marshal(result); err != nil {
		t.Fatal(err)
	}
	failure := p.newFailure(errors.New("refused"))
	if lines["failure"], err = json.Marshal(failure); err != nil {
		t.Fatal(err)
	}
	for name, line := range lines {
		var found map[string]any
		if err := json.Unmarshal(line, &found); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if name == "failure" && key == "topic" {
				value = "orders" // as ever
			}
			if found[key] != value {
				t.Errorf("%s: %s is %v, want %v: %s", name, key, found[key], value, line)
			}
		}
	}
}
