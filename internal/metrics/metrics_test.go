package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var now = time.UnixMilli(1_700_000_000_123)

func emitter(to *bytes.Buffer) Emitter {
	return Emitter{Stack: "archive-eu", To: to, Now: func() time.Time { return now }}
}

// read checks a line against the specification and returns its metrics.
func read(t *testing.T, line string) (values map[string]float64, units map[string]string) {
	t.Helper()
	problems := check([]byte(line))
	if problems != nil {
		t.Fatalf("%v\n%s", problems, line)
	}
	var root map[string]any
	var head struct {
		Metadata metadata `json:"_aws"`
	}
	if err := errors.Join(json.Unmarshal([]byte(line), &root), json.Unmarshal([]byte(line), &head)); err != nil {
		t.Fatal(err)
	}
	d := head.Metadata.CloudWatchMetrics[0]
	if root[Dimension] != "archive-eu" || d.Namespace != Namespace || head.Metadata.Timestamp != now.UnixMilli() ||
		len(d.Dimensions) != 1 || !slices.Equal(d.Dimensions[0], []string{Dimension}) {
		t.Errorf("namespace, dimensions or time: %s", line)
	}
	values, units = map[string]float64{}, map[string]string{}
	for _, m := range d.Metrics {
		values[m.Name], units[m.Name] = root[m.Name].(float64), m.Unit
	}
	return values, units
}

func TestTick(t *testing.T) {
	t.Parallel()
	left := int64(77)
	s := bifrost.TickSummary{InFlight: 1, Waiting: 2, Lag: 3, Failures: 4, Unfinished: 5, Blocked: 6, Diverged: 7, LagSeconds: 8, Milliseconds: 9, StalledSeconds: 10, TimeToLoss: &left}
	var out bytes.Buffer
	if err := emitter(&out).Tick(s); err != nil {
		t.Fatal(err)
	}
	got, units := read(t, out.String())
	want := map[string]float64{InFlight: 1, Waiting: 2, Lag: 3, Failures: 4, Unfinished: 5, Blocked: 6, Diverged: 7, LagSeconds: 8, TickDuration: 9, TimeToLoss: 77, Stalled: 10}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v, want %v", name, v, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("metrics %v, units %v", got, units)
	}
	for name := range want {
		unit := count
		switch name {
		case LagSeconds, TimeToLoss, Stalled:
			unit = seconds
		case TickDuration:
			unit = milliseconds
		}
		if units[name] != unit {
			t.Errorf("%s is in %s, want %s", name, units[name], unit)
		}
	}
	out.Reset()
	left = 0 // the worst there is
	if err := emitter(&out).Tick(s); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, out.String()); len(got) != len(want) {
		t.Errorf("when Kafka may delete a record at any moment: %v", got)
	}
	out.Reset()
	s.TimeToLoss = nil // no limit: a value would be a lie
	if err := emitter(&out).Tick(s); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, out.String()); len(got) != len(want)-1 || strings.Contains(out.String(), TimeToLoss) {
		t.Errorf("without a limit: %v", got)
	}
}

