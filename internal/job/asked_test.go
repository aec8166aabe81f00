package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/replay"
)

// TestAReplayWritesWhatWasAskedFor: the partitions, offsets and times that the job names, and no others,
// as a replay by the command does.
func TestAReplayWritesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	const records = 40
	a := newAccount(t, 3)
	first := a.clock.Now().Add(time.Second) // the time of the first record; each next one is a second later
	a.archive("orders", 2, records)
	since, until := first.Add(10*time.Second).UnixMilli(), first.Add(20*time.Second).UnixMilli()
	for name, c := range map[string]struct {
		asked Replay
		want  func(partition int32, offset int) bool
	}{
		"everything":          {Replay{}, func(int32, int) bool { return true }},
		"one partition":       {Replay{Partitions: []int32{1}}, func(p int32, _ int) bool { return p == 1 }},
		"from an offset":      {Replay{From: 17}, func(_ int32, o int) bool { return o >= 17 }},
		"to an offset":        {Replay{To: 3}, func(_ int32, o int) bool { return o < 3 }},
		"between two offsets": {Replay{From: 5, To: 6}, func(_ int32, o int) bool { return o == 5 }},
		"since a time":        {Replay{Since: since}, func(p int32, o int) bool { return 2*o+int(p) >= 10 }},
		"until a time":        {Replay{Until: until}, func(p int32, o int) bool { return 2*o+int(p) < 20 }},
		"all of it": {Replay{Partitions: []int32{0}, From: 6, To: 9, Since: since, Until: until},
			func(p int32, o int) bool { return p == 0 && o >= 6 && o < 9 }},
	} {
		copied := strings.ReplaceAll(name, " ", "-")
		spec := replayOf(copied, "orders:"+copied)
		c.asked.Create = true
		spec.Replay = &c.asked
		var want []string
		for i := range records {
			if c.want(int32(i%2), i/2) {
				want = append(want, fmt.Sprintf("orders record %d", i))
			}
		}
		report, err := a.execute(spec)
		if err != nil || report.Records != int64(len(want)) || report.Bytes <= 0 || report.Kind != KindReplay || report.Seconds < 0 || report.Ended.IsZero() {
			t.Errorf("%s: report %+v, error %v, want %d records; calls that failed: %q", name, report, err, len(want), a.told)
			continue
		}
		var got []string
		for _, values := range a.consumed(copied, len(want)) {
			got = append(got, values...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the copy holds\n%q, want\n%q", name, got, want)
		}
	}
}

// TestWhatForceAndKeysAllow: a topic that would change records is written by force alone, and one with
// too few partitions only if they are chosen by key.
func TestWhatForceAndKeysAllow(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 3)
	a.archive("orders", 2, 10)
	client, err := kgo.NewClient(kgo.SeedBrokers(a.cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for topic, partitions := range map[string]int32{"stamped": 2, "narrow": 1} {
		settings := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
		if topic == "stamped" {
			settings["message.timestamp.type"] = kadm.StringPtr("LogAppendTime")
		}
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, 1, settings, topic); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		target string
		asked  Replay
		words  string // of the refusal; empty for none
	}{
		{"stamped", Replay{}, "message.timestamp.type=CreateTime"},
		{"stamped", Replay{Force: true}, ""},
		{"narrow", Replay{}, "it has 1 partitions and the replay needs 2"},
		{"narrow", Replay{Force: true}, "it has 1 partitions and the replay needs 2"},
		{"narrow", Replay{Rekey: true}, ""},
	} {
		spec := replayOf(fmt.Sprintf("%s-%v-%v", c.target, c.asked.Force, c.asked.Rekey), "orders:"+c.target)
		spec.Replay = &c.asked
		report, err := a.execute(spec)
		if c.words == "" {
			if err != nil || report.Records != 10 {
				t.Errorf("%s: report %+v, error %v", spec.ID, report, err)
			}
			a.consumed(c.target, 10)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), replay.ErrRefused.Error()) {
			t.Errorf("%s: error %v, want one that says %q", spec.ID, err, c.words)
		}
	}
}

