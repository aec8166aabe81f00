package bifrost

import "fmt"

// Range is the half-open range of offsets [Start, End) of one partition.
type Range struct {
	Start int64 // first offset in the range
	End   int64 // first offset after the range
}

// Len is the number of offsets in the range, whether or not each holds a record.
func (r Range) Len() int64 { return r.End - r.Start }

// Valid reports whether the range starts at a real offset and is not empty.
func (r Range) Valid() bool { return r.Start >= 0 && r.Start < r.End }

// Contains reports whether offset lies in the range.
func (r Range) Contains(offset int64) bool { return r.Start <= offset && offset < r.End }

// String writes the range as mathematicians do: [0, 1000).
func (r Range) String() string { return fmt.Sprintf("[%d, %d)", r.Start, r.End) }
