package localdispatch_test

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
)

// gate is a source that counts who is at work and holds them until it opens.
type gate struct {
	bifrost.Source
	inside, most, calls atomic.Int32
	open                chan struct{}
}

func (g *gate) ClusterID(ctx context.Context) (string, error) {
	g.calls.Add(1)
	now := g.inside.Add(1)
	defer g.inside.Add(-1)
	for {
		most := g.most.Load()
		if now <= most || g.most.CompareAndSwap(most, now) {
			break
		}
	}
	select {
	case <-g.open:
	case <-ctx.Done():
	case <-time.After(30 * time.Second):
		return "", errors.New("nobody opens the gate")
	}
	return "cluster", ctx.Err()
}

func (g *gate) worker(ledger *bifrosttest.Ledger) *bifrost.Worker {
	archiver := &bifrost.Archiver{Group: "g", Source: g, Store: bifrosttest.NewStore(), Ledger: ledger, Now: time.Now}
	return &bifrost.Worker{Archiver: archiver, Ledger: ledger, Lease: time.Minute, Now: time.Now, NewID: rand.Text}
}

func task(start int64) bifrost.Task {
	return bifrost.Task{Name: "t", StartOffset: start, EndOffset: start + 1, Attempt: 1}
}

func TestNoMoreWorkersThanSlots(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	var ended int
	d := localdispatch.New(t.Context(), localdispatch.Options{Worker: g.worker(bifrosttest.NewLedger()), Slots: 3, Turn: time.Minute, Done: func(localdispatch.Outcome) { ended++ }})
	for n := range int64(20) {
		if err := d.Dispatch(t.Context(), task(n)); err != nil {
			t.Fatal(err)
		}
	}
	for g.inside.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	close(g.open)
	d.Wait()
	if g.most.Load() != 3 || ended != 20 {
		t.Errorf("at most %d workers at once and %d ends, want 3 and 20", g.most.Load(), ended)
	}
}

func TestAfterStopNothingBegins(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	d := localdispatch.New(t.Context(), localdispatch.Options{Worker: g.worker(bifrosttest.NewLedger()), Slots: 1, Turn: time.Minute, Done: func(localdispatch.Outcome) {}})
	must(t, d.Dispatch(t.Context(), task(0)))
	for g.inside.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	d.Stop()
	d.Stop() // a second time is no harm
	close(g.open)
	d.Wait()
	for n := range int64(50) {
		must(t, d.Dispatch(t.Context(), task(n)))
	}
	d.Wait()
	if calls := g.calls.Load(); calls != 1 {
		t.Errorf("%d workers have begun, want the one from before the stop", calls)
	}
}

// A tick's context ends with the tick, a worker does not.
func TestWorkersOutliveTheTick(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	outcomes := make(chan localdispatch.Outcome, 1)
	d := localdispatch.New(t.Context(), localdispatch.Options{Worker: g.worker(bifrosttest.NewLedger()), Slots: 1, Turn: time.Minute, Done: func(o localdispatch.Outcome) { outcomes <- o }})
	tick, cancel := context.WithCancel(t.Context())
	must(t, d.Dispatch(tick, task(0)))
	cancel()
	close(g.open)
	d.Wait()
	o := <-outcomes
	if o.Err != nil || len(o.Results) != 1 || o.Results[0].Outcome != bifrost.OutcomeGone {
		t.Errorf("outcome %+v, want a range that is gone: there is no row", o)
	}
}

