package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/metrics"
)

const observability = "infra/observability.yaml"

// emitted is the name and unit of each metric that the functions write, from
// what they really write. stack is what the dimension is set to.
func emitted(t *testing.T, stack string) map[string]string {
	t.Helper()
	var out bytes.Buffer
	e := metrics.Emitter{Stack: stack, To: &out, Now: time.Now}
	left := int64(1)
	if err := e.Tick(bifrost.TickSummary{TimeToLoss: &left, Capture: &bifrost.CaptureResult{}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Ranges(nil, false); err != nil {
		t.Fatal(err)
	}
	units := map[string]string{}
	for line := range strings.Lines(out.String()) {
		var document map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			t.Fatal(err)
		}
		for _, d := range Get(document, "_aws", "CloudWatchMetrics").([]any) {
			if Get(d, "Namespace") != "Bifrost" || fmt.Sprint(Get(d, "Dimensions")) != "[[Stack]]" || document["Stack"] != stack {
				t.Errorf("line %s", line)
			}
			for _, m := range Get(d, "Metrics").([]any) {
				units[fmt.Sprint(Get(m, "Name"))] = fmt.Sprint(Get(m, "Unit"))
			}
		}
	}
	return units
}

// AWS's own metrics that are used here (Lambda Developer Guide, "Types of metrics
// for Lambda functions"; SQS Developer Guide, "Available CloudWatch metrics").
var awsMetrics = map[string][]string{
	"AWS/Lambda FunctionName": {"Errors", "Throttles", "ConcurrentExecutions"},
	"AWS/SQS QueueName":       {"NumberOfMessagesSent"},
	// Step Functions Developer Guide, "Execution metrics".
	"AWS/States StateMachineArn": {"ExecutionsFailed"},
}

// A source is a metric as an alarm or a widget names it.
type source struct {
	namespace, metric, dimension, value, statistic string
}

func (s source) check(t *testing.T, where string, known map[string]string) {
	t.Helper()
	if s.namespace == metrics.Namespace {
		if known[s.metric] == "" || s.dimension != metrics.Dimension || s.value != "Name" {
			t.Errorf("%s: no function writes %+v", where, s)
		}
		return
	}
	parameters := map[string][]string{"FunctionName": {"DiscoverFunction", "ArchiveFunction"}, "QueueName": {"DeadLetters"}, "StateMachineArn": {"JobMachine"}}
	if !slices.Contains(awsMetrics[s.namespace+" "+s.dimension], s.metric) || !slices.Contains(parameters[s.dimension], s.value) {
		t.Errorf("%s: AWS has no such metric: %+v", where, s)
	}
}

// sourceOf is the metric of an alarm. The local AWS has no alarms on expressions
// of several, so there are none.
func sourceOf(alarm Resource) source {
	s := source{namespace: fmt.Sprint(alarm.Get("Namespace")), metric: fmt.Sprint(alarm.Get("MetricName")), statistic: fmt.Sprint(alarm.Get("Statistic"))}
	dimensions, _ := alarm.Get("Dimensions").([]any)
	if len(dimensions) == 1 {
		s.dimension, s.value = fmt.Sprint(Get(dimensions[0], "Name")), fmt.Sprint(Get(dimensions[0], "Value", "Ref"))
	}
	return s
}

func TestAlarmsWatchWhatIsWritten(t *testing.T) {
	t.Parallel()
	known := emitted(t, "some-stack")
	for name, alarm := range load(t, observability).Resources("AWS::CloudWatch::Alarm") {
		sourceOf(alarm).check(t, name, known)
		for _, state := range []string{"AlarmActions", "OKActions"} {
			want(t, alarm, when("TellsSomebody", []any{ref("AlarmTopic")}), state)
		}
	}
}

// The functions' dimension is the stack, as the alarms'.
func TestFunctionsAndAlarmsMeanTheSameStack(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	if got := fmt.Sprint(template.Get("Globals", "Function", "Environment", "Variables", "BIFROST_STACK")); got != fmt.Sprint(ref("AWS::StackName")) {
		t.Errorf("functions write for %s", got)
	}
	want(t, template.Resources("")["Observability"], ref("AWS::StackName"), "Parameters", "Name")
}

// What is an alarm, and what silence means for it.
func TestAlarms(t *testing.T) {
	t.Parallel()
	type alarm struct{ metric, compare, threshold, missing string }
	expected := map[string]alarm{
		"NothingArchived":   {"Stalled Minimum", "GreaterThanThreshold", fmt.Sprint(ref("StalledSeconds")), "notBreaching"},
		"NearToLoss":        {"TimeToLoss Minimum", "LessThanThreshold", fmt.Sprint(ref("TimeToLossSeconds")), "notBreaching"},
		"RecordsLost":       {"Gaps Sum", "GreaterThanThreshold", "0", "notBreaching"},
		"RunsFail":          {"NumberOfMessagesSent Sum", "GreaterThanThreshold", fmt.Sprint(ref("DeadLettersAllowed")), "notBreaching"},
		"PartitionDiverged": {"Diverged Maximum", "GreaterThanThreshold", "0", "notBreaching"},
		"PartitionBlocked":  {"Blocked Maximum", "GreaterThanThreshold", "0", "notBreaching"},
		"DiscoverFails":     {"Errors Average", "GreaterThanOrEqualToThreshold", "0.5", "notBreaching"},
		"JobsFail":          {"ExecutionsFailed Sum", "GreaterThanThreshold", "0", "notBreaching"},
		"NothingCaptured":   {"Captured Maximum", "LessThanThreshold", "1", "notBreaching"},
		"NoTicks":           {"TickDuration SampleCount", "LessThanThreshold", "1", "missing"},
	}
	found := map[string]alarm{}
	for name, a := range load(t, observability).Resources("AWS::CloudWatch::Alarm") {
		s := sourceOf(a)
		found[name] = alarm{s.metric + " " + s.statistic, fmt.Sprint(a.Get("ComparisonOperator")), fmt.Sprint(a.Get("Threshold")), fmt.Sprint(a.Get("TreatMissingData"))}
		want(t, a, 1, "EvaluationPeriods")
	}
	if !maps.Equal(found, expected) {
		t.Errorf("alarms\n%v, want\n%v", found, expected)
	}
}

// Day one and the hour after a pause have no ticks yet, so an alarm that takes
// silence for bad would ring before the first one. A tick that is missed is told as
// the end of the data, and only that alarm tells it: where no tick runs, the others
// have nothing to say.
func TestSilenceBeforeTheFirstTickIsNoAlarm(t *testing.T) {
	t.Parallel()
	for name, a := range load(t, observability).Resources("AWS::CloudWatch::Alarm") {
		told := a.Get("InsufficientDataActions")
		if a.Get("TreatMissingData") == "breaching" {
			t.Errorf("%s rings at the first deployment and after every pause", name)
		}
		if missed := a.Get("TreatMissingData") == "missing"; missed != (told != nil) {
			t.Errorf("%s: missing data is %v, and tells %v", name, a.Get("TreatMissingData"), told)
		}
	}
	want(t, load(t, observability).Resources("")["NoTicks"], when("TellsSomebody", []any{ref("AlarmTopic")}), "InsufficientDataActions")
}

var runbook = regexp.MustCompile(`https://github\.com/bifrost-archive/bifrost/blob/main/docs/operations\.md#([a-z-]+)$`)

// Each alarm leads to a section that says what it means, what to look at and what
// to do.
func TestEveryAlarmHasItsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(page), "\n### ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[strings.ReplaceAll(strings.ToLower(title), " ", "-")] = text
	}
	for name, alarm := range load(t, observability).Resources("AWS::CloudWatch::Alarm") {
		link := runbook.FindStringSubmatch(fmt.Sprint(alarm.Get("AlarmDescription")))
		if link == nil {
			t.Errorf("%s: %v leads nowhere", name, alarm.Get("AlarmDescription"))
			continue
		}
		want(t, alarm, sub("${Name}-"+link[1]), "AlarmName")
		for _, part := range []string{"**It means**", "**Look at**", "**Do**"} {
			if !strings.Contains(sections[link[1]], part) {
				t.Errorf("%s: docs/operations.md#%s does not say %s", name, link[1], part)
			}
		}
	}
}

func TestDashboardShowsWhatIsWritten(t *testing.T) {
	t.Parallel()
	template := load(t, observability)
	text, _ := template.Resources("")["Dashboard"].Get("DashboardBody", "Fn::Sub").(string)
	var body struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Title   string
				Alarms  []string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	known, shown := emitted(t, "some-stack"), map[string]bool{}
	for _, widget := range body.Widgets {
		for _, m := range widget.Properties.Metrics {
			s := source{namespace: m[0].(string), metric: m[1].(string), dimension: m[2].(string), value: strings.Trim(m[3].(string), "${}")}
			s.check(t, widget.Properties.Title, known)
			shown[s.metric] = true
		}
		if widget.Type == "alarm" && len(widget.Properties.Alarms) != len(template.Resources("AWS::CloudWatch::Alarm")) {
			t.Errorf("it shows %d alarms", len(widget.Properties.Alarms))
		}
	}
	for name := range known {
		if !shown[name] {
			t.Errorf("%s is written, paid for, and not shown", name)
		}
	}
}
