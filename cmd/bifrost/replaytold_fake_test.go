//go:build !real

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestAReplayTellsWhatItLeavesOut: every recorded gap is named before records are written, their offsets are
// counted by a dry run, and what a forced replay does all the same is a warning.
func TestAReplayTellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders, copied := s.topics+"-orders", s.topics+"-copy"
	must(t, s.topic(t.Context(), orders, 3))
	for partition := range int32(3) {
		must(t, s.produce(t.Context(), numbered(orders, partition, 0, 10)...))
	}
	s.inside(t, "flush").must(t, 0)
	for _, partition := range []string{"0", "2"} {
		var row rangeJSON
		must(t, json.Unmarshal([]byte(s.inside(t, "ls", orders, partition, "--json").out), &row))
		must(t, s.deleteObject(t.Context(), row.Object))
		s.inside(t, "accept", "erased", orders, partition, "0", "--yes").must(t, 0)
	}
	s.inside(t, "replay", orders+":"+copied, "--create", "--dry-run").must(t, 0, "would write 10 records",
		"20 offsets are in recorded gaps")
	written := s.inside(t, "replay", orders+":"+copied, "--create")
	written.must(t, 0, "complete: 10 records")
	for _, gap := range []string{orders + "/0: offsets [0, 10) are a recorded gap: erased",
		orders + "/2: offsets [0, 10) are a recorded gap: erased"} {
		if strings.Count(written.talk, gap) != 1 {
			t.Errorf("not told once %q: %s", gap, written.talk)
		}
	}
	compacted := s.topics + "-compacted"
	must(t, s.topic(t.Context(), compacted, 3, "cleanup.policy=compact"))
	s.inside(t, "replay", orders+":"+compacted).must(t, 3, "refused: topic "+compacted+": it is compacted",
		"--force goes on all the same")
	s.inside(t, "replay", orders+":"+compacted, "--force").must(t, 0, "warning: topic "+compacted+": it is compacted",
		"10 records")
}
