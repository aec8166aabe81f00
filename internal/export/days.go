// The days that files are divided by.

package export

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// mostDays is how many days of one object have a file each. It is a variable
// because tests make it small.
var mostDays = 16

const millisecondsOfADay = 24 * 60 * 60 * 1000

// A day is counted from 1970-01-01, in UTC. noDay is that of records without a time
// that engines can read, and of those whose day has no file of its own.
type day int64

const noDay day = -1

// endOfTime is 10000-01-01: what engines take for a time lies before it.
const endOfTime = 253_402_300_800_000

func usable(timestamp int64) bool { return timestamp >= 0 && timestamp < endOfTime }

func dayOf(timestamp int64) day {
	if !usable(timestamp) {
		return noDay
	}
	return day(timestamp / millisecondsOfADay)
}

// String is the day as folders are called. What is called otherwise here, Hive, Spark,
// DuckDB and pyarrow read as null.
func (d day) String() string {
	if d == noDay {
		return "__HIVE_DEFAULT_PARTITION__"
	}
	return time.UnixMilli(int64(d) * millisecondsOfADay).UTC().Format(time.DateOnly)
}

// days says which file a record of an object goes to: all days have one if the object
// spans few, and otherwise those that have most of its records.
type days struct {
	all bool
	own map[day]bool
}

func (d days) of(timestamp int64) day {
	found := dayOf(timestamp)
	if d.all || d.own[found] {
		return found
	}
	return noDay
}

// daysOf reads the object once more if it spans many days: producers decide about
// times, and one object may have ten thousand days.
func daysOf(ctx context.Context, reader *readback.Reader, row bifrost.Row) (days, error) {
	first, last := row.Facts.FirstTimestamp, row.Facts.LastTimestamp
	if last < 0 || int(dayOf(min(last, endOfTime-1))-dayOf(min(max(first, 0), endOfTime-1))) < mostDays {
		return days{all: true}, nil
	}
	records := map[day]int64{}
	for r, err := range reader.Records(ctx, readback.Query{Partition: row.Partition, Offsets: row.Range}) {
		if err != nil {
			return days{}, err
		}
		records[dayOf(r.Timestamp)]++
	}
	delete(records, noDay)
	ranked := slices.SortedFunc(maps.Keys(records), func(a, b day) int {
		return cmp.Or(cmp.Compare(records[b], records[a]), cmp.Compare(a, b))
	})
	d := days{own: map[day]bool{}}
	for _, own := range ranked[:min(mostDays, len(ranked))] {
		d.own[own] = true
	}
	return d, nil
}
