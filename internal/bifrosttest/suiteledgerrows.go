// What every ledger has to keep of rows of ranges.

package bifrosttest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func (s ledgerSuite) rows() {
	s.planned(orders, 9, 10, 100, 1000)
	s.planned(orders10, 50)
	s.planned(ordersNew, 60)
	read := func(from int64, limit int) []int64 {
		rows, err := s.Rows(s.Context(), orders, from, limit)
		s.must(err)
		return starts(rows)
	}
	s.same("all", read(0, 100), []int64{0, 9, 10, 100})
	s.same("from a start", read(10, 100), []int64{10, 100})
	s.same("from between two", read(11, 100), []int64{100})
	s.same("from behind the last", read(101, 100), []int64(nil))
	s.same("at most two", read(0, 2), []int64{0, 9})
}

// manyRows plans more than fit into one page of DynamoDB, 1 MB.
func (s ledgerSuite) manyRows() {
	s.opened(orders)
	var next int64
	for range 2 {
		var rows []bifrost.Row
		for range 90 {
			r := row(orders, next, next+10)
			r.GapReason = strings.Repeat("g", 9_000)
			rows = append(rows, r)
			next = r.End
		}
		s.must(s.Plan(s.Context(), write(s.progress(orders), rows...)))
	}
	rows := s.allRows(orders)
	for i, r := range rows {
		if r.Start != int64(i)*10 {
			s.Fatalf("row %d starts at %d, want %d", i, r.Start, i*10)
		}
	}
	s.same("rows", len(rows), 180)
	s.eventually("all rows in the index", func() (bool, string) {
		planned, err := s.ListPlanned(s.Context())
		s.must(err)
		return len(planned) == 180, fmt.Sprint(len(planned), " rows")
	})
}

func (s ledgerSuite) markGap() {
	s.conflicts("nothing", s.MarkGap(s.Context(), fencing(orders), row(orders, 0, 10), bifrost.ReasonTopicDeleted))
	s.noRow(orders, 0)
	rows := s.planned(orders, 10, 20)
	p := s.progress(orders)
	s.conflicts("no row", s.MarkGap(s.Context(), p, row(orders, 5, 10), bifrost.ReasonTopicDeleted))
	s.noRow(orders, 5)
	longer := rows[0]
	longer.End = 11
	s.conflicts("another end", s.MarkGap(s.Context(), p, longer, bifrost.ReasonTopicDeleted))
	s.must(s.MarkGap(s.Context(), p, rows[0], bifrost.ReasonTopicDeleted))
	want := rows[0]
	want.GapReason = bifrost.ReasonTopicDeleted
	s.same("the marked row", s.row(orders, 0), want)
	s.same("its neighbour", s.row(orders, 10), rows[1])

	leased, err := s.Lease(s.Context(), rows[1], "function-1", rows[1].Attempts+1, noon)
	s.must(err)
	s.must(s.Release(s.Context(), leased, "topic not found", noon.Add(time.Hour)))
	s.must(s.MarkGap(s.Context(), p, rows[1], bifrost.ReasonTopicDeleted))
	want = leased
	want.GapReason, want.Invocation, want.LeaseUntil = bifrost.ReasonTopicDeleted, "", time.Time{}
	s.same("a row in its pause, which ends", s.row(orders, 10), want)

	s.must(s.Commit(s.Context(), s.commitOf(rows[1], facts(orders, 10, 20))))
	s.conflicts("a settled row", s.MarkGap(s.Context(), p, rows[1], bifrost.ReasonTopicDeleted))
	s.same("reason of a settled row", s.row(orders, 10).GapReason, "")
}

// markGapConditions: who marks a gap has read a progress row that still says so.
func (s ledgerSuite) markGapConditions() {
	rows := s.planned(orders, 10)
	read := s.progress(orders)
	other := read
	other.Generation = "generation-2"
	s.conflicts("another generation", s.MarkGap(s.Context(), other, rows[0], bifrost.ReasonTopicDeleted))
	suspect := bifrost.StatusWrite{
		Progress:    read,
		Status:      bifrost.StatusOpen,
		Suspicion:   "the topic is deleted",
		SuspectedAt: noon,
	}
	s.must(s.ChangeStatus(s.Context(), suspect))
	suspected := s.progress(orders)
	s.conflicts("a suspicion that came since", s.MarkGap(s.Context(), read, rows[0], bifrost.ReasonTopicDeleted))
	earlier := suspected
	earlier.SuspectedAt = noon.Add(-time.Second)
	s.conflicts("another suspicion", s.MarkGap(s.Context(), earlier, rows[0], bifrost.ReasonTopicDeleted))
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: suspected, Status: bifrost.StatusOpen}))
	s.conflicts("a suspicion that was taken back",
		s.MarkGap(s.Context(), suspected, rows[0], bifrost.ReasonTopicDeleted))
	s.must(s.ChangeStatus(s.Context(), bifrost.StatusWrite{Progress: read, Status: bifrost.StatusForked}))
	s.conflicts("another status", s.MarkGap(s.Context(), read, rows[0], bifrost.ReasonTopicDeleted))
	s.same("the row after refusals", s.row(orders, 0), rows[0])
	s.must(s.MarkGap(s.Context(), s.progress(orders), rows[0], bifrost.ReasonDiverged))
	s.same("reason", s.row(orders, 0).GapReason, bifrost.ReasonDiverged)
}

