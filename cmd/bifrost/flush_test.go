package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func place(topic string, partition int32) bifrost.TopicPartition {
	return bifrost.TopicPartition{Topic: topic, Partition: partition}
}

// What is left is named with its reason, and what failed elsewhere is not.
func TestWhatAFlushNames(t *testing.T) {
	t.Parallel()
	zero, one := int32(0), int32(1)
	hidden := bifrost.TickFailure{Topic: "orders-eu", Error: "hidden"}
	full := bifrost.TickSummary{Failures: 99, Failed: make([]bifrost.TickFailure, bifrost.MaxReportedFailures)}
	for name, c := range map[string]struct {
		left     map[bifrost.TopicPartition]int64
		unlisted map[bifrost.TopicPartition]error
		failed   []error // of workers
		summary  bifrost.TickSummary
		stuck    int // partitions of which it is known why something is left
		named    []string
		says     string
	}{
		"all is archived":          {},
		"nothing is left, another": {summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Topic: "payments", Partition: &zero, Error: "no leader"}}}},
		"a tick could not plan": {left: map[bifrost.TopicPartition]int64{place("orders", 1): 7}, stuck: 1, named: []string{"orders/1: throttled"}, says: "7 offsets are left",
			summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Topic: "orders", Partition: &one, Error: "throttled"}}}},
		"another partition waits": {left: map[bifrost.TopicPartition]int64{place("orders", 0): 7},
			summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Topic: "orders", Partition: &one, Error: "throttled"}}}},
		"more failed than are named": {left: map[bifrost.TopicPartition]int64{place("orders", 0): 7}, summary: full, stuck: 1, named: []string{"orders/0: 99 partitions failed"}, says: "7 offsets"},
		"a worker failed": {left: map[bifrost.TopicPartition]int64{place("orders", 0): 7, place("orders", 1): 2}, stuck: 1, named: []string{"orders/0: bad"}, says: "7 offsets",
			failed: []error{&bifrost.RangeError{Task: bifrost.Task{Name: "orders@AAAAAAAAAAAAAAAAAAAABg"}, Err: errors.New("bad")}}},
		"a worker failed elsewhere": {left: map[bifrost.TopicPartition]int64{place("orders", 0): 7},
			failed: []error{&bifrost.RangeError{Task: bifrost.Task{Name: "payments"}, Err: errors.New("bad")}}},
		"no leader":                  {unlisted: map[bifrost.TopicPartition]error{place("orders", 2): errors.New("no leader")}, named: []string{"orders/2: no leader"}, says: "of 1 nobody knows"},
		"a topic that is hidden":     {summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{hidden}}, named: []string{"orders-eu: hidden"}, says: "of 1 nobody knows"},
		"one that was not asked for": {summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Topic: "payments", Error: "hidden"}}}},
		"a word about the cluster":   {summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Error: "replaced"}}}, named: []string{"failed: replaced"}},
	} {
		var talk strings.Builder
		f := &flush{work: work{App: app.New(nil, nil, &talk)}, unlisted: c.unlisted}
		f.Color = "never"
		f.parts = &wiring.Parts{Config: config.Config{Topics: bifrost.TopicFilter{Include: []string{"orders*"}}}}
		for _, err := range c.failed {
			f.failed = append(f.failed, localdispatch.Outcome{Err: err})
		}
		stuck := f.findStuck(c.left, c.summary)
		if len(stuck) != c.stuck {
			t.Errorf("%s: stuck %v, want %d", name, stuck, c.stuck)
		}
		err := f.failureOf(c.left, stuck, c.summary)
		if (err == nil) != (c.says == "") || err != nil && !(errors.Is(err, errUnfinished) && strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
		for _, words := range c.named {
			if !strings.Contains(talk.String(), words) {
				t.Errorf("%s: it says\n%swithout %q", name, talk.String(), words)
			}
		}
	}
}

