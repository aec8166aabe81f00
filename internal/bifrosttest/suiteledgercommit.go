// What every ledger has to keep when ranges are settled.

package bifrosttest

import (
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// settled is what a row becomes when the facts settle it.
func settled(r bifrost.Row, f bifrost.Facts) bifrost.Row {
	r.State, r.Facts, r.ArchivedAt = bifrost.StateArchived, f, noon.Add(time.Hour)
	if f.Kind == baldr.KindGap {
		r.State = bifrost.StateLost
	}
	r.GapReason, r.Error = f.Reason, ""
	r.End = min(r.End, f.End)
	return r
}

func (s ledgerSuite) commitWhole() {
	rows := s.planned(orders, 10, 20)
	leased, err := s.Lease(s.Context(), rows[0], "function-1", rows[0].Attempts+1, noon.Add(time.Minute))
	s.must(err)
	f := facts(orders, 0, 10)
	s.must(s.Commit(s.Context(), s.commitOf(rows[0], f))) // a lease is no condition
	want := settled(leased, f)
	got := s.row(orders, 0)
	want.Invocation = ""
	got.LeaseUntil = want.LeaseUntil // of no meaning once settled: kept or not
	s.same("the row", got, want)
	s.same("its neighbour", s.row(orders, 10), rows[1])
	s.same("rows", starts(s.allRows(orders)), []int64{0, 10})
	s.same("next_offset, which Commit leaves alone", s.progress(orders).NextOffset, int64(0))
}

func (s ledgerSuite) commitGap() {
	read := s.planned(orders, 10)[0]
	f := gapFacts(orders, 0, 10)
	s.must(s.Commit(s.Context(), s.commitOf(read, f)))
	s.same("the row", s.row(orders, 0), settled(read, f))

	// The records won against a mark that the topic was deleted.
	read = s.planned(orders10, 10)[0]
	s.must(s.MarkGap(s.Context(), s.progress(orders), read, bifrost.ReasonTopicDeleted))
	s.must(s.Commit(s.Context(), s.commitOf(read, facts(orders10, 0, 10))))
	s.same("the archived row", s.row(orders10, 0), settled(read, facts(orders10, 0, 10)))
}

func (s ledgerSuite) commitRemainder() {
	read := s.planned(orders, 100, 200)[0]
	leased, err := s.Lease(s.Context(), read, "function-1", read.Attempts+1, noon.Add(time.Minute))
	s.must(err)
	leased.StoppedAt = 60
	s.must(s.Release(s.Context(), leased, "failed once", noon))
	f := facts(orders, 0, 60)
	s.must(s.Commit(s.Context(), s.commitOf(leased, f)))
	s.same("rows", starts(s.allRows(orders)), []int64{0, 60, 100})
	s.same("end of the row", s.row(orders, 0).End, int64(60))
	s.same("where it stopped, once settled", s.row(orders, 0).StoppedAt, int64(0))
	want := row(orders, 60, 100)
	rest := s.row(orders, 60)
	want.PlannedAt = rest.PlannedAt // when: the ledger's choice
	s.same("the remainder, fresh: no attempt, no lease, no error, no stop", rest, want)
	s.eventually("the remainder in the index", func() (bool, string) {
		planned, err := s.ListPlanned(s.Context())
		s.must(err)
		for _, r := range planned {
			if r.Start == 60 {
				return true, ""
			}
		}
		return false, printed(planned)
	})

	// A longer object: the row keeps its own end, the facts stay the object's.
	longer := facts(orders, 60, 150)
	s.must(s.Commit(s.Context(), s.commitOf(rest, longer)))
	s.same("rows", starts(s.allRows(orders)), []int64{0, 60, 100})
	s.same("the row under a longer object", s.row(orders, 60), settled(rest, longer))
}

// commitGapRemainder: what is left of a row that nobody shall ask Kafka about,
// nobody shall ask Kafka about either.
func (s ledgerSuite) commitGapRemainder() {
	p := s.opened(orders)
	read := row(orders, 0, 100)
	read.GapReason = bifrost.ReasonTopicDeleted
	s.must(s.Plan(s.Context(), write(p, read)))
	s.must(s.Commit(s.Context(), s.commitOf(read, facts(orders, 0, 60))))
	s.same("reason of the archived part", s.row(orders, 0).GapReason, "")
	s.same("reason of the remainder", s.row(orders, 60).GapReason, bifrost.ReasonTopicDeleted)
}

func (s ledgerSuite) commitConditions() {
	s.conflicts("no row", s.Commit(s.Context(), s.commitOf(row(orders, 0, 10), facts(orders, 0, 5))))
	s.noRow(orders, 0)
	s.noRow(orders, 5)
	read := s.planned(orders, 10, 20)[0]
	shorter, longer := read, read
	shorter.End, longer.End = 9, 11
	s.conflicts("the row's end is larger than what was read",
		s.Commit(s.Context(), s.commitOf(shorter, facts(orders, 0, 9))))
	s.conflicts("the row's end is smaller than what was read",
		s.Commit(s.Context(), s.commitOf(longer, facts(orders, 0, 9))))
	s.same("rows", s.allRows(orders), []bifrost.Row{row(orders, 0, 10), row(orders, 10, 20)})

	first := facts(orders, 0, 10)
	s.must(s.Commit(s.Context(), s.commitOf(read, first)))
	second := gapFacts(orders, 0, 5)
	s.conflicts("a settled row", s.Commit(s.Context(), s.commitOf(read, second)))
	s.conflicts("a settled row, the same facts", s.Commit(s.Context(), s.commitOf(read, first)))
	s.same("the row", s.row(orders, 0), settled(read, first))
	s.noRow(orders, 5)
}

func (s ledgerSuite) commitAtomic() {
	read := s.planned(orders, 100)[0]
	p := s.progress(orders)
	stray := write(p, row(orders, 60, 80))
	stray.PlannedOffset = p.PlannedOffset
	s.must(s.Plan(s.Context(), stray))
	s.conflicts("the remainder is there", s.Commit(s.Context(), s.commitOf(read, facts(orders, 0, 60))))
	s.same("rows", s.allRows(orders), []bifrost.Row{read, row(orders, 60, 80)})
}

func (s ledgerSuite) commitRace() {
	read := s.planned(orders, 100)[0]
	applied := s.once(6, func(i int) error {
		return s.Commit(s.Context(), s.commitOf(read, facts(orders, 0, int64(50+i))))
	})
	if applied > 1 {
		s.Errorf("%d of 6 commits at once applied, want at most one", applied)
	}
	rows := s.allRows(orders)
	switch {
	case applied == 1 && len(rows) != 2:
		s.Errorf("rows after one commit: %s", printed(rows))
	case len(rows) == 2 && (rows[0].End != rows[1].Start || rows[1].End != 100):
		s.Errorf("rows do not tile [0, 100): %s", printed(rows))
	}
}

func (s ledgerSuite) advance() {
	s.planned(orders, 10, 20, 30)
	for _, f := range []bifrost.Facts{facts(orders, 0, 10), gapFacts(orders, 10, 20), facts(orders, 20, 30)} {
		s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, f.Start), f)))
	}
	start := s.progress(orders)
	s.step(start, 0)
	want := start
	want.NextOffset = 10
	want.Totals = bifrost.Totals{Records: 4, RawBytes: 1 << 33, StoredBytes: 1 << 31, Missing: 6}
	want.RecentRawBytes, want.RecentOffsets = 1<<33, 10
	want.LastObject = bifrost.ObjectKey("archive", orders, 0, 0)
	want.LastRecordAt, want.LastArchivedAt = noon, noon.Add(time.Hour)
	s.same("over an archived row", s.progress(orders), want)

	s.step(start, 10)
	want.NextOffset, want.Lost = 20, 10
	want.StoredBytes += 300
	got := s.progress(orders)
	want.LastObject, want.LastArchivedAt = got.LastObject, got.LastArchivedAt // of the gap or of the records before it
	s.same("over a gap, which says nothing about sizes and times", got, want)

	s.step(start, 20)
	got = s.progress(orders)
	s.same("totals", got.Totals, bifrost.Totals{
		Records:     8,
		RawBytes:    1 << 34,
		StoredBytes: 1<<32 + 300,
		Missing:     12,
		Lost:        10,
	})
	s.same("next_offset", got.NextOffset, int64(30))
}

