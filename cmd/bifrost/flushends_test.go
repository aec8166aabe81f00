package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// A flushWorld is a cluster in memory, with an archive that is as far as a test says.
type flushWorld struct {
	*testing.T
	kafka   *bifrosttest.Kafka
	archive map[bifrost.TopicPartition]int64 // next offsets
	ticks   int
	deadend int // of the readings of the progress table, the one that fails; 0 for none
	planned []bifrost.Row
	at      []bifrost.Invocation
}

func newFlushWorld(t *testing.T) *flushWorld {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return &flushWorld{T: t, archive: map[bifrost.TopicPartition]int64{},
		kafka: bifrosttest.NewKafka("c", func() time.Time { return now })}
}

// ListPlanned and ListInvocations implement flushLedger, as ListProgress does.
func (w *flushWorld) ListPlanned(context.Context) ([]bifrost.Row, error) {
	return slices.Clone(w.planned), nil
}

func (w *flushWorld) ListInvocations(context.Context) ([]bifrost.Invocation, error) { return w.at, nil }

func (w *flushWorld) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if w.deadend--; w.deadend == 0 {
		return nil, errors.New("no table")
	}
	var rows []bifrost.Progress
	for tp, next := range w.archive {
		p := bifrost.Progress{TopicID: w.kafka.Topic(tp.Topic).ID, NextOffset: next}
		p.Name, p.Number, p.Status = tp.Topic, tp.Partition, bifrost.StatusOpen
		rows = append(rows, p)
	}
	return rows, nil
}

// flush is one of this world, with workers that have always just ended.
func (w *flushWorld) flush(tick func() (bifrost.TickSummary, error), topics ...string) *flush {
	f := &flush{work: work{App: app.New(nil, nil, io.Discard)}, cluster: w.kafka, ledger: w}
	f.parts = &wiring.Parts{Config: config.Config{Topics: bifrost.TopicFilter{Include: topics}}}
	f.workers = localdispatch.New(w.Context(), localdispatch.Options{Worker: &bifrost.Worker{}})
	f.done = make(chan struct{})
	close(f.done)
	f.tick = func(context.Context) (bifrost.TickSummary, error) {
		if w.ticks++; w.ticks > 20 {
			w.Fatal("it ticks for ever")
		}
		return tick()
	}
	return f
}

// TestWhatAFlushAimsAt: at the last stable offset of each partition of the topics that are archived, and of
// no other; a partition that nobody leads is remembered and hinders no other.
func TestWhatAFlushAimsAt(t *testing.T) {
	t.Parallel()
	w := newFlushWorld(t)
	orders := w.kafka.CreateTopic("orders", 4)
	orders.Logs[0].Produce("a", "b", "c")
	orders.Logs[1].Produce("a", "b")
	orders.Logs[1].Begin("open", "open")
	orders.Logs[1].Produce("behind an open transaction")
	orders.Logs[2].Produce("a", "b", "c", "d")
	orders.Logs[2].Lead(false)
	w.kafka.CreateTopic("payments", 1).Logs[0].Produce("a")
	w.kafka.CreateTopic(bifrost.ReplayStateTopic, 1).Logs[0].Produce("a")
	if mark, stable := orders.Logs[1].LogEnd(), orders.Logs[1].LastStable(); mark != 5 || stable != 2 {
		t.Fatalf("high watermark %d, last stable offset %d", mark, stable)
	}
	of := map[bifrost.TopicPartition]int64{place("orders", 0): 3, place("orders", 1): 2, place("orders", 3): 0}
	for name, x := range map[string]struct {
		topics []string
		want   map[bifrost.TopicPartition]int64
	}{
		"a topic":              {[]string{"orders"}, of},
		"globs":                {[]string{"ord*"}, of},
		"whole":                {[]string{"payments"}, map[bifrost.TopicPartition]int64{place("payments", 0): 1}},
		"its own, by name":     {[]string{bifrost.ReplayStateTopic}, map[bifrost.TopicPartition]int64{place(bifrost.ReplayStateTopic, 0): 1}},
		"all but its own":      {nil, func() map[bifrost.TopicPartition]int64 { m := maps.Clone(of); m[place("payments", 0)] = 1; return m }()},
		"what is not there":    {[]string{"ordersx"}, nil},
		"what nobody archives": {[]string{"__*"}, nil},
	} {
		f := w.flush(nil, x.topics...)
		err := f.aimAtOffsets(t.Context())
		if (err == nil) != (x.want != nil) || !maps.Equal(f.targets, x.want) {
			t.Errorf("%s: aimed at %v, want %v; error %v", name, f.targets, x.want, err)
		}
		if err != nil && !strings.Contains(err.Error(), "the cluster has 3 topics") {
			t.Errorf("%s: error %v, which does not say how many topics there are", name, err)
		}
		lost := slices.Collect(maps.Keys(f.unlisted))
		if all := len(x.want) > 1; all != slices.Equal(lost, []bifrost.TopicPartition{place("orders", 2)}) || !all && len(lost) > 0 {
			t.Errorf("%s: nobody knows the ends of %v", name, lost)
		}
	}
}

// TestAFlushEndsAtItsAim: it ticks until what there was at its start is archived, by whomever, and waits for
// nothing that came later.
func TestAFlushEndsAtItsAim(t *testing.T) {
	t.Parallel()
	w := newFlushWorld(t)
	first, second := place("orders", 0), place("orders", 1)
	logs := w.kafka.CreateTopic("orders", 2).Logs
	logs[0].Produce("a", "b", "c", "d", "e")
	logs[1].Produce("a", "b", "c")
	logs[1].Begin("open")
	w.archive[second] = 1
	f := w.flush(func() (bifrost.TickSummary, error) {
		logs[0].Produce("later", "later")
		switch { // ours first, then somebody else's
		case w.archive[first] < 5:
			w.archive[first]++
			return bifrost.TickSummary{Dispatched: 1}, nil
		default:
			w.archive[second]++
			return bifrost.TickSummary{InFlight: 1}, nil
		}
	}, "orders")
	if err := f.untilDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := map[bifrost.TopicPartition]int64{first: 5, second: 3}; w.ticks != 7 || !maps.Equal(w.archive, want) {
		t.Errorf("%d ticks have archived up to %v, want 7 and %v", w.ticks, w.archive, want)
	}
}