// What is left is counted by the life of a topic that is in Kafka now, and of it by the
// branch that goes on, in whatever order the rows come.
func TestWhatAFlushWaitsFor(t *testing.T) {
	t.Parallel()
	older, current := bifrost.TopicID{1}, bifrost.TopicID{2}
	row := func(name string, id bifrost.TopicID, number int32, status bifrost.Status, next int64) bifrost.Progress {
		p := bifrost.Progress{TopicID: id, Status: status, NextOffset: next}
		p.Name, p.Number = name, number
		return p
	}
	const open, blocked, closed, left = bifrost.StatusOpen, bifrost.StatusBlocked, bifrost.StatusClosed, bifrost.StatusForked
	second := row("orders", current, 1, open, 50) // all of it
	for name, c := range map[string]struct {
		rows  []bifrost.Progress
		first int64 // offsets left of orders/0, which ends at 100
		other int64 // of orders/1, which ends at 50
	}{
		"nothing is archived":     {nil, 100, 50},
		"all but one":             {[]bifrost.Progress{row("orders", current, 0, open, 99), second}, 1, 0},
		"all":                     {[]bifrost.Progress{row("orders", current, 0, open, 100), second}, 0, 0},
		"more since":              {[]bifrost.Progress{row("orders", current, 0, open, 101), second}, 0, 0},
		"it is blocked":           {[]bifrost.Progress{row("orders", current, 0, blocked, 40), second}, 60, 0},
		"another topic":           {[]bifrost.Progress{row("orders2", current, 0, open, 100), second}, 100, 0},
		"a later life":            {[]bifrost.Progress{row("orders@x", current, 0, open, 30), second}, 70, 0},
		"of an older life alone":  {[]bifrost.Progress{row("orders", older, 0, closed, 900), second}, 100, 0},
		"an older life beside it": {[]bifrost.Progress{row("orders", older, 0, closed, 900), row("orders@x", current, 0, open, 30), second}, 70, 0},
		"a branch left further":   {[]bifrost.Progress{row("orders", current, 0, left, 900), row("orders@x", current, 0, open, 30), second}, 70, 0},
		"a branch left behind":    {[]bifrost.Progress{row("orders", current, 0, left, 10), row("orders@x", current, 0, open, 100), second}, 0, 0},
	} {
		for range 2 {
			targets := map[bifrost.TopicPartition]int64{place("orders", 0): 100, place("orders", 1): 50}
			got := countLeft(targets, c.rows, []bifrost.Topic{{Name: "payments", ID: older}, {Name: "orders", ID: current}})
			want := map[bifrost.TopicPartition]int64{place("orders", 0): c.first, place("orders", 1): c.other}
			maps.DeleteFunc(want, func(_ bifrost.TopicPartition, offsets int64) bool { return offsets == 0 })
			if !maps.Equal(got, want) {
				t.Errorf("%s: left %v, want %v", name, got, want)
			}
			slices.Reverse(c.rows)
		}
	}
}

// Of lives that are not in Kafka any more, and of branches that were left, everything counts that is
// planned or was seen; of the life that is in Kafka the flush counts it up to its target.
func TestWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	gone, current := bifrost.TopicID{1}, bifrost.TopicID{2}
	topics := []bifrost.Topic{{Name: "payments", ID: gone}, {Name: "orders", ID: current}}
	for name, c := range map[string]struct {
		id                           bifrost.TopicID
		status                       bifrost.Status
		next, planned, known, stable int64
		want                         int64
	}{
		"planned of a topic that is gone":      {gone, bifrost.StatusOpen, 10, 30, 0, 30, 20},
		"seen of it":                           {gone, bifrost.StatusOpen, 10, 10, 0, 30, 20},
		"an object of it":                      {gone, bifrost.StatusFencing, 10, 10, 25, 0, 15},
		"all of it is settled":                 {gone, bifrost.StatusOpen, 30, 30, 30, 30, 0},
		"a closed one":                         {gone, bifrost.StatusClosed, 30, 30, 30, 40, 0},
		"planned of a topic that is in Kafka":  {current, bifrost.StatusOpen, 10, 30, 0, 30, 0},
		"planned of a branch that was left":    {current, bifrost.StatusForked, 10, 30, 0, 90, 20},
		"a branch that was left, and is ended": {current, bifrost.StatusForked, 30, 30, 0, 90, 0},
		"what waits for a person":              {gone, bifrost.StatusDiverged, 10, 30, 0, 30, 0},
	} {
		p := bifrost.Progress{TopicID: c.id, Status: c.status, NextOffset: c.next, PlannedOffset: c.planned, KnownUntil: c.known}
		p.Name, p.LastStable = "orders", c.stable
		if got := countUnsettled(p, topics); got != c.want {
			t.Errorf("%s: %d offsets, want %d", name, got, c.want)
		}
	}
}
