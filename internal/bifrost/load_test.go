package bifrost_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// quiet is a stack with a topic of many partitions, each archived up to its end,
// that get another record each.
func quiet(t *testing.T, partitions int) *stack {
	s := newStack(t)
	s.inFlight, s.together = 1000, 100
	topic := s.kafka.CreateTopic("quiet", partitions)
	for _, log := range topic.Logs {
		log.Produce("first")
	}
	for range 4 {
		s.tick()
		s.run(s.worker())
	}
	if n := s.archivedTo(partitions, 1); n != partitions {
		t.Fatalf("%d of %d partitions are archived: %q", n, partitions, s.log)
	}
	for _, log := range topic.Logs {
		log.Produce("second")
	}
	s.inFlight = 2
	return s
}

func (s *stack) worker() *bifrost.Worker {
	return &bifrost.Worker{Archiver: s.archiver(), Ledger: s.ledger, Lease: 5 * time.Minute, Together: 8, Now: s.clock.Now, NewID: s.generation}
}

// run runs every event that waits and answers what it archived.
func (s *stack) run(w *bifrost.Worker) (results []bifrost.RangeResult) {
	for len(s.lambda.Waiting()) > 0 {
		some, err := w.Work(context.Background(), s.lambda.Take(0), time.Time{})
		if err != nil {
			s.log = append(s.log, err.Error())
		}
		results = append(results, some...)
	}
	return results
}

// tickNow runs discover without a step of the clock.
func (s *stack) tickNow() bifrost.TickSummary {
	s.Helper()
	s.clock.Advance(-2 * time.Minute)
	return s.tick()
}

func (s *stack) archivedTo(partitions int, offset int64) (n int) {
	for number := range int32(partitions) {
		if s.progress("quiet", number).NextOffset == offset {
			n++
		}
	}
	return n
}

func TestSmallRangesShareAFunction(t *testing.T) {
	t.Parallel()
	s := quiet(t, 20)
	summary := s.tick()
	if summary.Planned != 20 || summary.Dispatched != 20 || summary.InFlight != 1 || summary.Waiting != 0 || len(s.lambda.Waiting()) != 1 {
		t.Fatalf("%d events for %+v, want one for 20 ranges", len(s.lambda.Waiting()), summary)
	}
	for _, r := range s.ledger.AllRows() {
		if !r.State.Done() && (r.Attempts != 1 || r.Invocation == "" || r.LeaseUntil.IsZero()) {
			t.Errorf("the plan gave the range to nobody: %+v", r)
		}
	}
	if again := s.tickNow(); again.Dispatched != 0 || again.InFlight != 1 {
		t.Errorf("before the function has begun, another tick says %+v", again)
	}
	results := s.run(s.worker())
	if len(results) != 20 || s.archivedTo(20, 2) != 20 || len(s.log) > 0 {
		t.Errorf("%d results, %d partitions archived, %q", len(results), s.archivedTo(20, 2), s.log)
	}
	all, _ := s.ledger.ListInvocations(t.Context())
	if slices.ContainsFunc(all, func(i bifrost.Invocation) bool { return !i.AliveUntil.IsZero() }) {
		t.Errorf("functions that ended are still at work: %+v", all)
	}
}

// A load takes no more than it may, what finds no slot is planned all the same, and
// a worker goes on with it, many ranges side by side.
func TestMoreSmallRangesThanSlots(t *testing.T) {
	t.Parallel()
	s := quiet(t, 20)
	s.together, s.inFlight = 6, 2
	summary := s.tick()
	if summary.Planned != 20 || summary.Dispatched != 12 || summary.InFlight != 2 || summary.Waiting != 8 || len(s.lambda.Waiting()) != 2 {
		t.Fatalf("%d events, %+v; want two with 6 ranges each, and 8 ranges that wait", len(s.lambda.Waiting()), summary)
	}
	results, err := s.worker().Work(t.Context(), s.lambda.Take(0), s.clock.Now().Add(time.Hour))
	if err != nil || len(results) != 14 {
		t.Errorf("the first worker archived %d ranges, error %v: want its 6 and the 8 that wait", len(results), err)
	}
}