// TestAFlushGivesUpWhereNothingMoves: when each partition that has something left has failed and nothing was
// dispatched; not while one may still come on.
func TestAFlushGivesUpWhereNothingMoves(t *testing.T) {
	t.Parallel()
	zero := int32(0)
	failed := []bifrost.TickFailure{{Topic: "orders", Partition: &zero, Error: "throttled"}}
	w := newFlushWorld(t)
	logs := w.kafka.CreateTopic("orders", 2).Logs
	logs[0].Produce("a", "b", "c", "d", "e")
	logs[1].Produce("a", "b", "c")
	f := w.flush(func() (bifrost.TickSummary, error) {
		s := bifrost.TickSummary{Failed: failed, Failures: 1}
		if w.ticks > 2 {
			s.Dispatched = max(0, 6-w.ticks)
			w.archive[place("orders", 1)] = 3
		}
		return s, nil
	})
	err := f.untilDone(t.Context())
	if !errors.Is(err, errUnfinished) || !strings.Contains(err.Error(), "5 offsets are left") || w.ticks != 6 {
		t.Errorf("after %d ticks, want 6: %v", w.ticks, err)
	}
	if len(f.left) != 1 || f.left[0].Topic != "orders" || *f.left[0].Partition != 0 || f.left[0].Error != "throttled" {
		t.Errorf("left %+v", f.left)
	}
}

// TestAFlushFailsWithWhatItWorksWith: neither a tick nor a table that fails looks like the end.
func TestAFlushFailsWithWhatItWorksWith(t *testing.T) {
	t.Parallel()
	done := func(w *flushWorld) func() (bifrost.TickSummary, error) {
		return func() (bifrost.TickSummary, error) {
			w.archive[place("orders", 0)] = 2
			return bifrost.TickSummary{}, nil
		}
	}
	for name, x := range map[string]func(w *flushWorld) *flush{
		"no cluster": func(w *flushWorld) *flush {
			f := w.flush(done(w))
			f.cluster = deadCluster{w.kafka}
			return f
		},
		"no offsets": func(w *flushWorld) *flush {
			f := w.flush(done(w))
			f.cluster = mute{w.kafka}
			return f
		},
		"no tick": func(w *flushWorld) *flush {
			return w.flush(func() (bifrost.TickSummary, error) {
				w.archive[place("orders", 0)] = 2
				return bifrost.TickSummary{}, errDead
			})
		},
		"no table": func(w *flushWorld) *flush {
			w.deadend = 1
			return w.flush(done(w))
		},
	} {
		w := newFlushWorld(t)
		w.kafka.CreateTopic("orders", 1).Logs[0].Produce("a", "b")
		f := x(w)
		if err := f.untilDone(t.Context()); err == nil || errors.Is(err, errUnfinished) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

var errDead = errors.New("dead")

// deadCluster lists no topics, mute no offsets.
type (
	deadCluster struct{ *bifrosttest.Kafka }
	mute        struct{ *bifrosttest.Kafka }
)

func (deadCluster) Topics(context.Context) (string, []bifrost.Topic, error) { return "", nil, errDead }

func (mute) Offsets(context.Context, []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	return nil, errDead
}

// TestWhatAFlushIsToldToDo: the topics that are named, whatever is young in them; only of all topics its ticks are such
// that the archive is judged by them. It gives up after a quarter of an hour unless told otherwise.
func TestWhatAFlushIsToldToDo(t *testing.T) {
	t.Parallel()
	for _, topics := range [][]string{nil, {"orders"}, {"orders", "payments.*"}} {
		f := &flush{work: work{App: app.New(nil, nil, io.Discard)}}
		f.SetVariable("BIFROST_INCLUDE_TOPICS", "of,the,stack")
		must(t, f.selectTopics(topics))
		want := "of,the,stack"
		if len(topics) > 0 {
			want = strings.Join(topics, ",")
		}
		if got, _ := f.LookupVariable("BIFROST_INCLUDE_TOPICS"); got != want || f.only != (len(topics) > 0) || !f.listed {
			t.Errorf("%q: topics %q, want %q; nothing else is taken up: %v", topics, got, want, f.only)
		}
		f.parts = &wiring.Parts{Config: config.Config{MaxAge: time.Hour, QuietMaxAge: time.Hour}}
		discover := f.newDiscoverer()
		if sizing := discover.Settings.Sizing; sizing.MaxAge != 0 || f.parts.Config.MaxAge != 0 || f.parts.Config.QuietMaxAge != 0 {
			t.Errorf("%q: records wait for their age: %+v", topics, sizing)
		}
		if _, some := discover.Journal.(partial); some != f.only {
			t.Errorf("%q: its ticks say nothing of the archive: %v", topics, some)
		}
	}
	command := newFlush(app.New(nil, nil, io.Discard))
	for args, want := range map[string]time.Duration{"": 15 * time.Minute, "--timeout=90s": 90 * time.Second} {
		if err := command.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if got, err := command.Flags().GetDuration("timeout"); err != nil || args != "" && got != want || command.Flags().Lookup("timeout").DefValue != "15m0s" {
			t.Errorf("%q: gives up after %s, want %s: %v", args, got, want, err)
		}
	}
}
