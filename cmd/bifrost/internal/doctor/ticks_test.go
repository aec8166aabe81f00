package doctor

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

// What the last tick could not do is advice, whether something failed or its time was over;
// that nobody looks is a failure.
func TestDoctorJudgesTicks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const patience = 45 * time.Minute
	type tick = bifrost.TickRecord
	for name, c := range map[string]struct {
		change       func(r *tick)
		want, result string
	}{
		"a good one":           {func(*tick) {}, "1m ago, over 12 partitions", ResultOK},
		"a failure":            {func(r *tick) { r.Failures = 1 }, "1 failures, 0 partitions left", ResultWarning},
		"one left":             {func(r *tick) { r.Unfinished = 1 }, "0 failures, 1 partitions left", ResultWarning},
		"both":                 {func(r *tick) { r.Failures, r.Unfinished = 3, 4 }, "3 failures, 4 partitions left", ResultWarning},
		"left for too long":    {func(r *tick) { r.Unfinished, r.CompleteAt = 1, now.Add(-patience-1) }, "ticks run out of time", ResultFailed},
		"left, and whole then": {func(r *tick) { r.Unfinished, r.CompleteAt = 1, now.Add(-patience) }, "1 partitions left", ResultWarning},
		"it failed":            {func(r *tick) { r.Error = "no broker" }, "failed: no broker", ResultFailed},
		"patience at its end":  {func(r *tick) { r.EndedAt = now.Add(-patience) }, "45m ago", ResultOK},
		"patience is over":     {func(r *tick) { r.EndedAt = now.Add(-patience - 1) }, "no tick has ended since", ResultFailed},
		"none":                 {nil, "none is on record", ResultWarning},
	} {
		sights := health.Sights{Patience: patience, Now: now}
		if c.change != nil {
			ended := now.Add(-time.Minute)
			r := tick{ClusterID: "c", StartedAt: now.Add(-2 * time.Minute), EndedAt: ended, CompleteAt: ended, Partitions: 12}
			c.change(&r)
			sights.Ticks = []tick{r}
		}
		d := newCheckup(app.New(nil, io.Discard, io.Discard))
		d.Console.Now = func() time.Time { return now }
		f := d.judgeTicks(sights)
		found, result := f.found, ResultOK
		switch {
		case f.err != nil:
			found, result = f.err.Error(), ResultFailed
		case f.warning:
			result = ResultWarning
		}
		if !strings.Contains(found, c.want) || result != c.result || (f.next == "") != (result == ResultOK) {
			t.Errorf("%s: %s, %q, next %q; want %s with %q", name, result, found, f.next, c.result, c.want)
		}
	}
}
