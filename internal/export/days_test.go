package export

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
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

// An object is read once more only if its days may be more than have a file each; those that
// have most of its records get one then, and of two that have as many the earlier.
func TestDaysThatHaveAFile(t *testing.T) {
	t.Parallel()
	const all = "all"
	for name, c := range map[string]struct {
		days []int64 // of the records; below 0 without a time, above 10 million beyond the last one
		want string
	}{
		"one":                         {[]int64{5}, all},
		"as many as may be":           {[]int64{5, 6, 7}, all},
		"as many, the others between": {[]int64{7, 5}, all},
		"one more":                    {[]int64{5, 6, 7, 8}, "[5 6 7]"},
		"a day far away":              {[]int64{5, 5, 100, 6}, "[5 6 100]"},
		"most of its records":         {[]int64{9, 1, 9, 2, 3, 3, 4, 4, 4}, "[3 4 9]"},
		"without a time":              {[]int64{-1, -1}, all},
		"one without a time":          {[]int64{-1, 1}, all},
		"one without a time, far off": {[]int64{-1, 3, 3}, all},
		"beyond the last":             {[]int64{20_000_000}, all},
		"the last, and beyond":        {[]int64{2_932_896, 20_000_000, 2_932_895}, all},
		"the first, and beyond":       {[]int64{0, 20_000_000, 20_000_000}, "[0]"},
		"beyond both":                 {[]int64{-1, 20_000_000}, all},
	} {
		a := newArchived()
		var records []baldr.Record
		for _, d := range c.days {
			records = append(records, baldr.Record{Timestamp: max(-1, d*millisecondsOfADay)})
		}
		a.add(records...)
		var row bifrost.Row
		for _, row = range a.ledger.AllRows() {
		}
		d, err := daysOf(t.Context(), a.reader(), row)
		if err != nil {
			t.Fatal(err)
		}
		got := all
		if !d.all {
			numbers := []int64{}
			for own := range d.own {
				numbers = append(numbers, int64(own))
			}
			slices.Sort(numbers)
			got = fmt.Sprint(numbers)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if c.want == all { // which nobody has to read
			a.store.Delete(row.Facts.Key)
			if _, err := daysOf(t.Context(), a.reader(), row); err != nil {
				t.Errorf("%s: it was read, %v", name, err)
			}
		}
	}
}
