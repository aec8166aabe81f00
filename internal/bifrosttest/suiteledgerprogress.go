// What every ledger has to keep of progress rows.

package bifrosttest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func (s ledgerSuite) empty() {
	all, err := s.ListProgress(s.Context())
	s.must(err)
	s.same("progress rows", len(all), 0)
	planned, err := s.ListPlanned(s.Context())
	s.must(err)
	s.same("planned rows", len(planned), 0)
	some, err := s.SomePlanned(s.Context(), noon, 10)
	s.must(err)
	s.same("waiting rows", len(some), 0)
	s.same("rows", len(s.allRows(orders)), 0)
	if _, err := s.Row(s.Context(), orders, 0); !errors.Is(err, bifrost.ErrNotFound) {
		s.Errorf("Row of an empty table: %v, want ErrNotFound", err)
	}
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Errorf("Progress of an empty table: %v, want ErrNotFound", err)
	}
}

func (s ledgerSuite) progressRoundTrip() {
	bare := fencing(orders)
	s.must(s.CreateProgress(s.Context(), bare))
	s.same("a new row", s.progress(orders), bare)
	full := fencing(ordersNew)
	full.Error = "it failed: \"quoted\" é"
	full.NextOffset, full.PlannedOffset, full.KnownUntil, full.StartOffset = 1<<62, 1<<62+1, 1<<62+2, 5
	full.Totals = bifrost.Totals{Records: 1 << 60, RawBytes: 2, StoredBytes: 3, Missing: 4, Lost: 5}
	full.RecentRawBytes, full.RecentOffsets, full.PlannedEpoch = 6, 7, 8
	full.LastObject = "archive/orders/partition=1/x"
	full.LastRecordAt, full.LastArchivedAt = noon.Add(1*time.Hour), noon.Add(2*time.Hour)
	full.LastPlannedAt, full.SuspectedAt = noon.Add(3*time.Hour), noon.Add(4*time.Hour)
	full.Suspicion = "the log went backwards"
	full.Trouble = bifrost.Trouble{Error: "no leader", Since: noon.Add(5 * time.Hour), At: noon.Add(6 * time.Hour)}
	s.must(s.CreateProgress(s.Context(), full))
	s.same("a row with every field", s.progress(ordersNew), full)
	all, err := s.ListProgress(s.Context())
	s.must(err)
	for _, p := range all {
		if p.Partition == ordersNew {
			s.same("the row in the list", p, full)
		}
	}
	s.same("rows in the list", len(all), 2)
}

func (s ledgerSuite) createdOnce() {
	first := s.opened(orders)
	second := fencing(orders)
	second.Generation = "generation-2"
	s.conflicts("a second row", s.CreateProgress(s.Context(), second))
	s.same("the first row", s.progress(orders), first)
}

// listProgress makes more rows than fit into one page of DynamoDB, 1 MB.
func (s ledgerSuite) listProgress() {
	const rows = 150
	for i := range rows {
		p := fencing(bifrost.Partition{Name: fmt.Sprintf("topic-%d", i%7), Number: int32(i)})
		p.Error = strings.Repeat("e", 10_000)
		s.must(s.CreateProgress(s.Context(), p))
	}
	all, err := s.ListProgress(s.Context())
	s.must(err)
	seen := map[bifrost.Partition]bool{}
	for _, p := range all {
		seen[p.Partition] = true
	}
	if len(all) != rows || len(seen) != rows {
		s.Errorf("%d rows of %d partitions, want %d of each", len(all), len(seen), rows)
	}
}

func (s ledgerSuite) open() {
	s.conflicts("no row", s.OpenProgress(s.Context(), fencing(orders)))
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("opening a row that is not there made one: %v", err)
	}
	before := fencing(orders)
	s.must(s.CreateProgress(s.Context(), before))
	other := before
	other.Generation = "generation-2"
	s.conflicts("another generation", s.OpenProgress(s.Context(), other))

	open := before
	open.KnownUntil, open.StartOffset, open.PlannedEpoch = 70, 40, 9
	open.NextOffset, open.Error = 1000, "not written by OpenProgress"
	s.must(s.OpenProgress(s.Context(), open))
	want := before
	want.Status, want.KnownUntil, want.StartOffset, want.PlannedEpoch = bifrost.StatusOpen, 70, 40, 9
	s.same("the open row", s.progress(orders), want)

	open.KnownUntil = 80
	s.conflicts("a row that is OPEN", s.OpenProgress(s.Context(), open))
	s.same("the open row after a refusal", s.progress(orders), want)
}

