package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// The beginning of an ID is enough where it is that of one cluster; an ID that is another's
// beginning means itself.
func TestTheNameOfACluster(t *testing.T) {
	t.Parallel()
	clusters := map[string][]capture.Listed{"abc": nil, "abcd": nil, "axy": nil}
	for text, want := range map[string]string{"abc": "abc", "abcd": "abcd", "ax": "axy", "ab": "", "": "", "z": ""} {
		got, err := clusterNamed(clusters, text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := clusterNamed(nil, "abc"); err == nil || !strings.Contains(err.Error(), "nothing is captured yet") {
		t.Errorf("none: %v", err)
	}
	if got, err := clusterNamed(map[string][]capture.Listed{"abc": nil}, ""); got != "abc" || err != nil {
		t.Errorf("the only one: %q, %v", got, err)
	}
}

// What a topic held is counted from log start to end over all partitions, and unknown where the
// end of one is. A group is behind in each partition by itself, and never by less than nothing; one
// that was not captured hides none behind it.
func TestTheTablesOfACapture(t *testing.T) {
	t.Parallel()
	ends := func(topic string, of ...*[4]int64) capture.Offsets {
		return capture.Offsets{Topic: topic, Partitions: of}
	}
	replicas := [][]int32{{1, 2}, {2, 1}}
	s := capture.Snapshot{
		Configuration: capture.Configuration{Topics: []capture.Topic{
			{Name: "a", Partitions: replicas, Settings: map[string]string{"z": "1", "b": "2"}},
			{Name: "b", Partitions: replicas}, {Name: "c", Partitions: replicas}, {Name: "d"},
		}},
		Positions: capture.Positions{
			Offsets: []capture.Offsets{
				ends("a", &[4]int64{10, 100, 150, 0}, &[4]int64{5, 20, 20, 0}),
				ends("b", &[4]int64{0, 7, 7, 0}, nil), ends("c", &[4]int64{0, 7, 7, 0}), ends("d"),
			},
			Groups: []capture.Group{
				{Name: "f", Type: "share", State: "Empty"},
				{Name: "g", Type: "consumer", State: "Stable", Offsets: map[string][]capture.Committed{
					"a": {{Partition: 0, Offset: 60}, {Partition: 1, Offset: 25}}, "b": {{Partition: 0, Offset: 4}}}},
				{Name: "h", Type: "consumer", State: "Empty", Offsets: map[string][]capture.Committed{}},
			},
		},
	}
	printed := newSpoken()
	must(t, printed.PrintTable(capturedTopics(s)))
	if got, want := fmt.Sprint(printed.rows()), "[[a 2 2 105 b=2 z=1] [b 2 2 unknown] [c 2 2 unknown] [d 0 0 0]]"; got != want {
		t.Errorf("topics %s, want %s", got, want)
	}
	printed.out.Reset()
	must(t, printed.PrintTable(capturedGroups(s)))
	want := "[[f share Empty not captured] [g consumer Stable 2 3 43] [h consumer Empty 0 0 0]]"
	if got := fmt.Sprint(printed.rows()); got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
}

// Five names are told, and those behind them are counted.
func TestNamesThatWereNotCaptured(t *testing.T) {
	t.Parallel()
	all := []string{"a", "b", "c", "d", "e", "f", "g"}
	for n, want := range map[int]string{
		0: "topic settings: why", 1: "topic settings a: why", 5: "topic settings a, b, c, d, e: why",
		6: "topic settings a, b, c, d, e and 1 more: why", 7: "topic settings a, b, c, d, e and 2 more: why",
	} {
		n := capture.NotCaptured{Part: capture.PartTopicSettings, Reason: "why", Names: all[:n]}
		if got := notCapturedText(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		n.Needs = "Describe"
		if got := notCapturedText(n); got != want+"; allow Describe" {
			t.Errorf("%q, want %q", got, want)
		}
	}
	s := newSpoken()
	tellNotCaptured(s.App, []capture.NotCaptured{{Part: "x", Reason: "1"}, {Part: "y", Reason: "2"}})
	if got := s.talk.String(); got != "warning: not captured: x: 1\nwarning: not captured: y: 2\n" {
		t.Errorf("it says %q", got)
	}
}

// All that one of two captures lacks is told, and every difference.
func TestADriftIsToldWhole(t *testing.T) {
	t.Parallel()
	s := newSpoken()
	empty, one := "", "1"
	must(t, showDrift(s.App, capture.Snapshot{}, capture.Snapshot{}, capture.Drift{
		Unknown: []capture.Unknown{{In: "a", NotCaptured: capture.NotCaptured{Part: "x", Reason: "r"}},
			{In: "b", NotCaptured: capture.NotCaptured{Part: "y", Reason: "s"}}},
		Differences: []capture.Difference{{Part: "p", Name: "n", Field: "f", A: &one}, {Part: "q", Name: "m", B: &empty}},
	}))
	for _, words := range []string{"unknown in a: x: r", "unknown in b: y: s"} {
		if !strings.Contains(s.talk.String(), words) {
			t.Errorf("it says\n%swithout %q", s.talk.String(), words)
		}
	}
	if got := fmt.Sprint(s.rows()); got != "[[p n f 1 absent] [q m absent present]]" {
		t.Errorf("differences %s", got)
	}
}

// The first record of a topic is the oldest first one of its partitions, in whatever order these
// come; one without records has none.
func TestTheFirstRecordOfATopic(t *testing.T) {
	t.Parallel()
	ledger := bifrosttest.NewLedger()
	var topic []condition.Judged
	for number, ms := range []int64{3000, 1000, 2000, -1} {
		p := bifrost.Partition{Name: "orders", Number: int32(number)}
		row := bifrost.Row{Partition: p, Range: bifrost.Range{Start: 0, End: 5}, State: bifrost.StateArchived}
		row.Facts.FirstTimestamp, row.Facts.LastTimestamp, row.Facts.Records = ms, 9000, 5
		ledger.Poke(row)
		topic = append(topic, condition.Judged{Progress: bifrost.Progress{Partition: p}})
	}
	for range 2 {
		first, err := firstRecord(t.Context(), ledger, topic)
		if err != nil || first.UnixMilli() != 1000 {
			t.Errorf("first record at %s, %v", first, err)
		}
		slices.Reverse(topic)
	}
	if first, err := firstRecord(t.Context(), ledger, topic[:1]); err != nil || first.UnixMilli() != 3000 {
		t.Errorf("of one: %s, %v", first, err)
	}
}

// What is near to loss is told by its bound, and what nobody knows by a word.
func TestTheTimeToLoss(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		left  time.Duration
		none  bool
		blind int
		want  string
	}{
		{none: true, want: ""}, {none: true, blind: 1, want: "unknown"},
		{left: -time.Hour, want: "now"}, {left: 0, want: "now"}, {left: time.Second, want: "1s"},
		{left: nearLoss - time.Second, blind: 1, want: "5h59m"}, {left: nearLoss, want: "6h00m"},
	} {
		p := condition.Judged{Blind: c.blind}
		if !c.none {
			p.Threat = now.Add(c.left)
		}
		if got := lossCell(p, now).Text; got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		if at := condition.NotPast(p.Threat, now); c.none && !at.IsZero() || !c.none && at.Before(now) {
			t.Errorf("%+v: forecast %s", c, at)
		}
	}
	near := lossCell(condition.Judged{Threat: now.Add(nearLoss - 1)}, now)
	far := lossCell(condition.Judged{Threat: now.Add(nearLoss)}, now)
	near.Text, far.Text = "", ""
	if near == far {
		t.Error("what is near to loss looks as what is not")
	}
}

// With one topic there is no sum of topics; with more it is that of all, and has no state.
func TestTheFootOfTheTopics(t *testing.T) {
	t.Parallel()
	row := func(topic string, number int32) condition.Judged {
		p := condition.Judged{Progress: bifrost.Progress{Status: bifrost.StatusOpen}}
		p.Name, p.Number, p.Records = topic, number, 5
		p.Trouble.Error, p.Unseen, p.Error = "no leader", "unseen", "failed"
		return p
	}
	now := time.Unix(0, 0)
	if foot := topicTable([]condition.Judged{row("a", 0), row("a", 1)}, now).Foot; len(foot) != 0 {
		t.Errorf("one topic has a sum: %v", foot)
	}
	foot := topicTable([]condition.Judged{row("a", 0), row("a", 1), row("b", 0)}, now).Foot
	if len(foot) != 1 || foot[0][0].Text != "2 topics" || foot[0][1].Text != "3" || foot[0][4].Text != "15" ||
		foot[0][2].Text != "" || foot[0][len(foot[0])-1].Text != "" {
		t.Errorf("the sum of two topics: %v", foot)
	}
}
