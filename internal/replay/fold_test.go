package replay

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestPositionOfManyStretches: of all that was written the position keeps the sums, the
// first record of each partition of the target and the last batch, whatever came between.
func TestPositionOfManyStretches(t *testing.T) {
	t.Parallel()
	foreign := int64(3)
	mark := func(partition int32, first, base int64, producer int64) Mark {
		return Mark{Partition: partition, First: first, Base: base, Count: 5, ProducerID: producer, Epoch: 2, Sequence: int32(base)}
	}
	seen := mark(0, 100, 110, 7)
	seen.Foreign = &foreign
	stretches := []Stretch{
		{Number: 1, Source: "orders", Part: 4, Target: "copy", Span: AllTimes(0, 10), Records: 9, Bytes: 90, Partitions: 2,
			Marks: []Mark{seen, mark(1, 50, 50, 7)}, Map: []Mapping{{0, 0, 100, 5}, {7, 1, 50, 2}}},
		{Number: 2, Source: "orders", Part: 4, Target: "copy", Span: AllTimes(10, 20), Records: 3, Bytes: 31,
			Marks: []Mark{mark(0, 200, 205, 8)}, Map: []Mapping{{12, 0, 200, 1}}},
		{Number: 3, Source: "orders", Part: 4, Target: "copy", Span: AllTimes(20, 30), Records: 2, Bytes: 12, Partitions: 1,
			Marks: []Mark{mark(2, 10, 10, 8), mark(0, 300, 301, 7)}, Map: []Mapping{{3, 0, 300, 2}}},
	}
	p := fold(stretches)
	if p.Source != "orders/4" || p.Target != "copy" || p.Stretch != 3 || p.Records != 14 || p.Bytes != 133 || p.Highest != 13 || p.Partitions != 2 {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(p.Producers, []int64{7, 8}) || len(p.Written) != 1 || p.Written[0] != AllTimes(0, 30) {
		t.Errorf("producers %v, written %v", p.Producers, p.Written)
	}
	last := mark(0, 100, 301, 7)
	last.Foreign = &foreign
	for i, want := range []Mark{last, mark(1, 50, 50, 7), mark(2, 10, 10, 8)} {
		got, some := p.markIn(want.Partition)
		if !some || got.Foreign != want.Foreign || fmt.Sprint(got.First, got.Base, got.Count, got.ProducerID, got.Epoch, got.Sequence) !=
			fmt.Sprint(want.First, want.Base, want.Count, want.ProducerID, want.Epoch, want.Sequence) {
			t.Errorf("mark %d: %+v, want %+v", i, got, want)
		}
	}
	if before := fold(stretches[:1]); before.Marks[0].Base != 110 {
		t.Errorf("what came later has changed the position of before: %+v", before)
	}
}

// TestSpansThatTouchAreOne: what is written in order, a transaction after the other, is
// one span, or the record of a long replay would grow with each.
func TestSpansThatTouchAreOne(t *testing.T) {
	t.Parallel()
	var w spans
	for n := range int64(1000) {
		w = w.addSpan(AllTimes(10*n, 10*n+10))
	}
	if len(w) != 1 || w[0] != AllTimes(0, 10_000) {
		t.Errorf("%d spans, the first %v", len(w), w[0])
	}
	if w = w.addSpan(AllTimes(10_001, 10_002)); len(w) != 2 {
		t.Errorf("%v: a span of what lies between, which nobody has written", w)
	}
	if w = w.addSpan(AllTimes(10_000, 10_001)); len(w) != 1 || w[0] != AllTimes(0, 10_002) {
		t.Errorf("%v", w)
	}
}

// TestSequencesBeginAgain: behind the last of 2^31 sequences comes 0.
func TestSequencesBeginAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sequence, records, want int32 }{
		{0, 1, 1}, {0, math.MaxInt32, math.MaxInt32}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32, 1, 0},
		{math.MaxInt32, 5, 4}, {math.MaxInt32 - 2, 1000, 997},
	} {
		if got := sequenceAfter(c.sequence, c.records); got != c.want {
			t.Errorf("%d records from sequence %d on: then %d, want %d", c.records, c.sequence, got, c.want)
		}
	}
}