func (s ledgerSuite) fence() {
	s.conflicts("no row", s.FenceProgress(s.Context(), fencing(orders)))
	before := fencing(orders)
	s.must(s.CreateProgress(s.Context(), before))
	fenced := before
	fenced.FencedAt = noon.Add(time.Second)
	other := fenced
	other.Generation = "generation-2"
	s.conflicts("another generation", s.FenceProgress(s.Context(), other))
	s.same("the row after refusals", s.progress(orders), before)

	fenced.NextOffset, fenced.Error = 1000, "not written by FenceProgress"
	s.must(s.FenceProgress(s.Context(), fenced))
	want := before
	want.FencedAt = fenced.FencedAt
	s.same("the fenced row", s.progress(orders), want)
	later := fenced
	later.FencedAt = noon.Add(time.Hour)
	s.conflicts("a row that is fenced off", s.FenceProgress(s.Context(), later))

	s.must(s.OpenProgress(s.Context(), before))
	s.conflicts("a row that is OPEN", s.FenceProgress(s.Context(), later))
	s.same("the time in the open row", s.progress(orders).FencedAt, fenced.FencedAt)
	s.opened(orders10)
	tenth := fencing(orders10)
	tenth.FencedAt = noon
	s.conflicts("a row that was never fenced off, and is OPEN", s.FenceProgress(s.Context(), tenth))
}

func (s ledgerSuite) deleteProgress() {
	p := s.opened(orders)
	s.opened(orders10)
	s.opened(ordersNew)
	other := p
	other.Generation = "generation-2"
	s.conflicts("another generation", s.DeleteProgress(s.Context(), other))
	moved := p
	moved.NextOffset = 5
	s.conflicts("another next_offset", s.DeleteProgress(s.Context(), moved))
	s.same("the row", s.progress(orders), p)
	s.must(s.DeleteProgress(s.Context(), p))
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Errorf("Progress of a deleted row: %v, want ErrNotFound", err)
	}
	s.conflicts("a row that is gone", s.DeleteProgress(s.Context(), p))
	s.progress(orders10)
	s.progress(ordersNew)
}

func (s ledgerSuite) dropPlanned() {
	p := s.opened(orders)
	s.must(s.Plan(s.Context(), write(p, row(orders, 0, 10), row(orders, 10, 20))))
	first, second := s.row(orders, 0), s.row(orders, 10)
	s.conflicts("an OPEN progress row", s.DropPlanned(s.Context(), s.progress(orders), first))
	s.must(s.DeleteProgress(s.Context(), s.progress(orders)))
	s.conflicts("no progress row", s.DropPlanned(s.Context(), fencing(orders), first))
	anew := fencing(orders)
	anew.Generation = "generation-2"
	s.must(s.CreateProgress(s.Context(), anew))
	s.conflicts("another generation", s.DropPlanned(s.Context(), fencing(orders), first))
	longer := first
	longer.End = 15
	s.conflicts("another end", s.DropPlanned(s.Context(), anew, longer))
	s.conflicts("no row", s.DropPlanned(s.Context(), anew, row(orders, 5, 10)))
	s.must(s.DropPlanned(s.Context(), anew, first))
	s.conflicts("a row that is gone", s.DropPlanned(s.Context(), anew, first))
	left, err := s.Rows(s.Context(), orders, 0, 10)
	s.must(err)
	s.same("the other row", left, []bifrost.Row{second})
	facts := bifrost.Facts{Key: "key", Range: second.Range, Records: 10}
	s.must(s.Commit(s.Context(), bifrost.CommitWrite{Row: second, Facts: facts, ArchivedAt: noon}))
	s.conflicts("a settled row", s.DropPlanned(s.Context(), anew, second))
}

