// Times, sizes, rates as people write them.

package human

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// leastMilliseconds is the least number that is taken for milliseconds, of 1973: seconds of today,
// and of the next thousand years, are below it.
const leastMilliseconds = 100_000_000_000

// ParseTime reads a moment: RFC 3339, also with a space for its T and without its seconds or its
// zone, which is UTC then; a date; milliseconds since the Unix epoch (but for small ones, which are
// probably seconds); or how long ago, such as 90m, 7d or 1w2d.
func ParseTime(text string, now time.Time) (ms int64, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
		"2006-01-02"} {
		for _, between := range []string{"T", " "} {
			if t, err := time.Parse(strings.Replace(layout, "T", between, 1), text); err == nil {
				return t.UnixMilli(), nil
			}
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		if len(text) == len("2026") {
			return 0, fmt.Errorf("%s is a year alone: want a day, such as %s-01-01", text, text)
		}
		if n < leastMilliseconds {
			return 0, fmt.Errorf("%s would be milliseconds since 1970, so %s: if these are seconds, add 000; "+
				"if not, write the time out", text, Moment(time.UnixMilli(n)))
		}
		return n, nil
	}
	if d, ok := parseSpan(text); ok {
		return now.Add(-d).UnixMilli(), nil
	}
	return 0, fmt.Errorf("%q is no time: want 2026-01-31T12:00:00Z, \"2026-01-31 12:00\", 2026-01-31, milliseconds "+
		"since 1970, or how long ago (90m, 7d, 1w)", text)
}

// longUnits are the units that Go's durations do not have, before those that they have.
var longUnits = regexp.MustCompile(`^(?:(\d{1,4})w)?(?:(\d{1,4})d)?(.*)$`)

// parseSpan reads a length of time in Go's units and in weeks and days.
func parseSpan(text string) (time.Duration, bool) {
	parts := longUnits.FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, false
	}
	var all time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if parts[i+1] != "" {
			n, err := strconv.Atoi(parts[i+1])
			if err != nil {
				return 0, false
			}
			all += time.Duration(n) * unit
		}
	}
	if parts[3] == "" {
		return all, true
	}
	d, err := time.ParseDuration(parts[3])
	return all + d, err == nil && d >= 0 && all+d >= all
}

// ParseRate reads bytes a second; 0 for none given.
func ParseRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	return ParseBytes("--throttle", "bytes a second", strings.TrimSuffix(text, "/s"))
}

// ParseBytes reads 500kB, 20MB, 1GB, or a plain number. Wanted says of what.
func ParseBytes(flag, wanted, text string) (int64, error) {
	var n float64
	var unit string
	if _, err := fmt.Sscanf(text+" ", "%f%s", &n, &unit); err != nil && unit == "" && n == 0 {
		return 0, usage.Errorf("%s %q: want %s, such as 500kB or 20MB", flag, text, wanted)
	}
	factor, ok := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}[strings.ToLower(unit)]
	if !ok || !(n*factor >= 1 && n*factor < math.MaxInt64) { // and not "nan"
		return 0, usage.Errorf("%s %q: want %s, such as 500kB or 20MB", flag, text, wanted)
	}
	return int64(n * factor), nil
}
