// What every ledger has to keep when a range is erased.

package bifrosttest

import (
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// erased is a partition of two settled rows, and the erasure of the first.
func (s ledgerSuite) erased(advanced bool) (bifrost.Eraser, bifrost.ErasureWrite) {
	s.Helper()
	eraser, ok := s.Ledger.(bifrost.Eraser)
	if !ok {
		s.Fatal("the ledger is no bifrost.Eraser")
	}
	s.planned(orders, 10, 20)
	for _, f := range []bifrost.Facts{facts(orders, 0, 10), facts(orders, 10, 20)} {
		s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, f.Start), f)))
	}
	if advanced {
		s.step(s.progress(orders), 0)
		s.step(s.progress(orders), 10)
	}
	gap := gapFacts(orders, 0, 10)
	gap.Reason, gap.Checksum = bifrost.ReasonErased, "AAAAAAAAAAA="
	return eraser, bifrost.ErasureWrite{
		Progress: s.progress(orders),
		Row:      s.row(orders, 0),
		Facts:    gap,
		At:       noon.Add(48 * time.Hour),
	}
}

// erase: the row is a gap then, of which nothing of the object is left.
func (s ledgerSuite) erase() {
	eraser, w := s.erased(true)
	s.must(eraser.Erase(s.Context(), w))
	want := w.Row
	want.State, want.GapReason, want.Facts, want.ArchivedAt = bifrost.StateLost, bifrost.ReasonErased, w.Facts, w.At
	s.same("the row", s.row(orders, 0), want)
	p := w.Progress
	p.Totals = bifrost.Totals{Records: 4, RawBytes: 1 << 33, StoredBytes: 1<<31 + 300, Missing: 6, Lost: 10}
	s.same("progress", s.progress(orders), p)
	s.conflicts("the same again", eraser.Erase(s.Context(), w))
	s.same("progress after that", s.progress(orders), p)

	// A gap whose own object was lost is counted as a gap once.
	again := bifrost.ErasureWrite{Progress: p, Row: s.row(orders, 0), Facts: w.Facts, At: w.At}
	again.Facts.StoredBytes, again.Facts.Checksum = 400, "BBBBBBBBBBB="
	s.must(eraser.Erase(s.Context(), again))
	p.StoredBytes += 100
	s.same("progress after another gap", s.progress(orders), p)
}

// eraseAhead: what next_offset has not passed yet is not in the totals.
func (s ledgerSuite) eraseAhead() {
	eraser, w := s.erased(false)
	s.must(eraser.Erase(s.Context(), w))
	s.same("progress", s.progress(orders), w.Progress)
	s.step(w.Progress, 0)
	s.same("totals", s.progress(orders).Totals, bifrost.Totals{StoredBytes: 300, Lost: 10})
}

func (s ledgerSuite) eraseConditions() {
	eraser, w := s.erased(true)
	for what, change := range map[string]func(*bifrost.ErasureWrite){
		"another generation":  func(w *bifrost.ErasureWrite) { w.Progress.Generation = "generation-2" },
		"another next_offset": func(w *bifrost.ErasureWrite) { w.Progress.NextOffset = 10 },
		"another object":      func(w *bifrost.ErasureWrite) { w.Row.Facts.Checksum = "CCCCCCCCCCC=" },
		"another state":       func(w *bifrost.ErasureWrite) { w.Row.State = bifrost.StateLost },
		"no such row":         func(w *bifrost.ErasureWrite) { w.Row.Start = 5 },
		"no progress row": func(w *bifrost.ErasureWrite) {
			w.Progress.Partition, w.Row.Partition = orders10, orders10
		},
	} {
		other := w
		change(&other)
		s.conflicts(what, eraser.Erase(s.Context(), other))
	}
	s.same("the row", s.row(orders, 0), w.Row)
	s.same("progress", s.progress(orders), w.Progress)
	s.noRow(orders, 5)
}

// eraseRace: of many at once one is counted.
func (s ledgerSuite) eraseRace() {
	eraser, w := s.erased(true)
	if applied := s.once(6, func(int) error { return eraser.Erase(s.Context(), w) }); applied > 1 {
		s.Errorf("%d of 6 erasures at once applied, want at most one", applied)
	}
	p := s.progress(orders)
	if gone := p.Lost == 10; gone != (s.row(orders, 0).State == bifrost.StateLost) || p.Lost > 10 {
		s.Errorf("lost offsets %d, row %s: not in one write, or more than once", p.Lost, s.row(orders, 0).State)
	}
}
