package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Whatever a producer writes as the time of a record, JSON has a time that can be
// read as RFC 3339 or null, and the milliseconds beside it.
func TestEveryTimestampIsValidJSON(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{
		0:                   "1970-01-01T00:00:00.000Z",
		1_700_000_000_001:   "2023-11-14T22:13:20.001Z",
		-5:                  "1969-12-31T23:59:59.995Z",
		253_402_300_799_999: "9999-12-31T23:59:59.999Z",
		253_402_300_800_000: "",
		math.MaxInt64:       "",
		math.MinInt64:       "",
		-1:                  "",
	} {
		row := bifrost.Row{State: bifrost.StateArchived, Facts: bifrost.Facts{FirstTimestamp: ms, LastTimestamp: ms}}
		p := bifrost.Progress{LastRecordAt: millis(ms)}
		status := newStatusJSON(wellbeing{rows: unjudged([]bifrost.Progress{p})}, time.Now()).Partitions[0]
		record := newJSONRecord(&printed{Located: readback.Located{Record: baldr.Record{Timestamp: ms}}})
		ls := newRangeJSON(row)
		for where, got := range map[string]*string{"status": status.LastRecordAt, "record": record.Timestamp, "first of ls": ls.FirstTimestamp, "last of ls": ls.LastTimestamp} {
			if text := deref(got); text != want {
				t.Errorf("%s of %d ms: %q, want %q", where, ms, text, want)
			}
			if got == nil {
				continue
			}
			if _, err := time.Parse(time.RFC3339, *got); err != nil {
				t.Errorf("%s of %d ms: %v", where, ms, err)
			}
		}
		if record.TimestampMS != ms {
			t.Errorf("record: %d ms, want %d", record.TimestampMS, ms)
		}
		for where, got := range map[string]*int64{"status": status.LastRecordMS, "first of ls": ls.FirstMS, "last of ls": ls.LastMS} {
			if none := ms == noTime; (got == nil) != none || got != nil && *got != ms {
				t.Errorf("%s: %v, want %d ms", where, got, ms)
			}
		}
		if _, err := json.Marshal([]any{status, record, ls}); err != nil {
			t.Error(err)
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		{}:                            "-",
		now.Add(-90 * time.Minute):    "1h30m ago",
		now.Add(time.Minute):          "in 1m",
		time.UnixMilli(math.MaxInt64): "292278994-08-17 07:12:55Z",
		time.Date(1700, 1, 2, 3, 4, 5, 0, time.UTC): "1700-01-02 03:04:05Z",
	} {
		if got := ago(at, now); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	if got := moment(time.UnixMilli(math.MinInt64)); !strings.HasPrefix(got, "-292275055-") {
		t.Errorf("the first millisecond is %s", got)
	}
}
