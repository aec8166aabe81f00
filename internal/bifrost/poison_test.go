package bifrost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// TestPoisonedRange has a range that fails whoever tries it: the object at its key
// is cut, which is no verdict. For two days it costs a few attempts, shows why in
// its row and in its partition's, and stops no other partition; then it is
// repaired, and the schedule alone archives it.
func TestPoisonedRange(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 2)
	for n, log := range topic.Logs {
		s.produce(log, n)
	}
	s.settle()
	settled := s.row("orders", 1, func(r bifrost.Row) bool { return r.State == bifrost.StateArchived })
	whole := s.content(settled.Facts.Key)
	poisoned := s.progress("orders", 0).NextOffset
	key := bifrost.ObjectKey(testGroup, bifrost.Partition{Name: "orders"}, poisoned, 0)
	s.store.Put(key, whole[:len(whole)-40])

	const days = 2
	ticks := 0
	for until := s.clock.Now().Add(days * 24 * time.Hour); s.clock.Now().Before(until); {
		if ticks++; ticks%30 == 0 {
			topic.Logs[0].Produce("another")
			topic.Logs[1].Produce("another")
		}
		s.tick()
		s.invoke()
	}
	row, err := s.ledger.Row(t.Context(), bifrost.Partition{Name: "orders"}, poisoned)
	if err != nil || row.State != bifrost.StatePlanned || !strings.Contains(row.Error, key) {
		t.Fatalf("row %+v, error %v", row, err)
	}
	// Eight attempts in the first hour or so, then one an hour.
	if least, most := 20*days, 24*days+10; row.Attempts < least || row.Attempts > most {
		t.Errorf("%d attempts in %d days, want %d to %d", row.Attempts, days, least, most)
	}
	if p := s.progress("orders", 0); p.NextOffset != poisoned || p.Status != bifrost.StatusOpen || !strings.Contains(p.Error, key) {
		t.Errorf("the partition: %+v", p)
	}
	if p := s.progress("orders", 1); topic.Logs[1].LogEnd()-p.NextOffset > 1 || p.Error != "" {
		t.Errorf("the partition beside it: end %d, %+v", topic.Logs[1].LogEnd(), p)
	}

	s.store.Delete(key)
	for range 60 {
		s.tick()
		s.invoke()
	}
	if p := s.progress("orders", 0); p.NextOffset != topic.Logs[0].LogEnd() || p.Error != "" {
		t.Errorf("after the repair: end %d, %+v", topic.Logs[0].LogEnd(), p)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// invoke runs every invocation that waits as the archive function does: a range
// that fails is released.
func (s *stack) invoke() {
	for len(s.lambda.Waiting()) > 0 {
		worker := bifrost.Worker{Archiver: s.archiver(), Ledger: s.ledger, Lease: 5 * time.Minute, Now: s.clock.Now, NewID: s.generation}
		_, _ = worker.Work(context.Background(), s.lambda.Take(0), time.Time{})
	}
}

// TestRowsLostWhileBlocked loses what was planned of a partition that waits for a
// transaction: it is built anew all the same.
func TestRowsLostWhileBlocked(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	log.Begin("never ended")
	for range 30 { // two minutes each; nobody archives anything
		s.tick()
	}
	if p := s.progress("orders", 0); p.Status != bifrost.StatusBlocked || p.NextOffset > 0 {
		t.Fatalf("status %s, next_offset %d", p.Status, p.NextOffset)
	}
	s.ledger.Lose(nil, anyRow)
	for range 30 {
		s.tick()
		s.invoke()
	}
	if p := s.progress("orders", 0); p.NextOffset != 12 || p.Records != 12 {
		t.Errorf("status %s, next_offset %d, %d records; told %q", p.Status, p.NextOffset, p.Records, s.log)
	}
}