// A worker goes on with waiting ranges of the topics that are selected, and leaves
// the others to whoever has to do with them.
func TestWorkersGoOnWithWhatIsSelected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		selects func(string) bool
		want    int
	}{
		{nil, 3},
		{func(topic string) bool { return topic == "mine" }, 2},
		{func(topic string) bool { return topic == "others" }, 2}, // whichever of its lives
	} {
		ledger := bifrosttest.NewLedger()
		for _, topic := range []string{"mine", "others@AAAAAAAAAAAAAAAAAAAABg"} {
			p := bifrost.Partition{Name: topic}
			ledger.PokeProgress(bifrost.Progress{Partition: p, Status: bifrost.StatusOpen, PlannedOffset: 1})
			gap := bifrost.Row{Partition: p, Range: bifrost.Range{Start: 0, End: 1}, State: bifrost.StatePlanned, GapReason: bifrost.ReasonSkipped}
			ledger.Poke(gap)
		}
		g := &gate{open: make(chan struct{})}
		close(g.open)
		outcomes := make(chan localdispatch.Outcome, 1)
		d := localdispatch.New(t.Context(), localdispatch.Options{
			Worker: g.worker(ledger), Slots: 1, Turn: time.Hour, Selects: c.selects, Done: func(o localdispatch.Outcome) { outcomes <- o },
		})
		must(t, d.Dispatch(t.Context(), task(0))) // of which there is no row
		d.Wait()
		if o := <-outcomes; o.Err != nil || len(o.Results) != c.want {
			t.Errorf("%d ranges, want %d: %+v", len(o.Results), c.want, o)
		}
	}
}

// What a worker goes on with ends with the stop of all, and with the tables: an error of them is
// the worker's, whatever is selected.
func TestWorkersStopBetweenRanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrap    func(*bifrosttest.Ledger, func()) bifrost.WorkLedger
		results int
		fails   bool
	}{
		"stopped":  {func(l *bifrosttest.Ledger, stop func()) bifrost.WorkLedger { return stopping{l, stop} }, 1, false},
		"no table": {func(l *bifrosttest.Ledger, _ func()) bifrost.WorkLedger { return unreadable{l} }, 1, true},
	} {
		ledger := bifrosttest.NewLedger()
		p := bifrost.Partition{Name: "mine"}
		ledger.PokeProgress(bifrost.Progress{Partition: p, Status: bifrost.StatusOpen, PlannedOffset: 1})
		ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{Start: 0, End: 1}, State: bifrost.StatePlanned, GapReason: bifrost.ReasonSkipped})
		g := &gate{open: make(chan struct{})}
		close(g.open)
		outcomes := make(chan localdispatch.Outcome, 1)
		var d *localdispatch.Dispatcher
		worker := g.worker(ledger)
		worker.Ledger = c.wrap(ledger, func() { d.Stop() })
		d = localdispatch.New(t.Context(), localdispatch.Options{
			Worker: worker, Slots: 1, Turn: time.Hour, Selects: func(string) bool { return true }, Done: func(o localdispatch.Outcome) { outcomes <- o },
		})
		must(t, d.Dispatch(t.Context(), task(0)))
		d.Wait()
		if o := <-outcomes; len(o.Results) != c.results || (o.Err != nil) != c.fails {
			t.Errorf("%s: outcome %+v, want %d results, an error: %v", name, o, c.results, c.fails)
		}
	}
}

// stopping is tables that are read while everything stops.
type stopping struct {
	*bifrosttest.Ledger
	stop func()
}

func (s stopping) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	s.stop()
	return s.Ledger.Row(ctx, p, start)
}

// unreadable is tables whose index cannot be read.
type unreadable struct{ *bifrosttest.Ledger }

func (unreadable) SomePlanned(context.Context, time.Time, int) ([]bifrost.Row, error) {
	return nil, errors.New("no table")
}

// Workers live as long as the context that the dispatcher was made with, and tell of their ends one at a
// time. Those that wait for a slot never begin: a range that was not tried has not failed.
func TestWorkersEndWithTheirContext(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var telling, twice atomic.Int32
	var failed int
	d := localdispatch.New(ctx, localdispatch.Options{Worker: g.worker(bifrosttest.NewLedger()), Slots: 8, Turn: time.Minute, Done: func(o localdispatch.Outcome) {
		if telling.Add(1) > 1 {
			twice.Add(1)
		}
		for range 100 {
			runtime.Gosched()
		}
		if o.Err != nil {
			failed++
		}
		telling.Add(-1)
	}})
	for n := range int64(20) {
		must(t, d.Dispatch(t.Context(), task(n)))
	}
	for g.inside.Load() < 8 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	d.Wait()
	for n := range int64(50) { // when all slots are free
		must(t, d.Dispatch(t.Context(), task(n)))
	}
	d.Wait()
	if failed != 8 || twice.Load() > 0 {
		t.Errorf("%d workers failed with their context, want the 8 at work, and %d told of it beside another", failed, twice.Load())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
