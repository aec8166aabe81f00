package bifrost_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// watched is a stack whose ticks ask for retention.
type watched struct {
	*stack
	retention bifrost.RetentionReader
	start     bifrost.StartPosition
	slots     int
	sizing    bifrost.Sizing
}

func newWatched(t *testing.T) *watched {
	s := newStack(t)
	return &watched{stack: s, retention: s.kafka, slots: 100, sizing: s.sizing()}
}

// tickAfter runs discover once, so much later than the one before.
func (w *watched) tickAfter(wait time.Duration) bifrost.TickSummary {
	w.Helper()
	w.clock.Advance(wait)
	d := w.discoverer()
	d.Retention, d.Settings.Start, d.Settings.MaxInFlight, d.Settings.Sizing = w.retention, w.start, w.slots, w.sizing
	summary, err := d.Tick(context.Background(), time.Time{})
	if err != nil {
		w.Fatalf("tick: %v", err)
	}
	return summary
}

func (w *watched) lossIn(s bifrost.TickSummary) time.Duration {
	if s.TimeToLoss == nil {
		return bifrost.NoLoss
	}
	return time.Duration(*s.TimeToLoss) * time.Second
}

func keepsFor(age time.Duration) bifrost.Retention {
	return bifrost.Retention{Milliseconds: age.Milliseconds(), Bytes: -1}
}

func TestTimeToLossIsInSummaryAndRow(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	topic := w.kafka.CreateTopic("orders", 2)
	topic.Keeps = keepsFor(time.Hour)
	topic.Logs[1].Produce("first")
	if s := w.tickAfter(time.Minute); w.lossIn(s) != 30*time.Minute || s.NearestToLoss != "orders/1" {
		t.Errorf("a record of unknown age that Kafka's index says is young: %v of %s", w.lossIn(s), s.NearestToLoss)
	}
	w.work()
	if s := w.tickAfter(time.Minute); s.TimeToLoss != nil {
		t.Errorf("all archived, and yet lost in %v", w.lossIn(s))
	}
	topic.Logs[1].Produce("second")
	s := w.tickAfter(0)
	if w.lossIn(s) != 58*time.Minute { // the first record is two minutes old
		t.Errorf("lost in %v", w.lossIn(s))
	}
	if p := w.progress("orders", 1); p.LossAt.Sub(p.At) != 58*time.Minute {
		t.Errorf("row: lost at %v, observed at %v", p.LossAt, p.At)
	}
	for _, r := range w.ledger.AllRows() {
		if r.State == bifrost.StatePlanned && !r.LossAt.Equal(w.clock.Now().Add(58*time.Minute)) {
			t.Errorf("planned row %v is lost at %v", r.Range, r.LossAt)
		}
	}
}

// A topic that gets a record a month is not near to loss each time.
func TestQuietTopicsDoNotCryWolf(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	topic := w.kafka.CreateTopic("rare", 1)
	topic.Keeps = keepsFor(7 * 24 * time.Hour)
	for range 3 {
		w.clock.Advance(30 * 24 * time.Hour)
		topic.Logs[0].Retain(topic.Logs[0].LogEnd())
		topic.Logs[0].Produce("once a month")
		if s := w.tickAfter(time.Minute); w.lossIn(s) < 3*24*time.Hour {
			t.Errorf("a record of a minute is lost in %v", w.lossIn(s))
		}
		w.work()
	}
	w.clock.Advance(24 * time.Hour)
	topic.Logs[0].Produce("stays behind")
	w.clock.Advance(6 * 24 * time.Hour)
	if s := w.tickAfter(time.Minute); w.lossIn(s) > 24*time.Hour {
		t.Errorf("a record of six days is lost in %v", w.lossIn(s))
	}
}