// advanceOlder: the newest record stays the newest when a range of older ones follows.
func (s ledgerSuite) advanceOlder() {
	s.planned(orders, 10, 20)
	newer, older := facts(orders, 0, 10), facts(orders, 10, 20)
	older.FirstTimestamp, older.LastTimestamp = noon.UnixMilli()-90, noon.UnixMilli()-80
	for _, f := range []bifrost.Facts{newer, older} {
		s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, f.Start), f)))
		s.step(s.progress(orders), f.Start)
	}
	got := s.progress(orders)
	s.same("next_offset", got.NextOffset, int64(20))
	s.same("records", got.Records, int64(8))
	s.same("time of the newest record", got.LastRecordAt.UnixMilli(), noon.UnixMilli())
}

// step advances over the row at the offset.
func (s ledgerSuite) step(p bifrost.Progress, from int64) {
	s.Helper()
	s.must(s.Advance(s.Context(), s.over(p, from)))
}

func (s ledgerSuite) over(p bifrost.Progress, from int64) bifrost.AdvanceWrite {
	s.Helper()
	r := s.row(p.Partition, from)
	return bifrost.AdvanceWrite{Partition: p.Partition, Generation: p.Generation, From: from, To: r.End, Row: r}
}

func (s ledgerSuite) advanceConditions() {
	missing := bifrost.AdvanceWrite{Partition: orders, Generation: "generation-1", To: 10, Row: row(orders, 0, 10)}
	s.conflicts("no progress row", s.Advance(s.Context(), missing))
	if all, err := s.ListProgress(s.Context()); err != nil || len(all) > 0 {
		s.Fatalf("an advance made a progress row: %+v, error %v", all, err)
	}
	s.planned(orders, 10, 20)
	s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, 0), facts(orders, 0, 10))))
	s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, 10), facts(orders, 10, 20))))
	before := s.progress(orders)
	other := s.over(before, 0)
	other.Generation = "generation-2"
	s.conflicts("another generation", s.Advance(s.Context(), other))
	s.conflicts("next_offset is not there yet", s.Advance(s.Context(), s.over(before, 10)))
	s.same("progress after refusals", s.progress(orders), before)
	s.step(before, 0)
	s.conflicts("the same again", s.Advance(s.Context(), s.over(before, 0)))
	s.same("records, counted once", s.progress(orders).Records, int64(4))

	// A status of the partition is no condition: what is in flight is brought home.
	p := s.progress(orders)
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: p, Status: bifrost.StatusDiverged, Error: "cut"}))
	s.step(before, 10)
	s.same("next_offset", s.progress(orders).NextOffset, int64(20))
	s.same("status", s.progress(orders).Status, bifrost.StatusDiverged)
}

func (s ledgerSuite) advanceRace() {
	s.planned(orders, 10)
	s.must(s.Commit(s.Context(), s.commitOf(s.row(orders, 0), facts(orders, 0, 10))))
	over := s.over(s.progress(orders), 0)
	if applied := s.once(8, func(int) error { return s.Advance(s.Context(), over) }); applied > 1 {
		s.Errorf("%d of 8 advances at once applied, want at most one", applied)
	}
	p := s.progress(orders)
	if counted := p.Records == 4; counted != (p.NextOffset == 10) {
		s.Errorf("next_offset %d with %d records: not in one write, or more than once", p.NextOffset, p.Records)
	}
}
