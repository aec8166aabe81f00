// The suite that every ledger passes: how its checks are run.

package bifrosttest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestLedger checks the contract of bifrost.Ledger. newLedger gives an empty
// ledger; it is called once a subtest, and subtests run in parallel.
func TestLedger(t *testing.T, newLedger func(t *testing.T) bifrost.Ledger) {
	t.Helper()
	for _, check := range ledgerChecks {
		t.Run(check.name, func(t *testing.T) {
			t.Parallel()
			check.run(ledgerSuite{t, newLedger(t)})
		})
	}
}

var ledgerChecks = []struct {
	name string
	run  func(ledgerSuite)
}{
	{"an empty ledger", ledgerSuite.empty},
	{"progress: every field comes back", ledgerSuite.progressRoundTrip},
	{"progress: created once", ledgerSuite.createdOnce},
	{"progress: all are listed, however many", ledgerSuite.listProgress},
	{"fence: once, while FENCING", ledgerSuite.fence},
	{"mark: of the tables, counted up on a condition", ledgerSuite.mark},
	{"open: only FENCING rows of the generation", ledgerSuite.open},
	{"delete: only with generation and next_offset", ledgerSuite.deleteProgress},
	{"drop: PLANNED rows under a FENCING progress row", ledgerSuite.dropPlanned},
	{"plan: puts rows and moves planned_offset", ledgerSuite.plan},
	{"plan: every condition", ledgerSuite.planConditions},
	{"plan: all or nothing", ledgerSuite.planAtomic},
	{"plan: ninety-nine rows at once", ledgerSuite.planMost},
	{"plan: takes an existing row over", ledgerSuite.planTakesOver},
	{"plan: of two at once one wins", ledgerSuite.planRace},
	{"status: changed on condition", ledgerSuite.status},
	{"rows: order, start and limit", ledgerSuite.rows},
	{"rows: of one partition, however many", ledgerSuite.manyRows},
	{"gap: marked while PLANNED with the same end", ledgerSuite.markGap},
	{"gap: marked as long as its partition is what was read", ledgerSuite.markGapConditions},
	{"lease: taken on condition", ledgerSuite.lease},
	{"lease: of many at once one wins", ledgerSuite.leaseRace},
	{"lease: by the plan itself", ledgerSuite.planLeases},
	{"invocation: renewed while it is there", ledgerSuite.invocation},
	{"invocation: all are listed, with any number of tasks", ledgerSuite.listInvocations},
	{"release: shows the failure and frees the row", ledgerSuite.release},
	{"release: only for the same attempt", ledgerSuite.releaseLate},
	{"commit: whole row", ledgerSuite.commitWhole},
	{"commit: gap", ledgerSuite.commitGap},
	{"commit: leaves the remainder", ledgerSuite.commitRemainder},
	{"commit: remainder of a gap is a gap", ledgerSuite.commitGapRemainder},
	{"commit: every condition", ledgerSuite.commitConditions},
	{"commit: nothing when the remainder is there", ledgerSuite.commitAtomic},
	{"commit: of many at once one wins", ledgerSuite.commitRace},
	{"advance: adds the totals once", ledgerSuite.advance},
	{"advance: the newest record stays the newest", ledgerSuite.advanceOlder},
	{"advance: every condition", ledgerSuite.advanceConditions},
	{"advance: of many at once one wins", ledgerSuite.advanceRace},
	{"plan: the time of loss", ledgerSuite.timeToLoss},
	{"journal: a record a cluster", ledgerSuite.noteTick},
	{"journal: trouble comes and goes", ledgerSuite.noteTrouble},
	{"erase: the row becomes a gap", ledgerSuite.erase},
	{"erase: ahead of next_offset", ledgerSuite.eraseAhead},
	{"erase: every condition", ledgerSuite.eraseConditions},
	{"erase: of many at once one wins", ledgerSuite.eraseRace},
	{"planned: found by the index", ledgerSuite.listPlanned},
	{"waiting: rows without a lease", ledgerSuite.somePlanned},
	{"context: nothing is done under one that has ended", ledgerSuite.ended},
}

