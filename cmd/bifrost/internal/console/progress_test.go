package console

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestRatesAreOfThisRun: what was there before it is part of what is done, and not of
// how fast it went.
func TestRatesAreOfThisRun(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	a := New(nil, io.Discard, &talk)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a.Now = func() time.Time { return now }
	m := a.NewMeter("replay", 2000, 1000)
	now = now.Add(4 * time.Second)
	m.AddRecords(50, 20_000)
	now = now.Add(6 * time.Second)
	m.AddRecords(50, 30_000)
	m.AddRecords(1, 1)
	if got, want := talk.String(), "replay  1,100 / 2,000 records, 10 records/s, 5.0 kB/s, 1m left\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The total is an estimate: a job that is complete ends on what was done, one that failed does not.
func TestAMeterEndsOnItsTotal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		records  int64
		complete bool
		want     string
	}{
		{1000, true, "replay  1,000 / 1,000 records, "},
		{1000, false, "replay  1,000 / 1,001 records, "},
		{1002, false, "replay  1,002 / 1,002 records, "},
	} {
		var talk bytes.Buffer
		m := New(nil, io.Discard, &talk).NewMeter("replay", 1001, 0)
		m.AddRecords(c.records, 1)
		m.EndMeter(c.complete)
		if got := talk.String(); !strings.HasPrefix(got, c.want) || c.complete && strings.Contains(got, "left") {
			t.Errorf("%+v: said %q", c, got)
		}
		var bar bytes.Buffer
		b := newBar(&bar, "replay", 1001, 0)
		b.AddRecords(c.records, 1)
		b.EndMeter(c.complete)
		if c.complete && (!b.bar.Completed() || b.bar.Aborted()) {
			t.Errorf("%+v: the bar is not complete", c)
		}
	}
}
