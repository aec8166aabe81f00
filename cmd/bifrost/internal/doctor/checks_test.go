package doctor

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// A check that takes all of its time leaves the next one all of its own.
func TestEachCheckHasItsOwnTime(t *testing.T) {
	t.Parallel()
	d := &checkup{App: app.New(nil, io.Discard, io.Discard)}
	var ends []time.Time
	look := func(ctx context.Context) finding {
		end, limited := ctx.Deadline()
		if !limited {
			t.Error("a check has no time limit")
		}
		ends = append(ends, end)
		return fine("found")
	}
	began := time.Now()
	d.runCheck(t.Context(), "first", look)
	for !time.Now().After(began) { // a clock may stand still for a moment
	}
	between := time.Now()
	d.runCheck(t.Context(), "second", look)
	if ends[0].Before(began.Add(patience)) || ends[1].Before(between.Add(patience)) {
		t.Errorf("checks that begin at %s and %s have to end at %s", began, between, ends)
	}
}
