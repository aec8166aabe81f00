// Times, sizes, rates as people write them.

package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// leastMilliseconds is the least number that is taken for milliseconds, of 1973: seconds of today,
// and of the next thousand years, are below it.
const leastMilliseconds = 100_000_000_000

// ParseTime reads a moment: RFC 3339, a date, milliseconds since the Unix epoch (but for small
// ones, which are probably seconds), or how long ago, such as 90m or 7d.
func ParseTime(text string, now time.Time) (ms int64, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z", "2006-01-02T15:04",
		"2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		if n < leastMilliseconds {
			return 0, fmt.Errorf("%s would be milliseconds since 1970, so %s: if these are seconds, add 000; "+
				"if not, write the time out", text, Moment(time.UnixMilli(n)))
		}
		return n, nil
	}
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil && n >= 0 {
			return now.Add(-time.Duration(n) * 24 * time.Hour).UnixMilli(), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UnixMilli(), nil
	}
	return 0, fmt.Errorf("%q is no time: want 2026-01-31T12:00:00Z, 2026-01-31, milliseconds since 1970, "+
		"or how long ago (90m, 7d)", text)
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
