package console

import (
	"bytes"
	"io"
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