func (s ledgerSuite) status() {
	missing := bifrost.StatusWrite{Progress: fencing(orders), Status: bifrost.StatusClosed}
	s.conflicts("no row", s.ChangeStatus(s.Context(), missing))
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("changing the status of a row that is not there made one: %v", err)
	}
	p := s.opened(orders)
	suspect := bifrost.StatusWrite{
		Progress: p, Status: bifrost.StatusOpen, Error: "broker unreachable",
		Suspicion: "the log went backwards", SuspectedAt: noon.Add(time.Minute),
	}
	s.must(s.ChangeStatus(s.Context(), suspect))
	want := p
	want.Error, want.Suspicion, want.SuspectedAt = suspect.Error, suspect.Suspicion, suspect.SuspectedAt
	s.same("without an observation", s.progress(orders), want)

	s.conflicts("a suspicion that came since", s.ChangeStatus(s.Context(), suspect))
	s.conflicts("a plan under a suspicion that came since", s.Plan(s.Context(), write(p, row(orders, 0, 10))))
	diverged := bifrost.StatusWrite{Progress: want, Status: bifrost.StatusDiverged}
	diverged.Observation = bifrost.Observation{
		LogStart:      1,
		LastStable:    2,
		HighWatermark: 3,
		LeaderEpoch:   -1,
		At:            noon.Add(time.Hour),
	}
	s.must(s.ChangeStatus(s.Context(), diverged))
	want = p
	want.Status, want.Observation = bifrost.StatusDiverged, diverged.Observation
	s.same("with an observation, suspicion and error taken back", s.progress(orders), want)
	before := want
	before.Suspicion, before.SuspectedAt = suspect.Suspicion, suspect.SuspectedAt
	s.conflicts("a suspicion that was taken back",
		s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: before, Status: bifrost.StatusOpen}))
	s.statusConditions(want)
}

func (s ledgerSuite) statusConditions(p bifrost.Progress) {
	s.Helper()
	other := p
	other.Generation = "generation-2"
	s.conflicts("another generation",
		s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: other, Status: bifrost.StatusOpen}))
	moved := p
	moved.PlannedOffset = 5
	s.conflicts("another planned_offset",
		s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: moved, Status: bifrost.StatusOpen}))
	stale := p
	stale.Status = bifrost.StatusOpen
	s.conflicts("another status",
		s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: stale, Status: bifrost.StatusOpen}))
	s.same("after refusals", s.progress(p.Partition), p)
	s.conflicts("a plan of a DIVERGED partition", s.Plan(s.Context(), write(p, row(p.Partition, 0, 10))))
	s.same("rows of a DIVERGED partition", len(s.allRows(p.Partition)), 0)
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: p, Status: bifrost.StatusOpen}))
	s.must(s.Plan(s.Context(), write(p, row(p.Partition, 0, 10))))
	p = s.progress(p.Partition)
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: p, Status: bifrost.StatusBlocked}))
	s.must(s.Plan(s.Context(), write(p, row(p.Partition, 10, 20))))
	s.same("status after a plan of a BLOCKED partition", s.progress(p.Partition).Status, bifrost.StatusBlocked)
}

// timeToLoss is kept to the second.
func (s ledgerSuite) timeToLoss() {
	p := s.opened(orders)
	threatened := row(orders, 0, 10)
	threatened.LossAt = noon.Add(time.Hour)
	w := write(p, threatened, row(orders, 10, 20))
	w.Observation.LossAt = w.Observation.At.Add(59 * time.Second)
	s.must(s.Plan(s.Context(), w))
	s.same("progress after a plan", s.progress(orders).LossAt, w.Observation.LossAt)
	s.same("the threatened row", s.row(orders, 0).LossAt, threatened.LossAt)
	s.same("the other row", s.row(orders, 10).LossAt, time.Time{})
	rest := facts(orders, 0, 5)
	s.must(s.Commit(s.Context(), s.commitOf(threatened, rest)))
	s.same("the settled row", s.row(orders, 0).LossAt, time.Time{})
	s.same("its remainder", s.row(orders, 5).LossAt, threatened.LossAt)
	safe := w.Observation
	safe.LossAt = time.Time{}
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{
		Progress:    s.progress(orders),
		Status:      bifrost.StatusOpen,
		Observation: safe,
	}))
	s.same("progress out of danger", s.progress(orders).LossAt, time.Time{})
}

func (s ledgerSuite) plan() {
	p := s.opened(orders)
	gap := row(orders, 0, 3)
	gap.GapReason = bifrost.ReasonBeforeFirstSight
	w := write(p, gap, row(orders, 3, 50))
	s.must(s.Plan(s.Context(), w))
	want := p
	want.PlannedOffset, want.PlannedEpoch, want.Observation = 50, 5, w.Observation
	want.LastPlannedAt = w.Observation.At
	s.same("progress", s.progress(orders), want)
	s.same("rows", s.allRows(orders), w.Rows)
	s.same("row by start", s.row(orders, 3), w.Rows[1])
}

