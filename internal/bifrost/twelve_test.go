package bifrost_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Of twelve partitions the keys of the tenth and the eleventh sort before those of
// the second. All come back from the bucket, over ends of pages, and each has its own.
func TestTwelvePartitionsComeBack(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 12)
	s.tick()
	for n, log := range topic.Logs {
		for range n + 1 {
			log.Produce(fmt.Sprintf("of partition %d", n))
		}
	}
	s.settle()
	before := s.tables()
	s.ledger.Lose(anyProgress, anyRow)
	if summary := s.rebuild(); summary.Partitions != 12 || summary.Made != 12 {
		t.Errorf("summary %+v", summary)
	}
	if after := s.tables(); !slices.Equal(after, before) {
		t.Errorf("tables\n%q, want\n%q", after, before)
	}
	for n := range topic.Logs {
		if p := s.progress("orders", int32(n)); p.NextOffset != int64(n+1) {
			t.Errorf("partition %d is archived to %d, want %d", n, p.NextOffset, n+1)
		}
	}
	found, summary := s.verify(verify.Options{Deep: true, Kafka: true})
	if len(found) > 0 || summary.Partitions != 12 {
		t.Errorf("violations %v, summary %+v", found, summary)
	}
}

// Of many objects in a row each is taken over with its own bounds, also behind the
// first page of them, although ranges planned today would be smaller.
func TestARowOfObjectsComesBack(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.tick()
	for n := range 8 {
		for range n + 3 {
			log.Produce("a record")
		}
		s.settle()
	}
	before, keys := s.tables(), s.unmarked()
	s.target = 1
	for name, bring := range map[string]func(){"a rebuild": func() { s.rebuild() }, "ticks": s.settle} {
		s.ledger.Lose(anyProgress, anyRow)
		bring()
		if after := s.tables(); len(keys) < 9 || !slices.Equal(after, before) || !slices.Equal(s.unmarked(), keys) {
			t.Errorf("%s: objects %q, want %q; tables\n%q, want\n%q", name, s.unmarked(), keys, after, before)
		}
	}
}