// What a tick says is waiting are the ranges that are planned and in no function's hands, each once,
// also where functions cannot be started, for as long as that lasts.
func TestWaitingIsCountedOnceWhereNoFunctionStarts(t *testing.T) {
	t.Parallel()
	s := quiet(t, 7)
	s.together, s.inFlight = 3, 2
	d := s.discoverer()
	refused := true
	d.Dispatcher = dispatcherFunc(func(ctx context.Context, task bifrost.Task) error {
		if refused {
			return errors.New("no function can be started")
		}
		return s.lambda.Dispatch(ctx, task)
	})
	for tick := range 3 {
		refused = tick < 2
		s.clock.Advance(6 * time.Minute) // leases of functions that did not start are over
		summary, err := d.Tick(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.ledger.ListInvocations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alive := map[string]bool{}
		for _, i := range all {
			alive[i.ID] = i.AliveUntil.After(s.clock.Now())
		}
		waiting := 0
		for partition := range int32(7) {
			rows, err := s.ledger.Rows(t.Context(), bifrost.Partition{Name: "quiet", Number: partition}, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				if row.State == bifrost.StatePlanned && !alive[row.Invocation] {
					waiting++
				}
			}
		}
		if summary.Waiting != waiting || (waiting == 7) != refused {
			t.Errorf("tick %d: %d wait, and %d ranges are in no function's hands; failed: %d", tick, summary.Waiting, waiting, len(summary.Failed))
		}
	}
}

func TestLargeRangesGoAlone(t *testing.T) {
	t.Parallel()
	s := quiet(t, 3)
	s.inFlight = 9
	progress := s.progress("quiet", 1)
	progress.RecentRawBytes, progress.RecentOffsets = 2<<20, 1
	s.ledger.PokeProgress(progress)
	s.target = 1 << 30
	if summary := s.tick(); summary.InFlight != 2 || summary.Dispatched != 3 {
		t.Errorf("%+v: want one function for the large range and one for the two small ones", summary)
	}
}

// An event that is delivered twice is worked on once, while the first is alive.
func TestSecondDelivery(t *testing.T) {
	t.Parallel()
	s := quiet(t, 5)
	s.tick()
	task := s.lambda.Take(0)
	row, err := s.ledger.Row(t.Context(), task.Key(), task.StartOffset)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ledger.RenewInvocation(t.Context(), row.Invocation, s.clock.Now().Add(40*time.Second)); err != nil { // the first begins
		t.Fatal(err)
	}
	if results, err := s.worker().Work(t.Context(), task, time.Time{}); err != nil || len(results) > 0 {
		t.Errorf("the second delivery archived %+v, error %v", results, err)
	}
	s.clock.Advance(41 * time.Second)
	if results, err := s.worker().Work(t.Context(), task, time.Time{}); err != nil || len(results) != 5 {
		t.Errorf("a delivery after the first has died archived %+v, error %v", results, err)
	}
}

// An event that a person sends, or an older version, stands for its own range alone.
func TestEventThatFitsNoInvocation(t *testing.T) {
	t.Parallel()
	s := quiet(t, 5)
	s.tick()
	byHand := s.lambda.Take(0)
	byHand.Attempt = 7
	results, err := s.worker().Work(t.Context(), byHand, time.Time{})
	if err != nil || len(results) != 1 || results[0].Outcome != bifrost.OutcomeArchived {
		t.Errorf("the event by hand archived %+v, error %v", results, err)
	}
	// The rest is in hand of a function that never begins, and then of another.
	s.tick()
	s.run(s.worker())
	if s.archivedTo(5, 2) != 5 {
		t.Errorf("%d of 5 partitions are archived", s.archivedTo(5, 2))
	}
}

// An event that comes so late that its ranges are in other hands stands for the
// other's: nothing is done twice.
func TestLateEvent(t *testing.T) {
	t.Parallel()
	s := quiet(t, 5)
	s.tick()
	s.tick() // gives the ranges to another, because nobody has begun
	if len(s.lambda.Waiting()) != 2 {
		t.Fatalf("%d events wait, want 2", len(s.lambda.Waiting()))
	}
	late, again := s.lambda.Take(0), s.lambda.Take(0)
	if results, err := s.worker().Work(t.Context(), late, time.Time{}); err != nil || len(results) != 5 {
		t.Errorf("the late event archived %+v, error %v", results, err)
	}
	results, err := s.worker().Work(t.Context(), again, time.Time{})
	if err != nil || len(results) != 1 || results[0].Outcome != bifrost.OutcomeDoneAlready {
		t.Errorf("the event after it archived %+v, error %v", results, err)
	}
}

// A function whose event waits, as Lambda lets it for a minute, counts, and what it
// is to archive is given to nobody else. When Lambda has no room for an hour nothing
// that waited is paused for it: a function that never began says nothing of a range.
func TestLambdaHasNoRoom(t *testing.T) {
	t.Parallel()
	s := quiet(t, 20)
	s.together = 10
	s.tick()
	s.clock.Advance(-time.Minute) // 60 s after the first
	if again := s.tick(); again.Dispatched != 0 || again.InFlight != 2 || len(s.lambda.Waiting()) != 2 {
		t.Errorf("while two events wait, a tick says %+v", again)
	}
	for range 30 {
		s.dropTasks()
		if summary := s.tick(); summary.Dispatched != 20 || summary.InFlight != 2 {
			t.Fatalf("after events were dropped a tick says %+v", summary)
		}
	}
	for _, r := range s.ledger.AllRows() {
		if !r.State.Done() && r.Attempts != 1 {
			t.Errorf("functions that never began counted as attempts: %+v", r)
		}
	}
	s.run(s.worker())
	if n := s.archivedTo(20, 2); n != 20 {
		t.Errorf("%d of 20 partitions are archived", n)
	}
}

// A range that a function had before goes alone: it may be what that one died of.
func TestWorkerGoesOnWithOneThatWasTried(t *testing.T) {
	t.Parallel()
	s := quiet(t, 20)
	s.inFlight, s.together = 1, 1
	s.tick()
	for _, r := range s.ledger.AllRows() {
		if !r.State.Done() && r.Invocation == "" {
			r.Attempts = 1
			s.ledger.Poke(r)
		}
	}
	counted := &leases{Ledger: s.ledger}
	w := s.worker()
	w.Ledger = counted
	results, err := w.Work(t.Context(), s.lambda.Take(0), s.clock.Now().Add(time.Hour))
	if err != nil || len(results) != 20 || counted.most != 1 {
		t.Errorf("%d ranges, %d in hand at once, error %v", len(results), counted.most, err)
	}
}

// leases counts how many ranges a worker took at once.
type leases struct {
	bifrost.Ledger
	inHand, most int
}

func (l *leases) Lease(ctx context.Context, r bifrost.Row, invocation string, attempt int, until time.Time) (bifrost.Row, error) {
	l.inHand++
	l.most = max(l.most, l.inHand)
	return l.Ledger.Lease(ctx, r, invocation, attempt, until)
}

func (l *leases) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	l.inHand = 0
	return l.Ledger.SomePlanned(ctx, now, limit)
}

