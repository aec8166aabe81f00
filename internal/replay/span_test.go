package replay

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is left is what was asked for without what was written, record by record, and
// adding spans forgets and invents nothing.
func TestSpansAgainstTheirRecords(t *testing.T) {
	t.Parallel()
	type record struct{ offset, timestamp int64 }
	timestamps := []int64{-1, 0, 1, 2, 3, math.MaxInt64}
	within := func(s Span, r record) bool {
		return r.offset >= s.Start && r.offset < s.End && r.timestamp >= s.Since && (r.timestamp < s.Until || s.Until == math.MaxInt64)
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) Span {
			s := AllTimes(rapid.Int64Range(0, 8).Draw(t, what), 0)
			s.End = s.Start + rapid.Int64Range(0, 5).Draw(t, what+" length")
			if rapid.Bool().Draw(t, what+" since") {
				s.Since = rapid.Int64Range(0, 3).Draw(t, what+" from")
			}
			if rapid.Bool().Draw(t, what+" until") {
				s.Until = max(0, s.Since) + rapid.Int64Range(1, 3).Draw(t, what+" to")
			}
			return s
		}
		var all []record
		for offset := range int64(14) {
			for _, timestamp := range timestamps {
				all = append(all, record{offset, timestamp})
			}
		}
		var w spans
		written := map[record]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "spans") {
			s := draw("written")
			w = w.addSpan(s)
			for _, r := range all {
				written[r] = written[r] || within(s, r)
			}
		}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var back spans
		if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back, w) {
			t.Fatalf("%v comes back as %v: %v", w, back, err)
		}
		for _, r := range all {
			if has := slices.ContainsFunc(w, func(s Span) bool { return within(s, r) }); has != written[r] {
				t.Fatalf("%v has %v: %v", w, r, has)
			}
		}
		ask := draw("asked")
		var again *Span
		if rapid.Bool().Draw(t, "again?") {
			s := draw("again")
			again = &s
		}
		rest := w.findRest(ask, again)
		for i, s := range rest {
			if s.Start >= s.End || i > 0 && s.Start < rest[i-1].End {
				t.Fatalf("segments %v", rest)
			}
		}
		for _, r := range all {
			want := within(ask, r) && (!written[r] || again != nil && within(*again, r))
			has := slices.ContainsFunc(rest, func(s Segment) bool { return r.offset >= s.Start && r.offset < s.End && s.Wants(r.timestamp) })
			if has != want {
				t.Fatalf("of %v without %v and again %v, %v has %v: %v", ask, w, again, rest, r, has)
			}
		}
	})
}