// A capture that is there counts, whoever made it; where none is to be made there is
// no value, so that nothing rings.
func TestCaptured(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[string]float64{
		bifrost.CaptureWritten: 1, bifrost.CaptureThere: 1, bifrost.CaptureNoTime: 0, bifrost.CaptureFailed: 0, bifrost.CapturePaused: 0,
	} {
		var out bytes.Buffer
		if err := emitter(&out).Tick(bifrost.TickSummary{Capture: &bifrost.CaptureResult{Outcome: outcome}}); err != nil {
			t.Fatal(err)
		}
		if got, _ := read(t, out.String()); got[Captured] != want {
			t.Errorf("%s: %v, want %v", outcome, got[Captured], want)
		}
	}
	var out bytes.Buffer
	if err := emitter(&out).Tick(bifrost.TickSummary{}); err != nil || strings.Contains(out.String(), Captured) {
		t.Errorf("turned off: %s, error %v", out.String(), err)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	result := func(outcome, reason string) bifrost.RangeResult {
		return bifrost.RangeResult{StartOffset: 100, EndOffset: 110, Outcome: outcome, GapReason: reason, Records: 9, RawBytes: 1000, StoredBytes: 100}
	}
	gap := func(reason string) bifrost.RangeResult {
		return bifrost.RangeResult{StartOffset: 100, EndOffset: 110, Outcome: bifrost.OutcomeLost, GapReason: reason, StoredBytes: 1}
	}
	var out bytes.Buffer
	err := emitter(&out).Ranges([]bifrost.RangeResult{
		result(bifrost.OutcomeArchived, ""), result(bifrost.OutcomeAdopted, ""), result(bifrost.OutcomeDoneAlready, ""), result(bifrost.OutcomeGone, ""),
		gap(bifrost.ReasonBeforeFirstSight), gap(bifrost.ReasonSkipped), gap(bifrost.ReasonErased), gap(bifrost.ReasonRequest), gap(bifrost.ReasonRetention), gap(bifrost.ReasonTopicDeleted),
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	got, units := read(t, out.String())
	want := map[string]float64{ArchivedRanges: 8, ArchivedRecords: 18, ArchivedBytes: 2000, StoredBytes: 206, Gaps: 2, LostOffsets: 20, FailedRanges: 1}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v, want %v", name, v, value)
		}
	}
	for name := range want {
		unit := count
		if name == ArchivedBytes || name == StoredBytes {
			unit = bytesUnit
		}
		if units[name] != unit {
			t.Errorf("%s is in %s, want %s", name, units[name], unit)
		}
	}
	if len(got) != len(want) {
		t.Errorf("metrics %v, units %v", got, units)
	}
}

// The cost is what the docs say: a line a tick and a line a run, however many
// ranges there were, and a bounded number of metrics.
func TestOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e := emitter(&out)
	if err := errors.Join(e.Tick(bifrost.TickSummary{Partitions: 100_000, Failed: make([]bifrost.TickFailure, 20)}), e.Ranges(make([]bifrost.RangeResult, 1000), false)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || out.Len() > 2500 {
		t.Errorf("%d lines, %d bytes", n, out.Len())
	}
	names := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		got, _ := read(t, line)
		for name := range got {
			names[name] = true
		}
	}
	if names[TimeToLoss] = true; len(names) != 18 {
		t.Errorf("%d metrics; docs/operations.md tells the price of 18: %v", len(names), names)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestWriteFails(t *testing.T) {
	t.Parallel()
	err := Emitter{Stack: "s", To: broken{}, Now: time.Now}.Tick(bifrost.TickSummary{})
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("error %v", err)
	}
}

// check holds a line against the specification; the next test shows that it can
// tell.
func check(line []byte) error {
	var root map[string]any
	if err := json.Unmarshal(line, &root); err != nil {
		return err
	}
	aws, ok := root["_aws"].(map[string]any)
	if !ok {
		return errors.New("_aws is required")
	}
	at, ok := aws["Timestamp"].(float64)
	if !ok || at != math.Trunc(at) || at < 1e12 || at > 1e13 {
		return errors.New("_aws.Timestamp must be milliseconds since the epoch")
	}
	directives, ok := aws["CloudWatchMetrics"].([]any)
	if !ok {
		return errors.New("_aws.CloudWatchMetrics is required")
	}
	var failed []error
	for _, d := range directives {
		failed = append(failed, checkDirective(root, d))
	}
	if len(line) > 1<<20 {
		failed = append(failed, errors.New("more than 1 MB"))
	}
	return errors.Join(failed...)
}

func checkDirective(root map[string]any, directive any) error {
	d, _ := directive.(map[string]any)
	namespace, _ := d["Namespace"].(string)
	if len(namespace) < 1 || len(namespace) > 1024 {
		return errors.New("Namespace must have 1 to 1024 characters")
	}
	sets, _ := d["Dimensions"].([]any)
	if len(sets) < 1 {
		return errors.New("Dimensions must have at least one set")
	}
	for _, set := range sets {
		if err := checkDimensions(root, set); err != nil {
			return err
		}
	}
	definitions, _ := d["Metrics"].([]any)
	if len(definitions) < 1 || len(definitions) > 100 {
		return errors.New("Metrics must have 1 to 100 definitions")
	}
	seen := map[string]bool{}
	for _, m := range definitions {
		definition, _ := m.(map[string]any)
		name, _ := definition["Name"].(string)
		unit, _ := definition["Unit"].(string)
		_, isNumber := root[name].(float64)
		switch {
		case len(name) < 1 || len(name) > 1024 || seen[name]:
			return errors.New("Name must have 1 to 1024 characters, and be there once: " + name)
		case !slices.Contains(knownUnits, unit):
			return errors.New("no unit of CloudWatch: " + unit)
		case !isNumber:
			return errors.New("the target member must be a number: " + name)
		}
		seen[name] = true
	}
	return nil
}

func checkDimensions(root map[string]any, set any) error {
	names, ok := set.([]any)
	if !ok || len(names) > 30 {
		return errors.New("a DimensionSet must have at most 30 names")
	}
	for _, n := range names {
		name, _ := n.(string)
		value, isText := root[name].(string)
		if len(name) < 1 || len(name) > 250 || !isText || len(value) < 1 || len(value) > 1024 {
			return errors.New("the target member of a dimension must be text of 1 to 1024 characters: " + name)
		}
	}
	return nil
}

// CloudWatch API reference, MetricDatum.
var knownUnits = []string{"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Percent", "Count", "Count/Second", "Bytes/Second", "None"}

func TestCheck(t *testing.T) {
	t.Parallel()
	const good = `{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D"]],"Metrics":[{"Name":"M","Unit":"Count"}]}]},"D":"d","M":1}`
	if err := check([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"Timestamp":1700000000000`, `"Timestamp":1700000000`}, {`"Timestamp":1700000000000`, `"Timestamp":"now"`}, {`"Namespace":"N"`, `"Namespace":""`},
		{`[["D"]]`, `[]`}, {`[["D"]]`, `["D"]`}, {`"D":"d"`, `"D":1`}, {`,"M":1`, ``}, {`,"M":1`, `,"M":"1"`}, {`"Count"`, `"Pieces"`}, {`"_aws"`, `"aws"`},
		{`{"Name":"M","Unit":"Count"}`, `{"Name":"M","Unit":"Count"},{"Name":"M","Unit":"Count"}`}, {`}`, ``},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good || check([]byte(bad)) == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}
