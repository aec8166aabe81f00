package bifrost_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// slowLedger takes a second of the clock for each row that it makes or plans.
type slowLedger struct {
	*bifrosttest.Ledger
	clock *bifrosttest.Clock
}

func (l slowLedger) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	l.clock.Advance(time.Second)
	return l.Ledger.CreateProgress(ctx, p)
}

func (l slowLedger) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	l.clock.Advance(time.Second)
	return l.Ledger.Plan(ctx, w)
}

func (s *stack) shortTick(length time.Duration) bifrost.TickSummary {
	s.Helper()
	d := s.discoverer()
	d.Ledger, d.Settings.MaxInFlight = slowLedger{s.ledger, s.clock}, 1000
	summary, err := d.Tick(context.Background(), s.clock.Now().Add(length))
	if err != nil {
		s.Fatalf("tick: %v", err)
	}
	return summary
}

// A flood of new partitions does not stop the archive of those that are known,
// and is taken in over as many ticks as it needs.
func TestManyNewPartitionsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	known := s.kafka.CreateTopic("known", 1).Logs[0]
	s.tick()
	s.kafka.CreateTopic("new", 100)
	ticks, rows := 0, 0
	for left := 1; left > 0; ticks++ {
		s.clock.Advance(2 * time.Minute)
		known.Produce("one more")
		summary := s.shortTick(20 * time.Second)
		if summary.Dispatched != 1 {
			t.Fatalf("tick %d: %+v: the known partition is not archived", ticks, summary)
		}
		s.work()
		left = summary.Unfinished
		progress, _ := s.ledger.ListProgress(t.Context())
		if len(progress) == rows {
			t.Fatalf("tick %d made no row: %+v", ticks, summary)
		}
		rows = len(progress)
	}
	if rows != 101 || ticks > 10 {
		t.Errorf("%d rows after %d ticks", rows, ticks)
	}
	if p := s.progress("known", 0); p.NextOffset != int64(ticks) {
		t.Errorf("known is archived to %d, after %d ticks", p.NextOffset, ticks)
	}
}

// When there is more to plan than time, each tick plans for others.
func TestShortTicksGoOnWhereTheLastStopped(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 40)
	s.tick()
	for _, log := range topic.Logs {
		log.Produce("one")
	}
	s.clock.Advance(2 * time.Minute)
	for tick := 0; ; tick++ {
		summary := s.shortTick(20 * time.Second)
		if tick < 2 && (summary.Unfinished == 0 || summary.Dispatched != summary.Planned) {
			t.Fatalf("tick %d: %+v", tick, summary)
		}
		for _, log := range topic.Logs { // those that were served want more
			log.Produce("more")
		}
		s.work()
		s.clock.Advance(2 * time.Minute)
		served := 0
		for number := range topic.Logs {
			if s.progress("orders", int32(number)).NextOffset > 0 {
				served++
			}
		}
		if served == len(topic.Logs) {
			return
		}
		if tick == 3 {
			t.Fatalf("after %d ticks of 14 plans each %d of 40 partitions were served", tick+1, served)
		}
	}
}

// countingLambda counts how many calls run at once.
type countingLambda struct {
	bifrost.Dispatcher
	running, most, calls atomic.Int64
}

func (c *countingLambda) Dispatch(context.Context, bifrost.Task) error {
	running := c.running.Add(1)
	defer c.running.Add(-1)
	for most := c.most.Load(); running > most && !c.most.CompareAndSwap(most, running); most = c.most.Load() {
	}
	c.calls.Add(1)
	time.Sleep(time.Millisecond)
	return nil
}

// Workers are started side by side, and never more than there are slots.
func TestDispatchSideBySide(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 100)
	for _, log := range topic.Logs {
		log.Produce("one")
	}
	s.tick()
	s.clock.Advance(30 * time.Second) // its functions may still begin
	lambda := &countingLambda{}
	d := s.discoverer()
	d.Dispatcher, d.Settings.MaxInFlight, d.Parallel = lambda, 50, 20
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	started := s.lambda.Waiting() // by the first tick
	if n := int(lambda.calls.Load()) + len(started); n != 50 || summary.InFlight != 50 || summary.Waiting != 50 {
		t.Errorf("%d workers started, %+v", n, summary)
	}
	if lambda.most.Load() < 2 {
		t.Error("workers are started one after the other")
	}
}

// refusingLambda refuses every other call.
type refusingLambda struct {
	bifrost.Dispatcher
	calls int
}

func (r *refusingLambda) Dispatch(ctx context.Context, task bifrost.Task) error {
	if r.calls++; r.calls%2 == 0 {
		return errors.New("throttled")
	}
	return r.Dispatcher.Dispatch(ctx, task)
}

// A start that fails takes no slot from the others.
func TestDispatchThatIsRefusedTakesNoSlot(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, log := range s.kafka.CreateTopic("orders", 100).Logs {
		log.Produce("one")
	}
	d := s.discoverer()
	d.Dispatcher, d.Settings.MaxInFlight = &refusingLambda{Dispatcher: s.lambda}, 30
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.lambda.Waiting()) != 30 || summary.InFlight != 30 || summary.Waiting != 70 || summary.Failures < 29 {
		t.Errorf("%d workers started, %+v", len(s.lambda.Waiting()), summary)
	}
}

// A partition in which nothing happens is read by every tick and written by none:
// observed_at would show it.
func TestIdlePartitionsAreNotWritten(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 3) // one of them stays empty
	topic.Logs[0].Produce("one")
	topic.Logs[1].Produce("one", "two")
	s.settle()
	progress, _ := s.ledger.ListProgress(t.Context())
	rows := s.ledger.AllRows()
	for range 30 {
		s.tick()
	}
	later, _ := s.ledger.ListProgress(t.Context())
	if len(rows) == 0 || !reflect.DeepEqual(later, progress) || !reflect.DeepEqual(s.ledger.AllRows(), rows) {
		t.Errorf("after 30 ticks without news the tables have %+v, %+v, before them %+v, %+v", later, s.ledger.AllRows(), progress, rows)
	}
}

// A backlog of one partition is planned for all slots until the next tick, also
// when that takes more than one transaction.
func TestOnePartitionFillsManySlots(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.inFlight = 8
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 1)
	s.settle()
	for range 3000 {
		log.Produce("one more record")
	}
	summary := s.tick()
	if summary.Planned != 8*bifrost.PlannedAhead+1 || summary.Dispatched != 8 {
		t.Errorf("%+v: want %d ranges planned and 8 started", summary, 8*bifrost.PlannedAhead+1)
	}
	s.settle()
	if p := s.progress("orders", 0); p.NextOffset != log.LastStable() {
		t.Errorf("archived to %d of %d", p.NextOffset, log.LastStable())
	}
}

// The lines of a range name the tick that started it, so that those of both are found together.
func TestRangesKnowTheirTick(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("a", "b")
	var summary bifrost.TickSummary
	for range 10 {
		if summary = s.tick(); summary.Dispatched > 0 {
			break
		}
	}
	task := s.lambda.Take(0)
	result, err := s.archiver().Archive(t.Context(), task, time.Time{})
	if err != nil || summary.ID == "" || task.TickID != summary.ID || result.TickID != summary.ID {
		t.Errorf("tick %q, task of %q, result of %q; %v", summary.ID, task.TickID, result.TickID, err)
	}
}