// The suite's partition, and two whose names begin alike.
var (
	orders    = bifrost.Partition{Name: "orders", Number: 1}
	orders10  = bifrost.Partition{Name: "orders", Number: 10}
	ordersNew = bifrost.Partition{Name: "orders@AAAAAAAAAAAAAAAAAAAABg", Number: 1}
)

// noon is whole in milliseconds, the finest grain a ledger has to keep.
var noon = time.Date(2024, 2, 29, 12, 0, 0, 7e6, time.UTC)

var ordersID = bifrost.TopicID{1, 2, 3, 15: 255}

type ledgerSuite struct {
	*testing.T
	bifrost.Ledger
}

// fencing is a new progress row.
func fencing(p bifrost.Partition) bifrost.Progress {
	return bifrost.Progress{
		Partition: p, ClusterID: "cluster-1", TopicID: ordersID, Generation: "generation-1",
		Status: bifrost.StatusFencing, FirstLogStart: 3, PlannedEpoch: -1,
		Observation: bifrost.Observation{LogStart: 3, LastStable: 90, HighWatermark: 95, LeaderEpoch: 4, At: noon},
	}
}

// opened makes an OPEN progress row and answers it as the ledger has it.
func (s ledgerSuite) opened(p bifrost.Partition) bifrost.Progress {
	s.Helper()
	s.must(s.CreateProgress(s.Context(), fencing(p)))
	s.must(s.OpenProgress(s.Context(), fencing(p)))
	return s.progress(p)
}

// row is a row to plan.
func row(p bifrost.Partition, start, end int64) bifrost.Row {
	return bifrost.Row{
		Partition: p, Range: bifrost.Range{Start: start, End: end}, ClusterID: "cluster-1", TopicID: ordersID,
		State: bifrost.StatePlanned, PlannedAt: noon,
	}
}

// write is a plan of rows that follow each other from p's planned_offset.
func write(p bifrost.Progress, rows ...bifrost.Row) bifrost.PlanWrite {
	end := p.PlannedOffset
	if len(rows) > 0 {
		end = rows[len(rows)-1].End
	}
	seen := bifrost.Observation{
		LogStart:      3,
		LastStable:    190,
		HighWatermark: 195,
		LeaderEpoch:   5,
		At:            noon.Add(time.Minute),
	}
	return bifrost.PlanWrite{Progress: p, Rows: rows, PlannedOffset: end, PlannedEpoch: 5, Observation: seen}
}

// planned plans rows [0, ends[0]), [ends[0], ends[1]) … of an OPEN partition.
func (s ledgerSuite) planned(p bifrost.Partition, ends ...int64) []bifrost.Row {
	s.Helper()
	var rows []bifrost.Row
	start := int64(0)
	for _, end := range ends {
		rows = append(rows, row(p, start, end))
		start = end
	}
	s.must(s.Plan(s.Context(), write(s.opened(p), rows...)))
	return rows
}

// facts are of an object that holds [start, end) of a partition.
func facts(p bifrost.Partition, start, end int64) bifrost.Facts {
	return bifrost.Facts{
		Key: bifrost.ObjectKey("archive", p, start, 0), Kind: baldr.KindRecords,
		Range: bifrost.Range{Start: start, End: end}, Records: end - start - 6,
		Missing:  baldr.Missing{Control: 1, Aborted: 2, Compacted: 3},
		RawBytes: 1 << 33, StoredBytes: 1 << 31, FirstTimestamp: noon.UnixMilli() - 5, LastTimestamp: noon.UnixMilli(),
		Checksum: "rosUhgp5mIg=", LeaderEpoch: 7,
	}
}

func gapFacts(p bifrost.Partition, start, end int64) bifrost.Facts {
	return bifrost.Facts{
		Key: bifrost.ObjectKey("archive", p, start, 0), Kind: baldr.KindGap, Reason: bifrost.ReasonRetention,
		Range: bifrost.Range{Start: start, End: end}, StoredBytes: 300,
		FirstTimestamp: -1, LastTimestamp: -1, Checksum: "rosUhgp5mIg=", LeaderEpoch: -1,
	}
}