// noRow checks that a refused write made no row: an update of DynamoDB without a
// condition makes what it does not find.
func (s ledgerSuite) noRow(p bifrost.Partition, start int64) {
	s.Helper()
	if r, err := s.Row(s.Context(), p, start); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("a refused write made the row %+v, error %v", r, err)
	}
}

func (s ledgerSuite) lease() {
	_, err := s.Lease(s.Context(), row(orders, 0, 10), "function-1", row(orders, 0, 10).Attempts+1, noon)
	s.conflicts("no row", err)
	s.noRow(orders, 0)
	read := s.planned(orders, 10)[0]
	until := noon.Add(15 * time.Minute)
	leased, err := s.Lease(s.Context(), read, "function-1", read.Attempts+1, until)
	s.must(err)
	want := read
	want.Attempts, want.Invocation, want.LeaseUntil = 1, "function-1", until
	s.same("what Lease answers", leased, want)
	s.same("the row", s.row(orders, 0), want)

	_, err = s.Lease(s.Context(), read, "function-1", read.Attempts+1, until.Add(time.Hour))
	s.conflicts("what was read before the first lease", err)
	otherAttempt := leased
	otherAttempt.Attempts = 2
	_, err = s.Lease(s.Context(), otherAttempt, "function-1", otherAttempt.Attempts+1, until.Add(time.Hour))
	s.conflicts("another number of attempts", err)
	otherLease := leased
	otherLease.LeaseUntil = until.Add(time.Second)
	_, err = s.Lease(s.Context(), otherLease, "function-1", otherLease.Attempts+1, until.Add(time.Hour))
	s.conflicts("another lease", err)
	s.same("the row after refusals", s.row(orders, 0), want)

	again, err := s.Lease(s.Context(), leased, "function-2", leased.Attempts+1, until.Add(time.Hour))
	s.must(err)
	want.Attempts, want.Invocation, want.LeaseUntil = 2, "function-2", until.Add(time.Hour)
	s.same("the second lease", again, want)
	again, err = s.Lease(s.Context(), again, "function-3", again.Attempts, until.Add(2*time.Hour))
	s.must(err)
	want.Invocation, want.LeaseUntil = "function-3", until.Add(2*time.Hour)
	s.same("the attempt given away again", again, want)
	s.must(s.Commit(s.Context(), s.commitOf(read, facts(orders, 0, 10))))
	_, err = s.Lease(s.Context(), again, "function-1", again.Attempts+1, until.Add(2*time.Hour))
	s.conflicts("a settled row", err)
}

func (s ledgerSuite) leaseRace() {
	read := s.planned(orders, 10)[0]
	applied := s.once(8, func(i int) error {
		_, err := s.Lease(s.Context(), read, "function-1", read.Attempts+1, noon.Add(time.Duration(i+1)*time.Hour))
		return err
	})
	if attempts := s.row(orders, 0).Attempts; applied > 1 || attempts > 1 {
		s.Errorf("of 8 leases at once %d said they applied and %d did, want at most one", applied, attempts)
	}
}

func (s ledgerSuite) release() {
	read := s.planned(orders, 10)[0]
	s.planned(orders10, 10)
	leased, err := s.Lease(s.Context(), read, "function-1", read.Attempts+1, noon.Add(time.Hour))
	s.must(err)
	progress := s.progress(orders)
	retryAt := noon.Add(5 * time.Minute)
	s.must(s.Release(s.Context(), leased, "broker unreachable", retryAt))
	want := leased
	want.Error, want.Invocation, want.LeaseUntil = "broker unreachable", "", retryAt
	s.same("the row", s.row(orders, 0), want)
	progress.Error = "broker unreachable"
	s.same("its progress row", s.progress(orders), progress)
	s.same("another partition's error", s.progress(orders10).Error, "")
	again, err := s.Lease(s.Context(), want, "function-1", want.Attempts+1, noon.Add(2*time.Hour))
	s.must(err)
	s.same("error after a new lease", again.Error, "")
	s.same("the row after a new lease", s.row(orders, 0), again)

	again.StoppedAt = 7
	s.must(s.Release(s.Context(), again, "segment unreadable", retryAt))
	s.same("where it stopped", s.row(orders, 0).StoppedAt, int64(7))
	third, err := s.Lease(s.Context(), s.row(orders, 0), "function-3", s.row(orders, 0).Attempts+1,
		noon.Add(3*time.Hour))
	s.must(err)
	s.same("where it stopped, after a new lease", third.StoppedAt, int64(7))
	third.StoppedAt = 0
	s.must(s.Release(s.Context(), third, "no connection", retryAt))
	s.same("where it stopped, after a failure of another kind", s.row(orders, 0).StoppedAt, int64(7))
}

