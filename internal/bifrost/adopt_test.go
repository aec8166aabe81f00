package bifrost_test

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// TestARowKeepsItsEndBesideALongerObject: a second stack works on the same bucket and
// cuts ranges in its own way. What is counted is what the row holds of the object.
func TestARowKeepsItsEndBesideALongerObject(t *testing.T) {
	t.Parallel()
	for _, outdone := range []struct {
		name string
		cut  func(*bifrosttest.Log) // between the two stacks' looks
		want bifrost.Facts
	}{
		{"records", func(*bifrosttest.Log) {}, bifrost.Facts{Records: 1, RawBytes: 9}},
		{"a gap", func(log *bifrosttest.Log) { log.Retain(6) }, bifrost.Facts{}},
	} {
		t.Run(outdone.name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			log := s.kafka.CreateTopic("orders", 1).Logs[0]
			log.Produce("a", "b", "c", "d", "e", "f")
			s.target = 1 // a range for each record
			s.tick()
			s.tick()
			outdone.cut(log)

			other := newStack(t)
			other.kafka, other.store, other.clock, other.target = s.kafka, s.store, s.clock, 1<<20
			other.rebuild() // its tables are older than the bucket
			other.settle()

			s.work()
			row, err := s.ledger.Row(t.Context(), branch, 0)
			if err != nil || !row.State.Done() {
				t.Fatalf("row %+v, error %v; told: %q", row, err, s.log)
			}
			if other := other.ledger.AllRows()[0]; other.End <= row.End {
				t.Fatalf("the other stack's object is %v, the row %v: nothing to clip", other.Range, row.Range)
			}
			f := row.Facts
			if f.Range != row.Range || f.Records != outdone.want.Records || f.RawBytes != outdone.want.RawBytes ||
				f.Records+f.Missing.Control+f.Missing.Aborted+f.Missing.Compacted > row.Len() {
				t.Errorf("the row %v counts %+v", row.Range, f)
			}
		})
	}
}
