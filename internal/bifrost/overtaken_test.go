package bifrost_test

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Retention that overtakes a worker within its range makes a gap up to the log
// start and no further: the rest of the range is still there, and is archived.
func TestRetentionOvertakesAWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	s.tick() // makes the progress row
	s.tick()
	if len(s.lambda.Waiting()) != 1 {
		t.Fatalf("%d invocations for one range", len(s.lambda.Waiting()))
	}
	log.Retain(5)
	s.work()
	s.settle()
	gap, rest := s.row("orders", 0, isLost), s.row("orders", 0, manyRecords)
	if want := (bifrost.Range{Start: 0, End: 5}); gap.Range != want || gap.Facts.Reason != bifrost.ReasonRetention {
		t.Errorf("the gap is %+v, want %s lost to retention", gap, want)
	}
	if want := (bifrost.Range{Start: 5, End: 12}); rest.Range != want || rest.Facts.Records != 7 {
		t.Errorf("the rest is %+v, want 7 records in %s", rest, want)
	}
	if found, _ := s.verify(verify.Options{Deep: true, Kafka: true}); len(found) > 0 {
		t.Errorf("verify found %+v", found)
	}
}