// releaseLate checks that a release which no longer fits changes nothing.
// Whether it answers ErrConflict or nil is left open.
func (s ledgerSuite) releaseLate() {
	release := func(what string, r bifrost.Row) {
		s.Helper()
		err := s.Release(s.Context(), r, "a zombie failed", noon)
		if err != nil && !errors.Is(err, bifrost.ErrConflict) {
			s.Errorf("%s: %v, want nil or ErrConflict", what, err)
		}
	}
	release("no row at all", row(orders, 0, 10))
	s.noRow(orders, 0)
	if _, err := s.Progress(s.Context(), orders); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("a release made a progress row: %v", err)
	}
	read := s.planned(orders, 10)[0]
	first, err := s.Lease(s.Context(), read, "function-1", read.Attempts+1, noon.Add(time.Hour))
	s.must(err)
	second, err := s.Lease(s.Context(), first, "function-1", first.Attempts+1, noon.Add(2*time.Hour))
	s.must(err)
	release("the attempt before", first)
	s.same("the row", s.row(orders, 0), second)
	s.must(s.Commit(s.Context(), s.commitOf(second, facts(orders, 0, 10))))
	settled := s.row(orders, 0)
	release("a settled row", second)
	s.same("the settled row", s.row(orders, 0), settled)
	s.same("error of the partition", s.progress(orders).Error, "")

	rows := row(ordersNew, 0, 10)
	s.planned(ordersNew, 10)
	s.must(s.DeleteProgress(s.Context(), s.progress(ordersNew)))
	release("a row whose progress row is gone", rows)
	if _, err := s.Progress(s.Context(), ordersNew); !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("a release made a progress row: %v", err)
	}
}

func (s ledgerSuite) listPlanned() {
	rows := s.planned(orders, 10, 20, 30)
	gap := row(ordersNew, 0, 10)
	gap.GapReason = bifrost.ReasonSkipped
	s.must(s.Plan(s.Context(), write(s.opened(ordersNew), gap)))
	leased, err := s.Lease(s.Context(), rows[1], "function-1", rows[1].Attempts+1, noon.Add(time.Hour))
	s.must(err)
	s.must(s.Commit(s.Context(), s.commitOf(rows[0], facts(orders, 0, 10))))
	s.must(s.Commit(s.Context(), s.commitOf(rows[2], facts(orders, 20, 27))))
	remainder := s.row(orders, 27)
	want := map[string]string{
		"leased": printed(leased), "gap": printed(gap), "remainder": printed(remainder),
	}
	s.eventually("PLANNED rows in the index", func() (bool, string) {
		planned, err := s.ListPlanned(s.Context())
		s.must(err)
		seen := map[string]int{}
		for _, r := range planned {
			seen[printed(r)]++
		}
		all := len(seen) == len(want) && len(planned) == len(want)
		for _, line := range want {
			all = all && seen[line] == 1
		}
		return all, "\n     " + printed(planned)
	})
}

func (s ledgerSuite) somePlanned() {
	rows := s.planned(orders, 10, 20, 30, 40)
	now := noon.Add(time.Hour)
	_, err := s.Lease(s.Context(), rows[0], "function-1", rows[0].Attempts+1, now.Add(time.Second)) // somebody has it
	s.must(err)
	over, err := s.Lease(s.Context(), rows[1], "function-1", rows[1].Attempts+1, now) // a lease ends at its time
	s.must(err)
	s.must(s.Commit(s.Context(), s.commitOf(rows[2], facts(orders, 20, 30))))
	found := map[int64]string{}
	s.eventually("rows without a lease", func() (bool, string) {
		some, err := s.SomePlanned(s.Context(), now, 10)
		s.must(err)
		for _, r := range some {
			found[r.Start] = printed(r)
		}
		return found[10] == printed(over) && found[30] == printed(rows[3]), fmt.Sprint(found)
	})
	s.eventually("nothing else", func() (bool, string) {
		some, err := s.SomePlanned(s.Context(), now, 10)
		s.must(err)
		ok := true
		for _, r := range some {
			ok = ok && (r.Start == 10 || r.Start == 30)
		}
		return ok, printed(some)
	})
	for range 20 {
		some, err := s.SomePlanned(s.Context(), now, 1)
		s.must(err)
		if len(some) > 1 {
			s.Fatalf("%d rows, want at most one", len(some))
		}
	}
}