// TestBoundsOfSpecs: what lies just inside is taken, what lies just outside is not.
func TestBoundsOfSpecs(t *testing.T) {
	t.Parallel()
	const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:target-a1b2c3"
	replayed := func(topics string, asked string) string {
		return `{"id":"x","kind":"replay","topics":[` + topics + `],"replay":{` + asked + `}}`
	}
	to := func(target string) string { return `{"id":"x","kind":"replay","topics":["a"],"to":{` + target + `}}` }
	for spec, words := range map[string]string{
		replayed(`"a"`, `"from":-1`):                                                                  "0 <= from < to",
		replayed(`"a"`, `"to":-1`):                                                                    "0 <= from < to",
		replayed(`"a"`, `"from":5,"to":4`):                                                            "0 <= from < to",
		replayed(`"a"`, `"from":5,"to":6`):                                                            "",
		replayed(`"a"`, `"from":5`):                                                                   "",
		replayed(`"a"`, `"to":1`):                                                                     "",
		replayed(`"a","b"`, `"to":5`):                                                                 "offsets of one topic",
		replayed(`"a","b"`, `"since":5`):                                                              "",
		replayed(`"a"`, `"since":-1`):                                                                 "since < until",
		replayed(`"a"`, `"until":-1`):                                                                 "since < until",
		replayed(`"a"`, `"since":5,"until":5`):                                                        "since < until",
		replayed(`"a"`, `"since":5,"until":6`):                                                        "",
		replayed(`"a"`, `"since":5`):                                                                  "",
		replayed(`"a"`, `"partitions":[0]`):                                                           "",
		replayed(`"a"`, `"partitions":[2147483646]`):                                                  "",
		replayed(`"a"`, `"partitions":[2147483647]`):                                                  "no number of a partition",
		to(`"brokers":"b","secret":"` + secret + `"`):                                                 "",
		to(`"brokers":"b","secret":"` + secret + `:x"`):                                               "reads no file",
		to(`"brokers":"b","secret":"x` + secret + `"`):                                                "reads no file",
		to(`"brokers":"b","same_security":true`):                                                      "",
		to(`"brokers":"b","same_security":true,"secret":"` + secret + `"`):                            "same_security",
		to(`"brokers":"b","same_security":true,"security_protocol":"SASL_SSL"`):                       "same_security",
		`{"id":"x","kind":"restore","to":{"brokers":"b"},"restore":{}}`:                               "restore.capture is missing",
		`{"id":"x","kind":"restore","to":{"brokers":"b"},"restore":{"capture":"c"},"exclude":["[a"]}`: "exclude [a",
		`{"id":"x","kind":"restore","to":{"brokers":"b"},"restore":{"capture":"c"},"topics":["a*"]}`:  "",
		`{"id":"x","kind":"verify"}`:                                                                  "",
		`{"id":"x","restore":{"capture":"c"}}`:                                                        `kind ""`,
		`{"id":"x","replay":{}}`:                                                                      `kind ""`,
		`{"id":"x","to":{"brokers":"b"}}`:                                                             `kind ""`,
		`{"id":"x","bytes_per_second":1}`:                                                             `kind ""`,
		`{"id":"x","exclude":["a"]}`:                                                                  `kind ""`,
		`{"id":"` + strings.Repeat("x", 47) + `","kind":"verify"}`:                                    "",
	} {
		_, err := ParseSpec([]byte(spec))
		if (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want %q", spec, err, words)
		}
	}
}

// unreachable is a state machine that does not answer.
type unreachable struct{ manualMachine }

var errUnreachable = errors.New("the state machine does not answer")

func (unreachable) Describe(_ context.Context, _ string) (Execution, error) {
	return Execution{}, errUnreachable
}

// TestStoppingEndsWhatRuns: all of the executions that run and none that has ended or is forgotten; what
// cannot be found out is an error and not an end.
func TestStoppingEndsWhatRuns(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 2, 10)
	m := &manualMachine{states: map[string]Execution{}}
	c := a.control(m)
	spec, err := json.Marshal(replayOf("one", "orders:copy"))
	if err != nil {
		t.Fatal(err)
	}
	input := json.RawMessage(spec)
	for _, name := range []string{"forgotten", "zz-first", "failed", "b-last"} {
		if _, err := a.runner.Plan(t.Context(), Event{Job: input, Execution: "arn:of:" + name, Workers: 2}); err != nil {
			t.Fatal(err)
		}
		input = json.RawMessage(`{"id":"one"}`)
		time.Sleep(2 * time.Millisecond) // the next one is of a later millisecond
	}
	m.states["arn:of:zz-first"], m.states["arn:of:b-last"] = Execution{State: StateRunning}, Execution{State: StateRunning}
	m.states["arn:of:failed"] = Execution{State: "FAILED", Error: "it broke"}
	status, err := c.Status(t.Context(), "one")
	if err != nil || status.Execution != "arn:of:b-last" || status.Runs != 4 || !status.Running() || status.Kind != KindReplay || status.Bytes <= 0 || status.DoneBytes != 0 {
		t.Errorf("status %+v, error %v", status, err)
	}
	if n, err := a.control(&unreachable{}).Stop(t.Context(), "one"); n != 0 || !errors.Is(err, errUnreachable) {
		t.Errorf("with a machine that does not answer %d were stopped, error %v", n, err)
	}
	if n, err := c.Stop(t.Context(), "one"); n != 2 || err != nil {
		t.Errorf("stopped %d, error %v", n, err)
	}
	for name, want := range map[string]string{"zz-first": "ABORTED", "b-last": "ABORTED", "failed": "FAILED", "forgotten": ""} {
		if got := m.states["arn:of:"+name].State; string(got) != want {
			t.Errorf("execution %s is %q, want %q", name, got, want)
		}
	}
	delete(m.states, "arn:of:b-last")
	if status, err := c.Status(t.Context(), "one"); err != nil || status.State != StateUnknown || status.Execution != "arn:of:b-last" || status.Complete || status.Report != nil {
		t.Errorf("once it is forgotten: status %+v, error %v", status, err)
	}
	if _, err := a.control(&unreachable{}).Status(t.Context(), "one"); !errors.Is(err, errUnreachable) {
		t.Errorf("with a machine that does not answer: error %v", err)
	}
}

