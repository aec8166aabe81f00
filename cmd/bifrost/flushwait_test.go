package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestAFlushThatIsInterrupted: it says what is left when it ends, and not what was left before; wherever the
// interrupt met it.
func TestAFlushThatIsInterrupted(t *testing.T) {
	t.Parallel()
	interrupt := errors.New("interrupt signal received")
	for name, x := range map[string]struct {
		fail     bool // the tick, by the interrupt
		archived int64
		unknown  bool // nobody leads a partition
		deadend  int  // as in flushWorld
		says     string
	}{
		"between ticks":                  {archived: 300, says: "not everything could be archived: 442 offsets are left: "},
		"in a tick":                      {fail: true, archived: 300, says: "not everything could be archived: 442 offsets are left: "},
		"the count fails":                {fail: true, archived: 300, deadend: 2, says: "how many offsets are left is not known (no table): "},
		"all was archived":               {fail: true, archived: 742, says: "it ended when nothing was left of what it had to archive: "},
		"of a partition nobody knows it": {archived: 742, unknown: true, says: "0 offsets are left, and of 1 partitions nobody knows how many: "},
	} {
		w := newFlushWorld(t)
		logs := w.kafka.CreateTopic("orders", 3).Logs
		logs[0].Produce(make([]string, 700)...)
		logs[1].Produce(make([]string, 42)...)
		logs[2].Lead(!x.unknown)
		w.deadend = x.deadend
		ctx, end := context.WithCancelCause(t.Context())
		f := w.flush(func() (bifrost.TickSummary, error) {
			w.archive[place("orders", 0)] = min(700, x.archived)
			w.archive[place("orders", 1)] = x.archived - min(700, x.archived)
			end(interrupt)
			if x.fail {
				return bifrost.TickSummary{}, errors.New("discover: read the progress table: interrupt signal received")
			}
			return bifrost.TickSummary{Dispatched: 1}, nil
		})
		err := f.untilDone(ctx)
		if err == nil || !strings.Contains(err.Error(), x.says+"interrupt signal received") || !errors.Is(err, interrupt) {
			t.Errorf("%s: error %v, want %q", name, err, x.says)
		}
	}
	ctx, end := context.WithCancelCause(t.Context())
	end(interrupt)
	w := newFlushWorld(t)
	f := w.flush(nil)
	f.cluster = deadCluster{w.kafka}
	if err := f.untilDone(ctx); err == nil || !strings.Contains(err.Error(), "before it knew up to where to archive: interrupt") {
		t.Errorf("before the first tick: error %v", err)
	}
}

// TestAFlushThatWaitsForOthers: it says so as soon as it begins, until when, and again when that time is over; in the
// end it does not say that there was nothing to do.
func TestAFlushThatWaitsForOthers(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 11, 29, 23, 27, 0, 0, time.UTC)
	planned := func(topic string, start int64, invocation string) bifrost.Row {
		r := bifrost.Row{State: bifrost.StatePlanned, Invocation: invocation}
		r.Name, r.Start, r.End = topic, start, start+1
		return r
	}
	s := newSpoken()
	w := newFlushWorld(t)
	w.kafka.CreateTopic("orders", 1).Logs[0].Produce(make([]string, 1200)...)
	w.kafka.CreateTopic("done", 1)
	w.planned = []bifrost.Row{planned("orders", 0, "0.a"), planned("orders", 1, "1.b"), planned("orders", 2, "2.dead"),
		planned("orders", 3, ""), planned("done", 0, "1.b")}
	w.at = []bifrost.Invocation{{ID: "0.a", AliveUntil: begun.Add(70 * time.Second)}, {ID: "1.b", AliveUntil: begun.Add(40 * time.Second)}}
	f := w.flush(func() (bifrost.TickSummary, error) {
		if w.ticks == 4 { // behind the time that was told: it was alive
			w.at[0].AliveUntil = begun.Add(2 * time.Minute)
			w.at[1].AliveUntil = begun
			begun = begun.Add(80 * time.Second)
		}
		if w.ticks == 6 {
			w.archive[place("orders", 0)] = 1200
		}
		return bifrost.TickSummary{InFlight: 2}, nil
	})
	s.Now = func() time.Time { return begun }
	f.App = s.App
	if err := f.untilDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, f.showResults(true))
	got := slices.Collect(strings.Lines(s.talk.String()))
	want := []string{
		"Waits for 2 ranges that other workers have in hand, the last until 2026-11-29 23:28:10Z, or longer if that worker is alive.\n",
		"Waits for 1 range that other workers have in hand, the last until 2026-11-29 23:29:00Z, or longer if that worker is alive.\n",
		"Everything that can be read is archived: others did the 1,200 offsets that were left.\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it says\n%q, want\n%q", got, want)
	}
}
