package bifrost

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawWants(t *rapid.T) []Want {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Want {
		return Want{
			Ranges: rapid.IntRange(0, 9).Draw(t, "ranges"), Unfinished: rapid.IntRange(0, 3).Draw(t, "unfinished"),
			TimeToLoss: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 65 * time.Minute, 24 * time.Hour, NoLoss}).Draw(t, "loss"),
		}
	}), 0, 12).Draw(t, "wants")
}

// Whatever the partitions want, each that has nothing under way gets one range
// beside the limit, which goes to the nearest to loss, in turns among
// equals, no slot is granted twice and none is left while somebody wants it.
func TestSlotsAreSharedFairly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wants, limit := drawWants(t), rapid.IntRange(0, 40).Draw(t, "limit")
		grants := ShareSlots(wants, limit)
		extra := make([]int, len(wants))  // beyond the first of those that have nothing
		used, least, short := 0, 0, false // of the limit
		for i, w := range wants {
			extra[i] = grants[i]
			if w.Ranges > 0 && w.Unfinished == 0 {
				extra[i]--
			}
			if extra[i] < 0 || grants[i] > w.Ranges {
				t.Fatalf("partition %d gets %d of %d, with %d unfinished", i, grants[i], w.Ranges, w.Unfinished)
			}
			used += w.Unfinished + extra[i]
			least += w.Unfinished
			short = short || grants[i] < w.Ranges
		}
		if used > max(limit, least) || (short && used < limit) {
			t.Fatalf("%d of %d slots used, of which %d had to be; somebody wants more: %v", used, limit, least, short)
		}
		for i, w := range wants {
			for j, other := range wants {
				near, far := nearness(w.TimeToLoss), nearness(other.TimeToLoss)
				if grants[i] < w.Ranges && (near < far && extra[j] > 0 || near == far && extra[j] > extra[i]+1) {
					t.Fatalf("%+v gets %d, and %+v gets %d", w, grants[i], other, grants[j])
				}
			}
		}
	})
}

// Rows are started in the same order: one of each partition that has nothing in
// flight, then by nearness to loss, and of equals in turns.
func TestRowsAreStartedFairly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var rows []Row
		flying := map[Partition]int{}
		for i, w := range drawWants(t) {
			p := Partition{Name: "orders", Number: int32(i)}
			flying[p] = w.Unfinished
			for n := range w.Ranges {
				rows = append(rows, Row{Partition: p, Range: Range{int64(n), int64(n) + 1}, PlannedAt: noon, LossAt: lossAfter(w.TimeToLoss)})
			}
		}
		var order []candidate
		for _, r := range rows {
			order = append(order, candidate{row: r})
		}
		sortCandidates(order, flying, noon)
		type place struct{ second, near, turn int }
		var before place
		for i, c := range order {
			r := c.row
			now := place{min(flying[r.Partition], 1), r.Nearness(noon), flying[r.Partition]}
			flying[r.Partition]++
			if i > 0 && slices.Compare([]int{now.second, now.near, now.turn}, []int{before.second, before.near, before.turn}) < 0 {
				t.Fatalf("row %d, %v at %v, comes after %+v", i, r.Partition, now, before)
			}
			before = now
		}
	})
}

func lossAfter(d time.Duration) time.Time {
	if d == NoLoss {
		return time.Time{}
	}
	return noon.Add(d)
}