// TestAReportOfWhatIsNotDone: it counts what is done and what is not, names the failures in the order of
// the items, each by its last error, and is told with the status until another execution ends.
func TestAReportOfWhatIsNotDone(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 3, 12)
	m := &manualMachine{states: map[string]Execution{"arn:of:1": {State: StateRunning}}}
	c := a.control(m)
	spec, err := json.Marshal(replayOf("one", "orders:copy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.runner.Plan(t.Context(), Event{Job: spec, Execution: "arn:of:1", Workers: 2}); err != nil {
		t.Fatal(err)
	}
	items, err := a.runner.Items(t.Context(), "one")
	if err != nil || len(items) != 3 {
		t.Fatalf("%d items, error %v", len(items), err)
	}
	if _, err := a.runner.Work(t.Context(), Event{ID: "one", Item: &items[1]}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	connect := a.runner.Connect
	for _, words := range []string{"the first error", "the last error"} {
		a.runner.Connect = func(context.Context, *Target) ([]kgo.Opt, error) { return nil, errors.New(words) }
		for _, n := range []int{2, 0} {
			if _, err := a.runner.Work(t.Context(), Event{ID: "one", Item: &items[n]}, time.Time{}); err == nil {
				t.Error("it works without a cluster")
			}
		}
		time.Sleep(2 * time.Millisecond) // the next failure is of a later millisecond
	}
	a.runner.Connect = connect
	begun := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	report, err := a.runner.Finish(t.Context(), Event{Job: json.RawMessage(`{"id":"one"}`), Execution: "arn:of:1", Begun: begun})
	if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "2 of 3 items are not done") || !strings.Contains(err.Error(), "reports/1.json") {
		t.Errorf("error %v", err)
	}
	if report.Complete || report.Items != 3 || report.Done != 1 || report.Failed != 2 || report.Records != 4 || report.Execution != "arn:of:1" || report.Seconds < 3599 || report.Seconds > 4000 {
		t.Errorf("report %+v", report)
	}
	if len(report.Failures) != 2 || report.Failures[0].Item != items[0].Number || report.Failures[1].Item != items[2].Number {
		t.Fatalf("failures %+v", report.Failures)
	}
	for _, f := range report.Failures {
		if !strings.Contains(f.Error, "the last error") || f.At.IsZero() {
			t.Errorf("failure %+v", f)
		}
	}
	m.states["arn:of:1"] = Execution{State: "FAILED", Error: "it failed"}
	status, err := c.Status(t.Context(), "one")
	if err != nil || status.Complete || status.Error != "it failed" || status.Report == nil || status.Report.Failed != 2 || status.Done != 1 || status.DoneRecords != 4 || status.DoneBytes != items[1].Bytes {
		t.Errorf("status %+v, error %v", status, err)
	}
}

// Each thing that stands against a replay is told, of every partition: whoever settles the first meets no second one.
func TestAllObjectionsAreTold(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 3)
	a.archive("orders", 2, 20)
	late := replayOf("late", "orders:copy")
	late.Replay.From = 5
	if _, err := a.execute(late); err != nil {
		t.Fatal(err)
	}
	all := replayOf("all", "orders:copy")
	_, err := a.execute(all)
	if err == nil || !strings.Contains(err.Error(), "orders/0") || !strings.Contains(err.Error(), "orders/1") ||
		strings.Count(err.Error(), "replay.force goes on all the same") != 2 {
		t.Errorf("error %v", err)
	}
}
