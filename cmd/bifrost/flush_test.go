package main

import (
	"errors"
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
		"a word about the cluster":   {summary: bifrost.TickSummary{Failures: 1, Failed: []bifrost.TickFailure{{Error: "replaced"}}}, named: []string{"warning: replaced"}},
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
