package main

import (
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestWhyNothingIsPlanned: a partition at rest has a reason, also where its row has no error.
func TestWhyNothingIsPlanned(t *testing.T) {
	t.Parallel()
	for _, status := range []bifrost.Status{bifrost.StatusFencing, bifrost.StatusClosed, bifrost.StatusForked,
		bifrost.StatusDiverged} {
		for _, cause := range []string{"", "the log was cut"} {
			why := (&planner{}).whyNot(bifrost.Progress{Status: status, Error: cause})
			reason, named := strings.CutPrefix(why, string(status)+": ")
			if !named || reason == "" || cause != "" && reason != cause {
				t.Errorf("%s with error %q: %q", status, cause, why)
			}
		}
	}
}
