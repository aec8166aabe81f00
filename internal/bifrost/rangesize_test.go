package bifrost_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Offsets as large as those of the last range fit into the target: what is estimated
// is rounded up, never down. The last range may have half of another.
func TestRangesFitTheirTarget(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		p := bifrost.Progress{
			Partition: bifrost.Partition{Name: "orders"}, Status: bifrost.StatusOpen, PlannedOffset: 1, NextOffset: 1,
			RecentRawBytes: rapid.Int64Range(1, 1000).Draw(t, "recent bytes"), RecentOffsets: rapid.Int64Range(1, 100).Draw(t, "recent offsets"),
		}
		target := rapid.Int64Range(1, 3000).Draw(t, "target")
		ranges := bifrost.PlanRanges(p, bifrost.Observation{LastStable: 1000}, bifrost.Ahead{}, bifrost.Sizing{TargetBytes: target}, now, 50)
		if len(ranges) == 0 {
			t.Fatal("no range")
		}
		for _, r := range ranges[:len(ranges)-1] {
			if r.Len() > 1 && r.Len()*p.RecentRawBytes > target*p.RecentOffsets {
				t.Fatalf("%s: %d offsets of %d/%d bytes do not fit into %d", r.Range, r.Len(), p.RecentRawBytes, p.RecentOffsets, target)
			}
		}
	})
}
