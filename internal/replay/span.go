// Which records of a source partition are meant.

package replay

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Span is what is asked for of a source partition, or written of it: the records
// with offsets in [Start, End) and timestamps in [Since, Until), milliseconds since
// the Unix epoch. In JSON it is a list of two numbers, or of four if the times are
// bounded.
type Span struct {
	Start, End   int64
	Since, Until int64
}

// AllTimes is a span that bounds no times, not even for records that have none (-1).
func AllTimes(start, end int64) Span {
	return Span{Start: start, End: end, Since: math.MinInt64, Until: math.MaxInt64}
}

// Bounded reports whether the span leaves out records by their time.
func (s Span) Bounded() bool { return s.Since != math.MinInt64 || s.Until != math.MaxInt64 }

func (s Span) times() interval { return interval{s.Since, s.Until} }

// MarshalJSON implements json.Marshaler.
func (s Span) MarshalJSON() ([]byte, error) {
	if !s.Bounded() {
		return fmt.Appendf(nil, "[%d,%d]", s.Start, s.End), nil
	}
	return fmt.Appendf(nil, "[%d,%d,%d,%d]", s.Start, s.End, s.Since, s.Until), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Span) UnmarshalJSON(text []byte) error {
	*s = AllTimes(0, 0)
	if _, err := fmt.Sscanf(string(text), "[%d,%d,%d,%d]", &s.Start, &s.End, &s.Since, &s.Until); err == nil {
		return nil
	}
	*s = AllTimes(0, 0)
	if _, err := fmt.Sscanf(string(text), "[%d,%d]", &s.Start, &s.End); err != nil {
		return fmt.Errorf("span %s: want [start, end] or [start, end, since, until]: %w", text, err)
	}
	return nil
}

// contains reports whether all of the other span is part of this one.
func (s Span) contains(other Span) bool {
	return s.Start <= other.Start && other.End <= s.End && s.Since <= other.Since && other.Until <= s.Until
}

// interval is a half-open range of timestamps.
type interval struct{ since, until int64 }

func (i interval) contains(timestamp int64) bool {
	return timestamp >= i.since && !i.endsBy(timestamp)
}

// endsBy reports whether the interval has nothing from the timestamp on. What has no
// end has the greatest timestamp, too.
func (i interval) endsBy(timestamp int64) bool {
	return i.until <= timestamp && i.until != math.MaxInt64
}

// without is what the intervals have and the other does not.
func without(times []interval, other interval) []interval {
	var left []interval
	for _, i := range times {
		if other.until <= i.since || i.until <= other.since {
			left = append(left, i)
			continue
		}
		if i.since < other.since {
			left = append(left, interval{i.since, other.since})
		}
		if other.until < i.until {
			left = append(left, interval{other.until, i.until})
		}
	}
	return left
}

// A Segment is a part of a partition that is to be written: the records with
// offsets in [Start, End) and a timestamp in one of the intervals.
type Segment struct {
	Start, End int64
	times      []interval // in order, apart from each other, at least one
}

// Hull is the smallest span that has all of the segment.
func (s Segment) Hull() Span {
	return Span{s.Start, s.End, s.times[0].since, s.times[len(s.times)-1].until}
}

// Whole reports whether no record is left out by its time.
func (s Segment) Whole() bool { return len(s.times) == 1 && !s.Hull().Bounded() }

// Wants reports whether a record with such a timestamp is part of the segment.
func (s Segment) Wants(timestamp int64) bool {
	for _, i := range s.times {
		if i.contains(timestamp) {
			return true
		}
	}
	return false
}

// Times reports which of the records with timestamps in [first, last] are part of
// the segment: all of them, or none for certain.
func (s Segment) Times(first, last int64) (all, none bool) {
	none = true
	for _, i := range s.times {
		all = all || i.contains(first) && i.contains(last)
		none = none && (last < i.since || i.endsBy(first))
	}
	return all, none
}

// Share is about which share of the records with timestamps in [first, last] are part of the
// segment, from 0 to 1: the one that is, if as many records are of each time.
func (s Segment) Share(first, last int64) float64 {
	end, part := float64(last)+1, 0.0
	for _, i := range s.times {
		part += max(0, min(end, float64(i.until))-max(float64(first), float64(i.since)))
	}
	return min(1, part/(end-float64(first)))
}

// spans are what has been written of a partition. No span contains another.
type spans []Span

// addSpan puts a span to the others. What touches and has the same times becomes one.
func (w spans) addSpan(s Span) spans {
	if s.Start >= s.End {
		return w
	}
	for again := true; again; {
		again = false
		for _, other := range w {
			if other.contains(s) {
				return w
			}
			if other.times() == s.times() && other.Start <= s.End && s.Start <= other.End && !s.contains(other) {
				s.Start, s.End = min(s.Start, other.Start), max(s.End, other.End)
				again = true
			}
		}
	}
	w = slices.DeleteFunc(slices.Clone(w), s.contains)
	at, _ := slices.BinarySearchFunc(w, s, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return slices.Insert(w, at, s)
}

// findRest is what is asked for and not written, in order of offsets. What is to be
// written again counts as not written.
func (w spans) findRest(ask Span, again *Span) []Segment {
	all := w
	if again != nil {
		all = append(slices.Clone(w), *again)
	}
	cuts := []int64{ask.Start, ask.End}
	for _, s := range all {
		for _, cut := range []int64{s.Start, s.End} {
			if cut > ask.Start && cut < ask.End {
				cuts = append(cuts, cut)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var rest []Segment
	for i := range len(cuts) - 1 {
		times := w.restAt(cuts[i], ask, again)
		if len(times) == 0 {
			continue
		}
		if n := len(rest); n > 0 && rest[n-1].End == cuts[i] && slices.Equal(rest[n-1].times, times) {
			rest[n-1].End = cuts[i+1]
			continue
		}
		rest = append(rest, Segment{cuts[i], cuts[i+1], times})
	}
	return rest
}

// restAt is which times are left of one offset.
func (w spans) restAt(offset int64, ask Span, again *Span) []interval {
	left := []interval{ask.times()}
	for _, s := range w {
		if s.Start <= offset && offset < s.End {
			if again != nil && again.Start <= offset && offset < again.End {
				for _, written := range without([]interval{s.times()}, again.times()) {
					left = without(left, written)
				}
				continue
			}
			left = without(left, s.times())
		}
	}
	return left
}
