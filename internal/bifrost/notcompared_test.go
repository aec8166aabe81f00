package bifrost_test

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/verify"
)

// TestOffsetsThatKafkaHasNoMore: of what was archived, what Kafka has deleted since is
// counted once, offset by offset, also where nothing of a range is left.
func TestOffsetsThatKafkaHasNoMore(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 30
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	for range 12 {
		log.Produce("record")
	}
	s.settle()
	for _, start := range []int64{0, 1, 5, 11, 12} {
		log.Retain(start)
		if _, summary := s.verify(verify.Options{Kafka: true}); summary.NotCompared != start || summary.ComparedRecords != 12-start {
			t.Errorf("Kafka begins at %d: %d offsets not compared, %d records compared", start, summary.NotCompared, summary.ComparedRecords)
		}
	}
}
