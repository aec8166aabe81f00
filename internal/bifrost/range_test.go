package bifrost_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// An offset is in the part of a range within bounds when it is in both.
func TestRangeWithin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) bifrost.Range {
			start := rapid.Int64Range(0, 20).Draw(t, name)
			return bifrost.Range{Start: start, End: start + rapid.Int64Range(0, 20).Draw(t, name+" long")}
		}
		r, bounds := draw("range"), draw("bounds")
		within := r.Within(bounds)
		any := false
		for offset := range int64(41) {
			both := r.Contains(offset) && bounds.Contains(offset)
			any = any || both
			if within.Contains(offset) != both {
				t.Fatalf("%s within %s is %s: offset %d", r, bounds, within, offset)
			}
		}
		if within.Valid() != any {
			t.Fatalf("%s within %s is %s, valid %v", r, bounds, within, within.Valid())
		}
	})
}
