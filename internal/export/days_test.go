package export

import (
	"math"
	"testing"
)

// TestDaysBeginAndEnd: a day is one of UTC, from its first millisecond to its last,
// from that of 1970 on to the year 9999, behind which no engine reads a date.
func TestDaysBeginAndEnd(t *testing.T) {
	t.Parallel()
	const none = "__HIVE_DEFAULT_PARTITION__"
	for timestamp, want := range map[int64]string{
		math.MinInt64: none, -1: none, 0: "1970-01-01", 86_399_999: "1970-01-01", 86_400_000: "1970-01-02",
		1_709_164_799_999: "2024-02-28", 1_709_164_800_000: "2024-02-29",
		253_402_300_799_999: "9999-12-31", 253_402_300_800_000: none, math.MaxInt64: none,
	} {
		if got := dayOf(timestamp).String(); got != want {
			t.Errorf("%d is of day %s, want %s", timestamp, got, want)
		}
	}
}
