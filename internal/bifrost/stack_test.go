package bifrost_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

const testGroup = "archive"

// fatal is what a stack tells its failures: a test, or a property's.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// stack is the whole of Bifrost over the in-memory twins, driven by hand.
type stack struct {
	fatal
	clock  *bifrosttest.Clock
	kafka  *bifrosttest.Kafka
	ledger *bifrosttest.Ledger
	store  *bifrosttest.Store
	lambda *bifrosttest.Lambda
	log    []string // failures that ticks and workers told

	target, maxRaw int64
	inFlight       int
	pause          time.Duration // of the fence
	together       int
	generations    atomic.Int64
}

func newStack(t fatal) *stack {
	clock := bifrosttest.NewClock(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC))
	return &stack{
		fatal: t, clock: clock, kafka: bifrosttest.NewKafka("cluster", clock.Now),
		ledger: bifrosttest.NewLedger(), store: bifrosttest.NewStore(), lambda: &bifrosttest.Lambda{},
		target: 48, maxRaw: 1 << 20, inFlight: 4,
	}
}

func (s *stack) generation() string {
	return fmt.Sprintf("generation-%d", s.generations.Add(1))
}

func (s *stack) sizing() bifrost.Sizing {
	return bifrost.Sizing{TargetBytes: s.target, MaxAge: time.Minute}
}

func (s *stack) discoverer() *bifrost.Discoverer {
	return &bifrost.Discoverer{
		Cluster: s.kafka, History: s.kafka, Ledger: s.ledger, Store: s.store, Bucket: s.store, Dispatcher: s.lambda,
		Settings: bifrost.Settings{Group: testGroup, Sizing: s.sizing(), MaxInFlight: s.inFlight, Lease: 5 * time.Minute,
			FencePause: s.pause, Together: s.together},
		Now: s.clock.Now, NewGeneration: s.generation, Log: slog.New(slog.DiscardHandler),
	}
}

func (s *stack) archiver() *bifrost.Archiver {
	return &bifrost.Archiver{
		Group: testGroup, Source: s.kafka, Store: s.store, Ledger: s.ledger,
		Format: baldr.Options{MemberBytes: 64}, MaxRawBytes: s.maxRaw, Writer: "test", Now: s.clock.Now,
	}
}

// tick runs discover once, two minutes later than the one before.
func (s *stack) tick() bifrost.TickSummary {
	s.Helper()
	s.clock.Advance(2 * time.Minute)
	summary, err := s.discoverer().Tick(context.Background(), time.Time{})
	if err != nil {
		s.Fatalf("tick: %v", err)
	}
	for _, f := range summary.Failed {
		s.log = append(s.log, f.Error)
	}
	return summary
}

// work runs every invocation that waits.
func (s *stack) work() {
	for len(s.lambda.Waiting()) > 0 {
		if _, err := s.archiver().Archive(context.Background(), s.lambda.Take(0), time.Time{}); err != nil {
			s.log = append(s.log, err.Error())
		}
	}
}

// settle lets schedule and workers run until nothing is left to do.
func (s *stack) settle() {
	s.Helper()
	for quiet := 0; quiet < 3; quiet++ {
		summary := s.tick()
		if summary.Planned+summary.Dispatched+summary.InFlight+summary.Waiting+summary.Fencing > 0 {
			quiet = -1
		}
		s.work()
		if s.clock.Now().Year() > 2024 {
			s.Fatalf("the stack does not come to rest: %+v, %q", summary, s.log)
		}
	}
}

func (s *stack) verifier() *verify.Verifier {
	return &verify.Verifier{
		Group: testGroup, Ledger: s.ledger, Bucket: s.store, Cluster: s.kafka, Source: s.kafka, Now: s.clock.Now, Parallel: 3,
	}
}

// verify answers all that a verification found. It leaves nothing open.
func (s *stack) verify(options verify.Options) ([]verify.Violation, verify.Summary) {
	s.Helper()
	var found []verify.Violation
	before := s.kafka.Reading()
	summary, err := s.verifier().Verify(context.Background(), options, func(v verify.Violation) { found = append(found, v) })
	if err != nil {
		s.Fatalf("verify: %v", err)
	}
	if n := s.kafka.Reading(); n != before {
		s.Fatalf("verify: %d ranges are still being read, and were %d", n, before)
	}
	return found, summary
}

func (s *stack) progress(name string, number int32) bifrost.Progress {
	s.Helper()
	p, err := s.ledger.Progress(context.Background(), bifrost.Partition{Name: name, Number: number})
	if err != nil {
		s.Fatalf("%v", err)
	}
	return p
}

// seasoned is an archive in which everything has happened that leaves a trace:
// a gap before the first sight, transactions, compaction, a range that ended
// early, retention, a topic made anew and a topic deleted, and two partitions.
func seasoned(t fatal) *stack {
	s := newStack(t)
	s.maxRaw = 60
	orders := s.kafka.CreateTopic("orders", 2)
	first, second := orders.Logs[0], orders.Logs[1]
	first.Produce("gone before anybody looked", "this too")
	first.Retain(2)
	s.produce(first, 0)
	s.settle()

	aborted := first.Begin("aborted one", "aborted two")
	first.End(aborted, false)
	committed := first.Begin("committed")
	first.End(committed, true)
	s.produce(second, 1)
	first.Compact(func(e bifrosttest.Entry) bool {
		return e.Record.Offset == 5 || e.Record.Offset > 9 && e.Record.Offset%3 == 0
	})
	s.settle()

	second.Produce("lost one", "lost two", "lost three")
	second.Retain(second.LogEnd() - 1)
	s.settle()

	s.kafka.DeleteTopic("orders")
	s.produce(s.kafka.CreateTopic("orders", 1).Logs[0], 2)
	deleted := s.kafka.CreateTopic("payments", 1).Logs[0]
	s.produce(deleted, 3)
	s.settle()
	deleted.Produce("never archived")
	s.tick()
	s.kafka.DeleteTopic("payments")
	s.lambda.Take(0)
	s.settle()
	return s
}

// produce appends a dozen records of different sizes.
func (s *stack) produce(log *bifrosttest.Log, seed int) {
	for i := range 12 {
		s.clock.Advance(time.Second)
		log.Produce(fmt.Sprintf("record %d of %d%*s", i, seed, i*7%13, ""))
	}
}

func TestSeasonedArchiveHasEverything(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	_, summary := s.verify(verify.Options{Deep: true, Kafka: true})
	if len(s.log) > 1 { // the first news of the deletion
		t.Logf("told: %q", s.log)
	}
	for _, reason := range []string{bifrost.ReasonBeforeFirstSight, bifrost.ReasonRetention, bifrost.ReasonTopicDeleted} {
		if summary.Gaps[reason] == 0 {
			t.Errorf("no gap %s: %+v", reason, summary)
		}
	}
	if summary.Missing < 3 || summary.Partitions != 4 || summary.Planned != 0 || summary.DecodedObjects != summary.Objects ||
		summary.Objects != summary.Rows || summary.ComparedRecords == 0 || summary.NotCompared == 0 {
		t.Errorf("summary %+v", summary)
	}
	t.Logf("%+v", summary)
}
