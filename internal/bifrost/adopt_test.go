package bifrost_test

import (
	"context"
	"errors"
	"testing"
	"time"

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

// deadBeforeCommit is the ledger of a worker that dies when its object is complete.
type deadBeforeCommit struct{ bifrost.Settler }

func (deadBeforeCommit) Commit(context.Context, bifrost.CommitWrite) error {
	return errors.New("the worker is dead")
}

// TestTheWinnersFactsCount: two workers read a range, and the log is compacted between
// the two readings. The row says what is in the object that was there first.
func TestTheWinnersFactsCount(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("a", "b", "c", "d")
	s.tick()
	s.tick()
	task := s.lambda.Take(0)
	first, second := s.archiver(), s.archiver()
	first.Ledger = deadBeforeCommit{s.ledger}
	second.Source = hooked{s.kafka, func(n int) error {
		if n == 1 {
			if _, err := first.Archive(t.Context(), task, time.Time{}); err == nil {
				t.Error("the first worker did not die")
			}
			log.Compact(func(e bifrosttest.Entry) bool { return e.Record.Offset%2 == 0 })
		}
		return nil
	}}
	if _, err := second.Archive(t.Context(), task, time.Time{}); err != nil {
		t.Fatal(err)
	}
	row, err := s.ledger.Row(t.Context(), branch, 0)
	if err != nil || row.Len() != 4 || row.Facts.Records != 4 || row.Facts.Missing.Compacted != 0 {
		t.Errorf("error %v, the row says %+v, the object has four records", err, row.Facts)
	}
	s.settle()
	s.ended()
}
