package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
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
		p := bifrost.Progress{LastRecordAt: human.Millis(ms)}
		status := newStatusJSON(condition.Overview{Rows: condition.Unjudged([]bifrost.Progress{p})}, time.Now()).Partitions[0]
		record := recordfmt.NewJSONRecord(&recordfmt.Record{Located: readback.Located{Record: baldr.Record{Timestamp: ms}}})
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
			if none := ms == human.NoTime; (got == nil) != none || got != nil && *got != ms {
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