func (s ledgerSuite) commitOf(r bifrost.Row, f bifrost.Facts) bifrost.CommitWrite {
	return bifrost.CommitWrite{Row: r, Facts: f, ArchivedAt: noon.Add(time.Hour)}
}

func (s ledgerSuite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

// conflicts checks that a write was refused for certain.
func (s ledgerSuite) conflicts(what string, err error) {
	s.Helper()
	if !errors.Is(err, bifrost.ErrConflict) {
		s.Errorf("%s: error %v, want ErrConflict", what, err)
	}
}

func (s ledgerSuite) progress(p bifrost.Partition) bifrost.Progress {
	s.Helper()
	progress, err := s.Progress(s.Context(), p)
	s.must(err)
	return progress
}

func (s ledgerSuite) row(p bifrost.Partition, start int64) bifrost.Row {
	s.Helper()
	r, err := s.Row(s.Context(), p, start)
	s.must(err)
	return r
}

func (s ledgerSuite) allRows(p bifrost.Partition) []bifrost.Row {
	s.Helper()
	rows, err := s.Rows(s.Context(), p, 0, 1000)
	s.must(err)
	return rows
}

// same compares two values by their printed form, in which times are those of
// UTC and a zero time is a zero time.
func (s ledgerSuite) same(what string, got, want any) {
	s.Helper()
	if g, w := printed(got), printed(want); g != w {
		s.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func printed(value any) string {
	switch v := value.(type) {
	case bifrost.Progress:
		v.At, v.LastRecordAt, v.LastArchivedAt = utc(v.At), utc(v.LastRecordAt), utc(v.LastArchivedAt)
		v.LastPlannedAt, v.SuspectedAt, v.LossAt = utc(v.LastPlannedAt), utc(v.SuspectedAt), utc(v.LossAt)
		v.Trouble.Since, v.Trouble.At = utc(v.Trouble.Since), utc(v.Trouble.At)
		v.FencedAt = utc(v.FencedAt)
		return fmt.Sprintf("%#v", v) // not by its String, which is that of its partition
	case bifrost.TickRecord:
		v.StartedAt, v.EndedAt, v.CompleteAt = utc(v.StartedAt), utc(v.EndedAt), utc(v.CompleteAt)
		return fmt.Sprintf("%+v", v)
	case bifrost.Row:
		v.LeaseUntil, v.PlannedAt = utc(v.LeaseUntil), utc(v.PlannedAt)
		v.ArchivedAt, v.LossAt = utc(v.ArchivedAt), utc(v.LossAt)
		return fmt.Sprintf("%#v", v) // not by the String of its facts, which is that of their range
	case []bifrost.Row:
		var lines []string
		for _, r := range v {
			lines = append(lines, printed(r))
		}
		return strings.Join(lines, "\n     ")
	case []int64:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%+v", value)
}

// utc is the time as a ledger gives it back: milliseconds, no monotonic clock.
func utc(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return at.UTC().Round(0)
}

func starts(rows []bifrost.Row) []int64 {
	var all []int64
	for _, r := range rows {
		all = append(all, r.Start)
	}
	return all
}

// once runs write n times at once and returns how many said that it applied.
// Others must have answered an error; which one is left to the ledger, as a
// throttled write is no conflict.
func (s ledgerSuite) once(n int, write func(i int) error) (applied int) {
	s.Helper()
	results := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { results[i] = write(i) })
	}
	group.Wait()
	for _, err := range results {
		if err == nil {
			applied++
		}
	}
	return applied
}

// eventually polls until ok, for an index that lags.
func (s ledgerSuite) eventually(what string, ok func() (bool, string)) {
	s.Helper()
	last := ""
	for range 200 {
		var done bool
		if done, last = ok(); done {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Errorf("%s: not within 200 tries; last seen: %s", what, last)
}