func (s ledgerSuite) planConditions() {
	w := write(fencing(orders), row(orders, 0, 10))
	s.conflicts("no progress row", s.Plan(s.Context(), w))
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("a plan without a progress row made one: %v", err)
	}
	s.must(s.CreateProgress(s.Context(), fencing(orders)))
	s.conflicts("FENCING", s.Plan(s.Context(), w))
	s.must(s.OpenProgress(s.Context(), fencing(orders)))
	other := w
	other.Progress.Generation = "generation-2"
	s.conflicts("another generation", s.Plan(s.Context(), other))
	moved := w
	moved.Progress.PlannedOffset = 5
	s.conflicts("another planned_offset", s.Plan(s.Context(), moved))
	s.same("rows after refusals", len(s.allRows(orders)), 0)
	s.same("planned_offset after refusals", s.progress(orders).PlannedOffset, int64(0))

	w.Progress.NextOffset = 77 // not a condition of a plan: archiving goes on meanwhile
	s.must(s.Plan(s.Context(), w))
	s.conflicts("the same plan again", s.Plan(s.Context(), w))
	s.same("planned_offset", s.progress(orders).PlannedOffset, int64(10))
}

func (s ledgerSuite) planAtomic() {
	s.planned(orders, 10, 20)
	p := s.progress(orders)
	ahead := write(p, row(orders, 30, 40))
	ahead.PlannedOffset = 20 // a row ahead of planned_offset, as a second stack leaves them
	s.must(s.Plan(s.Context(), ahead))
	p = s.progress(orders)
	blocked := write(p, row(orders, 20, 25), row(orders, 25, 30), row(orders, 30, 35))
	s.conflicts("a row is there already", s.Plan(s.Context(), blocked))
	s.same("rows", starts(s.allRows(orders)), []int64{0, 10, 30})
	s.same("the row that was there", s.row(orders, 30).End, int64(40))
	s.same("progress", s.progress(orders), p)
}

func (s ledgerSuite) planMost() {
	p := s.opened(orders)
	var rows []bifrost.Row
	for i := range int64(99) {
		rows = append(rows, row(orders, i*10, i*10+10))
	}
	s.must(s.Plan(s.Context(), write(p, rows...)))
	s.same("rows", len(s.allRows(orders)), 99)
	s.same("planned_offset", s.progress(orders).PlannedOffset, int64(990))
}

func (s ledgerSuite) planTakesOver() {
	p := s.opened(orders)
	ahead := write(p, row(orders, 0, 10))
	ahead.PlannedOffset = 0
	s.must(s.Plan(s.Context(), ahead))
	over := write(p)
	over.PlannedOffset = 10
	s.must(s.Plan(s.Context(), over))
	s.same("planned_offset", s.progress(orders).PlannedOffset, int64(10))
	s.same("rows", starts(s.allRows(orders)), []int64{0})
}

func (s ledgerSuite) planRace() {
	p := s.opened(orders)
	applied := s.once(6, func(i int) error {
		end := int64(10 * (i + 1))
		return s.Plan(s.Context(), write(p, row(orders, 0, 5), row(orders, 5, end)))
	})
	if applied > 1 {
		s.Errorf("%d of 6 plans at once applied, want at most one", applied)
	}
	if applied == 1 {
		s.same("rows", starts(s.allRows(orders)), []int64{0, 5})
		s.same("planned_offset", s.progress(orders).PlannedOffset, s.row(orders, 5).End)
	}
}

func (s ledgerSuite) mark() {
	if _, err := s.Mark(s.Context()); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("Mark of new tables: %v, want ErrNotFound", err)
	}
	first := bifrost.TablesMark{Series: "one", At: noon}
	s.conflicts("a row that is not there", s.SetMark(s.Context(), first, first))
	s.must(s.SetMark(s.Context(), bifrost.TablesMark{}, first))
	s.conflicts("a second first row",
		s.SetMark(s.Context(), bifrost.TablesMark{}, bifrost.TablesMark{Series: "two", At: noon}))
	up := bifrost.TablesMark{Series: "one", Number: 1, Planned: true, At: noon.Add(time.Minute), Next: "two"}
	s.must(s.SetMark(s.Context(), first, up))
	for what, before := range map[string]bifrost.TablesMark{
		"what was before":    first,
		"a number of before": {Series: "one", Next: "two"},
		"another series":     {Series: "two", Number: 1, Next: "two"},
		"another next":       {Series: "one", Number: 1},
	} {
		s.conflicts(what, s.SetMark(s.Context(), before, bifrost.TablesMark{Series: "three", Number: 9, At: noon}))
	}
	now, err := s.Mark(s.Context())
	s.must(err)
	s.same("the mark", now, up)
	s.opened(orders)
	all, err := s.ListProgress(s.Context())
	s.must(err)
	s.same("progress rows beside the mark", len(all), 1)
}