// A record that waits behind what is not archived, because of the start position,
// is not near to loss as long as what lies before it is young.
func TestStartAtTheEndDoesNotCryWolf(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.start = bifrost.StartPosition{Latest: true}
	topic := w.kafka.CreateTopic("orders", 1)
	topic.Keeps = keepsFor(time.Hour)
	topic.Logs[0].Produce("before the start")
	w.tickAfter(time.Minute)
	w.work()
	topic.Logs[0].Produce("after it")
	if s := w.tickAfter(time.Minute); w.lossIn(s) < 30*time.Minute {
		t.Errorf("a record of a minute, with a neighbour of two, is lost in %v", w.lossIn(s))
	}
	w.clock.Advance(50 * time.Minute)
	if s := w.tickAfter(time.Minute); w.lossIn(s) != 0 {
		t.Errorf("a record whose age is not known any more is lost in %v", w.lossIn(s))
	}
}

// What is not committed when an archive begins at the end is read by consumers later, and so
// is archived: it begins at the last stable offset.
func TestStartAtTheEndTakesOpenTransactions(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.start = bifrost.StartPosition{Latest: true}
	log := w.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("before the start")
	open := log.Begin("in a transaction")
	log.Produce("behind it")
	w.tickAfter(time.Minute)
	log.End(open, true)
	w.tickAfter(time.Minute)
	rows, err := w.ledger.ListProgress(t.Context())
	if err != nil || len(rows) != 1 || rows[0].StartOffset != 1 {
		t.Errorf("rows %+v, error %v, want a start at the last stable offset 1", rows, err)
	}
}

func TestRefusedConfigurationStopsNothing(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.kafka.CreateTopic("orders", 3).Logs[0].Produce("one")
	w.kafka.CreateTopic("payments", 1).Logs[0].Produce("one")
	for name, refusal := range map[string]refuses{"each topic": {perTopic: errors.New("TOPIC_AUTHORIZATION_FAILED")}, "the call": {err: errors.New("no broker")}} {
		w.retention = refusal
		s := w.tickAfter(2 * time.Minute)
		if s.Failures != 1 || !strings.Contains(s.Failed[0].Error, "2 topics") || s.TimeToLoss != nil {
			t.Errorf("%s refused: %+v", name, s)
		}
	}
	if n := len(w.lambda.Waiting()); n != 4 { // none of those that the first tick started has begun
		t.Errorf("%d workers started, want 2 by each tick", n)
	}
}

type refuses struct{ err, perTopic error }

func (r refuses) Retention(_ context.Context, topics []string) (map[string]bifrost.Retention, error) {
	answers := map[string]bifrost.Retention{}
	for _, topic := range topics {
		answers[topic] = bifrost.Retention{Err: r.perTopic}
	}
	return answers, r.err
}

// Of two backlogs, the one that Kafka deletes sooner gets the slots that are left
// once each has one.
func TestNearestToLossGoesFirst(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	for name, age := range map[string]time.Duration{"later": 100 * time.Hour, "never": 0, "soon": 10 * time.Hour} {
		topic := w.kafka.CreateTopic(name, 1)
		if age > 0 {
			topic.Keeps = keepsFor(age)
		}
		topic.Logs[0].Produce("first")
	}
	w.tickAfter(time.Minute)
	w.work()
	for _, name := range []string{"later", "never", "soon"} {
		w.produce(w.kafka.Topic(name).Logs[0], 1)
	}
	w.slots = 5
	w.tickAfter(2 * time.Minute)
	var order []string
	for _, task := range w.lambda.Waiting() {
		order = append(order, task.Name)
	}
	if !slices.Equal(order, []string{"soon", "later", "never", "soon", "soon"}) {
		t.Errorf("started %v", order)
	}
	w.workerGoesOnWith("soon")
}

