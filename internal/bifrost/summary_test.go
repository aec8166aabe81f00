package bifrost

import (
	"slices"
	"testing"
	"time"
)

var summaryNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func seenAt(number int32, status Status, next, stable int64, lossAt time.Time) *sighting {
	p := Partition{Name: "orders", Number: number}
	return &sighting{incarnation: Incarnation{Topic: "orders"}, number: number, seen: Observation{LastStable: stable, LossAt: lossAt},
		progress: &Progress{Partition: p, Status: status, NextOffset: next, LastArchivedAt: summaryNow}}
}

// TestSummaryOfManyPartitions: of many the nearest to loss is told, wherever it stands,
// and the rest is a sum in which no partition pays for another one.
func TestSummaryOfManyPartitions(t *testing.T) {
	t.Parallel()
	in := func(minutes int) time.Time { return summaryNow.Add(time.Duration(minutes) * time.Minute) }
	all := []*sighting{
		seenAt(0, StatusOpen, 10, 30, in(50)), seenAt(1, StatusDiverged, 90, 40, time.Time{}), seenAt(2, StatusOpen, 5, 6, in(20)),
		seenAt(3, StatusOpen, 7, 7, time.Time{}), seenAt(4, StatusDiverged, 0, 100, in(30)),
	}
	all = append(all, &sighting{number: 5, seen: Observation{LastStable: 1000}}) // which has no row yet
	for first := range all {
		r := new(tickReport)
		r.sumUp(&view{partitions: slices.Concat(all[first:], all[:first])}, 0, summaryNow)
		s := r.summary
		if s.TimeToLoss == nil || *s.TimeToLoss != 20*60 || s.NearestToLoss != "orders/2" {
			t.Errorf("from %d on: nearest to loss is %s in %v s", first, s.NearestToLoss, s.TimeToLoss)
		}
		if s.Lag != 20+1+100+1000 || s.Diverged != 2 {
			t.Errorf("from %d on: lag %d, %d diverged", first, s.Lag, s.Diverged)
		}
	}
	none := new(tickReport)
	none.sumUp(&view{partitions: []*sighting{all[1], all[3]}}, 0, summaryNow)
	if none.summary.TimeToLoss != nil || none.summary.NearestToLoss != "" {
		t.Errorf("nothing is near to loss, and the summary names %q", none.summary.NearestToLoss)
	}
}

// TestRangesTriedBeforeAreTriedApart: each time a quarter of them stays together.
func TestRangesTriedBeforeAreTriedApart(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int]int{0: 64, 1: 16, 2: 4, 3: 1, 4: 1, 40: 1, 1 << 40: 1} {
		if got := mostTogether(64, tries); got != want {
			t.Errorf("after %d tries %d together, want %d", tries, got, want)
		}
	}
}

// TestLateTicksCountWhatTheyLeave: what could have been planned, or one function that
// could have been started, and neither twice.
func TestLateTicksCountWhatTheyLeave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inFlight, toPlan, unfinished int
		late                         bool
	}{
		"in time":                       {0, 3, 0, false},
		"in time, without a slot":       {2, 3, 0, false},
		"late, with ranges to plan":     {0, 3, 3, true},
		"late, with a range that waits": {1, 0, 1, true},
		"late, without a slot":          {2, 0, 0, true},
		"late, to plan without a slot":  {2, 3, 3, true},
	} {
		within := tickTime{
			now:     func() time.Time { return summaryNow },
			started: summaryNow.Add(-time.Minute), deadline: summaryNow.Add(time.Second),
		}
		if c.late {
			within.deadline = summaryNow
		}
		f := &functionSlots{tickTime: within, maxInFlight: 2, counts: dispatchCounts{inFlight: c.inFlight}}
		slot, late := f.takeSlot(c.toPlan)
		if slot != (!c.late && c.inFlight < 2) || late != c.late || f.counts.unfinished != c.unfinished {
			t.Errorf("%s: a slot %v, late %v, %d left", name, slot, late, f.counts.unfinished)
		}
	}
}
