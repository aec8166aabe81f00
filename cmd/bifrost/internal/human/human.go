// Numbers, sizes, times as people read them.

package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes a number with commas between thousands.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Some writes a number of things in the singular or the plural: "1 record", "2,000 records".
func Some(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if base, isY := strings.CutSuffix(thing, "y"); isY {
		return Count(n) + " " + base + "ies"
	}
	return Count(n) + " " + thing + "s"
}

// Size writes bytes with decimal units, as disks and bills count them.
func Size(bytes int64) string {
	const units = "kMGTPE"
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1000, 0
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %cB", value, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, units[unit])
}

// Ratio writes how many times smaller what is stored is; "-" for nothing stored.
func Ratio(raw, stored int64) string {
	if stored == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(raw)/float64(stored))
}

// Seconds writes a number of seconds as Span does.
func Seconds(n float64) string { return Span(time.Duration(n * float64(time.Second))) }

// Span writes a length of time with two units at most: 45s, 12m, 3h20m, 9d.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// Ago writes how long before now a time was; "-" for no time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	switch d := now.Sub(t); {
	case d == math.MaxInt64, d == math.MinInt64:
		return Moment(t) // further away than a Duration tells
	case d >= 0:
		return Span(d) + " ago"
	}
	return "in " + Span(t.Sub(now))
}

// Moment writes a time in UTC; "-" for none.
func Moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// NoTime is Kafka's timestamp of a record that has none.
const NoTime = -1

// Millis turns milliseconds since the Unix epoch into a time; -1 is none.
func Millis(ms int64) time.Time {
	if ms == NoTime {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Timestamp is a time in JSON: RFC 3339 in UTC with milliseconds, or nil for none
// and for a year that RFC 3339 cannot write, which has four digits there. A field
// that a producer decides has another with milliseconds beside it.
func Timestamp(t time.Time) *string {
	if year := t.UTC().Year(); t.IsZero() || year < 0 || year > 9999 {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}

// Milliseconds is a time in JSON that a producer has decided: milliseconds since
// the Unix epoch, which can be any; nil for none.
func Milliseconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}