// workerGoesOnWith runs one worker for one range and looks what it takes next.
func (w *watched) workerGoesOnWith(topic string) {
	w.Helper()
	worker := bifrost.Worker{
		Archiver: w.archiver(), Ledger: w.ledger, Lease: time.Hour, Reserve: time.Minute, Now: w.clock.Now, NewID: w.generation,
	}
	results, err := worker.Work(context.Background(), w.lambda.Take(1), w.clock.Now().Add(time.Hour))
	if err != nil || len(results) < 2 || results[1].Topic != topic {
		w.Fatalf("results %+v, error %v: want the next range from %s", results, err, topic)
	}
}

func TestHangingTransaction(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	log := w.kafka.CreateTopic("orders", 1).Logs[0]
	w.tickAfter(time.Minute)
	w.clock.Advance(10 * 24 * time.Hour)
	hanging := log.Begin("never to end")
	log.Produce("waits behind it")

	status := func(after time.Duration) (bifrost.Status, bifrost.TickSummary) {
		s := w.tickAfter(after)
		return w.progress("orders", 0).Status, s
	}
	for _, after := range []time.Duration{0, time.Minute, 13 * time.Minute} {
		if got, s := status(after); got != bifrost.StatusOpen || s.Blocked != 0 || s.Failures != 0 {
			t.Fatalf("a young transaction: %v, %+v", got, s)
		}
	}
	if got, s := status(time.Minute); got != bifrost.StatusBlocked || s.Blocked != 1 || s.Failures != 1 || !strings.Contains(s.Failed[0].Error, "offset 0") {
		t.Fatalf("15 minutes after it was first seen: %v, %+v", got, s)
	}
	if got, s := status(time.Minute); got != bifrost.StatusBlocked || s.Failures != 1 {
		t.Fatalf("a minute later: %v, %+v", got, s)
	}
	log.End(hanging, false)
	if got, s := status(time.Minute); got != bifrost.StatusOpen || s.Blocked != 0 || s.Failures != 0 || s.Planned == 0 {
		t.Fatalf("after its end: %v, %+v", got, s)
	}
	w.settle()
	if p := w.progress("orders", 0); p.NextOffset != log.LogEnd() || p.Error != "" {
		t.Errorf("archived to %d of %d, error %q", p.NextOffset, log.LogEnd(), p.Error)
	}
}

// What is below the transaction is planned and archived while the partition is
// BLOCKED.
func TestBlockedPartitionIsArchivedUpToTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	log := w.kafka.CreateTopic("orders", 1).Logs[0]
	w.produce(log, 0)
	log.Begin("never to end")
	w.slots = 0
	for range 30 {
		w.tickAfter(time.Minute)
	}
	if p := w.progress("orders", 0); p.Status != bifrost.StatusBlocked || p.PlannedOffset == p.LastStable {
		t.Fatalf("%v, planned to offset %d of %d: want more to plan", p.Status, p.PlannedOffset, p.LastStable)
	} else if want := fmt.Sprintf("open at offset %d since ", p.LastStable); !strings.Contains(p.Error, want) || p.LastStable == p.HighWatermark {
		t.Errorf("its row says %q, want %q in it", p.Error, want)
	}
	w.slots = 100
	for range 10 {
		w.tickAfter(time.Hour)
		w.work()
	}
	if p := w.progress("orders", 0); p.Status != bifrost.StatusBlocked || p.NextOffset != p.LastStable {
		t.Errorf("%v, archived to %d, the transaction begins at %d", p.Status, p.NextOffset, p.LastStable)
	}
}

// Transactions that follow each other without a pause block nothing, also when
// nothing is planned meanwhile.
func TestBusyTransactionsDoNotBlock(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	log := w.kafka.CreateTopic("orders", 1).Logs[0]
	w.sizing = bifrost.Sizing{TargetBytes: 1 << 30, MaxAge: time.Hour}
	open := log.Begin("0")
	for range 45 {
		next := log.Begin("next")
		log.End(open, true)
		open = next
		w.tickAfter(time.Minute)
		if p := w.progress("orders", 0); p.Status != bifrost.StatusOpen {
			t.Fatalf("%v", p.Status)
		}
	}
}