// mortal is a function that can be killed: from then on nothing that it does
// reaches anybody.
type mortal struct {
	bifrost.Ledger
	dead bool
}

var errKilled = errors.New("killed")

func (m *mortal) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	if m.dead {
		return bifrost.Row{}, errKilled
	}
	return m.Ledger.Row(ctx, p, start)
}

func (m *mortal) Release(ctx context.Context, r bifrost.Row, failure string, at time.Time) error {
	if m.dead {
		return errKilled
	}
	return m.Ledger.Release(ctx, r, failure, at)
}

func (m *mortal) EndInvocation(ctx context.Context, id string) error {
	if m.dead {
		return errKilled
	}
	return m.Ledger.EndInvocation(ctx, id)
}

// killer is a Kafka that kills whoever reads a partition.
type killer struct {
	bifrost.Source
	victim *mortal
	number int32
}

func (k killer) Read(ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) (bifrost.Records, error) {
	if partition == k.number {
		k.victim.dead = true
	}
	if k.victim.dead {
		return nil, errKilled
	}
	return k.Source.Read(ctx, topic, id, partition, r)
}

// A range that kills every function that reads it stops no other for long, and ends
// where one that fails ends: with a try now and then.
func TestRangeThatKills(t *testing.T) {
	t.Parallel()
	const partitions, poisoned = 64, 7
	s := quiet(t, partitions)
	var tries []time.Duration
	began := s.clock.Now()
	others := time.Duration(-1)
	for s.clock.Now().Sub(began) < 24*time.Hour {
		s.clock.Advance(-time.Minute) // a tick each minute
		s.tick()
		for len(s.lambda.Waiting()) > 0 {
			victim := &mortal{Ledger: s.ledger}
			w := s.worker()
			w.Together, w.Ledger = 0, victim
			w.Archiver.Ledger, w.Archiver.Source = victim, killer{s.kafka, victim, poisoned}
			_, _ = w.Work(t.Context(), s.lambda.Take(0), time.Time{})
			if victim.dead {
				tries = append(tries, s.clock.Now().Sub(began))
			}
		}
		if others < 0 && s.archivedTo(partitions, 2) == partitions-1 {
			others = s.clock.Now().Sub(began)
		}
	}
	if others < 0 || others > 12*time.Minute {
		t.Errorf("with two slots the others were archived after %v, want a few ticks", others)
	}
	if early := tries[:min(3, len(tries))]; len(early) < 3 || early[2] > 4*time.Minute {
		t.Errorf("the first three tries were at %v: three deaths cost no pause", early)
	}
	if at := slices.IndexFunc(tries, func(d time.Duration) bool { return d > 20*time.Minute }); at < 7 || at > 9 || len(tries) > 40 {
		t.Errorf("%d tries in a day, %d of them in the first 20 minutes: %v", len(tries), at, tries)
	}
	for name, p := range map[string]int32{"the killer": poisoned, "its neighbour": poisoned + 1} {
		if next := s.progress("quiet", p).NextOffset; (next == 1) != (p == poisoned) {
			t.Errorf("%s is archived up to %d", name, next)
		}
	}
}

// Functions take the slots of those that ended or died, so that there are never
// many more rows than slots.
func TestSlotsAreTakenOver(t *testing.T) {
	t.Parallel()
	s := quiet(t, 3)
	s.inFlight, s.together = 3, 1
	for range 150 {
		for number := range int32(3) {
			s.kafka.Topic("quiet").Logs[number].Produce("more")
		}
		s.tick()
		s.lambda.Take(0) // never begins
		s.run(s.worker())
	}
	if all, _ := s.ledger.ListInvocations(t.Context()); len(all) == 0 || len(all) > 10 {
		t.Errorf("after 450 functions there are %d rows", len(all))
	}
}
