package console

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8/decor"
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

// Rates are written as all numbers are, and a run that had nothing to write has none.
func TestRatesAreWrittenAsNumbersAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		records, bytes int64
		line           string
	}{
		{0, 0, "replay  1,000 / 1,000 records\n"},
		{6_468_310, 50_000, "replay  6,469,310 / 6,469,310 records, 646,831 records/s, 5.0 kB/s\n"},
	} {
		var talk, shown bytes.Buffer
		a := New(nil, io.Discard, &talk)
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		a.Now = func() time.Time { return now }
		m := a.NewMeter("replay", 1000, 1000)
		now = now.Add(4 * time.Second)
		m.AddRecords(c.records, c.bytes)
		now = now.Add(6 * time.Second)
		m.EndMeter(true)
		if got := talk.String(); !strings.HasSuffix(got, c.line) {
			t.Errorf("said %q, want %q", got, c.line)
		}
		b := newBar(&shown, "replay", 1000, 1000)
		b.begun = b.begun.Add(-10 * time.Second)
		b.AddRecords(c.records, c.bytes)
		text := b.speedText(decor.Statistics{})
		if c.records == 0 && text != "" || c.records > 0 && !regexp.MustCompile(`^  \d\d\d,\d\d\d records/s, [\d.]+ kB/s$`).MatchString(text) {
			t.Errorf("the bar says %q", text)
		}
		b.EndMeter(true)
	}
}
