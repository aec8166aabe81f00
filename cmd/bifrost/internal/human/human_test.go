package human

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(-1234567), "-1,234,567"},
		{Size(0), "0 B"}, {Size(999), "999 B"}, {Size(1000), "1.0 kB"}, {Size(999_499), "999 kB"}, {Size(999_600), "1.0 MB"}, {Size(12_345_678_901), "12 GB"},
		{Size(1), "1 B"}, {Size(-1), "-1 B"}, {Size(9_949), "9.9 kB"}, {Size(9_950), "10 kB"}, {Size(999_499_999), "999 MB"}, {Size(999_500_000), "1.0 GB"},
		{Size(1_000_000_000_000), "1.0 TB"}, {Size(math.MaxInt64), "9.2 EB"}, {Count(-1), "-1"}, {Count(-1000), "-1,000"}, {Count(math.MaxInt64), "9,223,372,036,854,775,807"},
		{Ratio(10, 0), "-"}, {Ratio(0, 5), "0.0"}, {Ratio(100, 8), "12.5"}, {Seconds(90), "1m"}, {Seconds(0.9), "0s"},
		{Span(0), "0s"}, {Span(time.Minute - 1), "59s"}, {Span(time.Minute), "1m"}, {Span(time.Hour - 1), "59m"}, {Span(time.Hour), "1h00m"},
		{Span(48*time.Hour - 1), "47h59m"}, {Span(48 * time.Hour), "2d"}, {Span(-90 * time.Second), "-1m"}, {Span(61 * time.Minute), "1h01m"},
		{Span(45 * time.Second), "45s"}, {Span(12 * time.Minute), "12m"}, {Span(200 * time.Minute), "3h20m"}, {Span(9 * 24 * time.Hour), "9d"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		{}:                            "-",
		now.Add(-90 * time.Minute):    "1h30m ago",
		now.Add(time.Minute):          "in 1m",
		now:                           "0s ago",
		now.Add(-time.Nanosecond):     "0s ago",
		time.UnixMilli(math.MaxInt64): "292278994-08-17 07:12:55Z",
		time.Date(1700, 1, 2, 3, 4, 5, 0, time.UTC): "1700-01-02 03:04:05Z",
	} {
		if got := Ago(at, now); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	if got := Moment(time.Time{}); got != "-" {
		t.Errorf("no time is %s", got)
	}
	if got := Moment(time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))); got != "2026-03-01 12:00:00Z" {
		t.Errorf("a time of another zone is %s", got)
	}
	if got := Moment(time.UnixMilli(math.MinInt64)); !strings.HasPrefix(got, "-292275055-") {
		t.Errorf("the first millisecond is %s", got)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-01-31T12:30:00Z": "2026-01-31T12:30:00.000Z", "2026-01-31T12:30:00+02:00": "2026-01-31T10:30:00.000Z",
		"2026-01-31": "2026-01-31T00:00:00.000Z", "1700000000123": "2023-11-14T22:13:20.123Z",
		"100000000000": "1973-03-03T09:46:40.000Z", "90m": "2026-03-01T10:30:00.000Z", "7d": "2026-02-22T12:00:00.000Z",
		"1w": "2026-02-22T12:00:00.000Z", "1w1d": "2026-02-21T12:00:00.000Z", "2d1h30m": "2026-02-27T10:30:00.000Z", "0d": "2026-03-01T12:00:00.000Z",
		"2026-01-31 12:30": "2026-01-31T12:30:00.000Z", "2026-01-31T12:30+02:00": "2026-01-31T10:30:00.000Z", "2026-01-31 12:30Z": "2026-01-31T12:30:00.000Z",
		"2026-01-31 12:30:05": "2026-01-31T12:30:05.000Z", "2026-01-31 12:30:05+02:00": "2026-01-31T10:30:05.000Z",
	} {
		ms, err := ParseTime(text, now)
		if err != nil || *Timestamp(Millis(ms)) != want {
			t.Errorf("%s: %v, %v; want %s", text, ms, err, want)
		}
	}
	for _, wrong := range []string{"", "yesterday", "-5", "-5m", "2026-13-01", "d", "1795970631", "99999999999", "0", "w", "1d2w", "1w-3h", "99999w", "9999w2000000h"} {
		if ms, err := ParseTime(wrong, now); err == nil {
			t.Errorf("time %q is taken as %d", wrong, ms)
		}
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "1000": 1000, "500kB": 500_000, "20MB": 20_000_000, "1.5GB/s": 1_500_000_000, "20mb": 20_000_000, "1": 1, "1.9": 1, "7b": 7, "0.001kB": 1, "9GB": 9_000_000_000} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, wrong := range []string{"fast", "20 potatoes", "-5MB", "0", "MB", "0.9", "nan", "inf", "1e30", "9300000000GB", "/s"} {
		if got, err := ParseRate(wrong); err == nil {
			t.Errorf("rate %q is taken as %d", wrong, got)
		}
	}
}

// What has no time has none in JSON either, and a year that RFC 3339 cannot write is in
// the milliseconds alone.
func TestTimesInJSON(t *testing.T) {
	t.Parallel()
	if !Millis(NoTime).IsZero() || Millis(0).IsZero() || Millis(-2).UnixMilli() != -2 {
		t.Errorf("%v %v %v", Millis(NoTime), Millis(0), Millis(-2))
	}
	for ms, want := range map[int64]string{0: "1970-01-01T00:00:00.000Z", 253402300799999: "9999-12-31T23:59:59.999Z", 253402300800000: "", -62167219200000: "0000-01-01T00:00:00.000Z", -62167219200001: ""} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 3600), time.FixedZone("west", -3600)} {
			at, kept := Timestamp(time.UnixMilli(ms).In(zone)), Milliseconds(time.UnixMilli(ms).In(zone))
			if at == nil != (want == "") || at != nil && *at != want || kept == nil || *kept != ms {
				t.Errorf("%d %s: %v and %v, want %q", ms, zone, at, kept, want)
			}
		}
	}
	if Timestamp(time.Time{}) != nil || Milliseconds(time.Time{}) != nil {
		t.Error("no time is one in JSON")
	}
}
