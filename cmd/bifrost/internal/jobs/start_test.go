package jobs

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// An ID has the time in UTC, wherever the person is: sorted by name, jobs are in order.
func TestIDsAreInUTC(t *testing.T) {
	t.Parallel()
	a := app.New(nil, io.Discard, io.Discard)
	a.Now = func() time.Time { return time.Date(2026, 1, 31, 23, 30, 5, 0, time.FixedZone("west", -3600)) }
	if got, want := NewID(a, job.KindVerify), "verify-20260201T003005"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The lives of a topic are told by its own name, whatever it is replayed into.
func TestSourcesOfAReplay(t *testing.T) {
	t.Parallel()
	got := sourcesOf([]string{"orders", "payments:copy", "clicks@a1.0:clicks"})
	if want := []string{"orders", "payments", "clicks@a1.0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
