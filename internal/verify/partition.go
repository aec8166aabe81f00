// How the rows of a partition are checked.

package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// partitionCheck looks at one partition: its rows and its objects in step,
// in order of offsets, a page at a time, and its progress row against both.
type partitionCheck struct {
	*verification
	partition bifrost.Partition
	keys      bifrost.KeyWalk
	birth     atomic.Bool      // the birth object is there
	progress  bifrost.Progress // as it was before the first row was read; zero when there is none
	exists    bool             // a progress row does

	planned, known int64         // planned_offset and KnownUntil, read again when a row begins after them
	frontier       int64         // end of the rows so far
	last           bifrost.Row   // the row that was met last
	page           []bifrost.Row // rows whose objects are to be looked at next
	behind         bifrost.Row   // a settled row that begins at next_offset
	sum            sums
	reach          bifrost.Range // of the object that reaches farthest so far ...
	reachKey       string        // ... and its key
}

// sums is what a progress row has to say, by the rows below its next_offset.
type sums struct {
	bifrost.Totals
	newest      int64    // timestamp of the newest record, -1 when none
	someErased  bool     // of an erased object nobody knows whether it held the newest record
	lastObjects []string // keys that last_object may name: of the last row, and of the last with records
}

// checkPartition checks one partition.
func (v *verification) checkPartition(ctx context.Context, p bifrost.Partition) error {
	v.count(func(s *Summary) { s.Partitions++ })
	c := &partitionCheck{verification: v, partition: p, sum: sums{newest: -1},
		keys: bifrost.KeyWalk{Bucket: v.Bucket, Prefix: bifrost.PartitionPrefix(v.Group, p)}}
	if err := c.readProgress(ctx); err != nil {
		return err
	}
	for from, more := int64(0), true; more; {
		rows, err := v.Ledger.Rows(ctx, p, from, bifrost.ListPage)
		if err != nil {
			return fmt.Errorf("read the rows from offset %d: %w", from, err)
		}
		bound := ""
		if more = len(rows) == bifrost.ListPage; more {
			from = rows[bifrost.ListPage-1].Start + 1
			bound = c.keys.Prefix + fmt.Sprintf("%020d", from)
		}
		c.page = c.page[:0]
		for _, r := range rows {
			if err := c.meetRow(ctx, r); err != nil {
				return err
			}
		}
		if err := c.checkObjects(ctx, bound); err != nil {
			return err
		}
	}
	return c.checkEnd(ctx)
}

// noOffsets is the range of a violation that is not about offsets.
var noOffsets = bifrost.Range{Start: -1, End: -1}

// reportAt reports a violation about offsets of this partition.
func (c *partitionCheck) reportAt(kind Kind, r bifrost.Range, key, expected, found string) {
	c.reportViolation(Violation{Kind: kind, Topic: c.partition.Name, Partition: c.partition.Number,
		Start: r.Start, End: r.End, Key: key, Expected: expected, Found: found})
}

// readProgress reads the progress row. It comes first: what a row below its
// next_offset says then is final.
func (c *partitionCheck) readProgress(ctx context.Context) error {
	p, err := c.Ledger.Progress(ctx, c.partition)
	if errors.Is(err, bifrost.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the progress row: %w", err)
	}
	c.progress, c.exists, c.planned, c.known = p, true, p.PlannedOffset, knownUntil(p)
	var d differences
	d.check("generation", true, p.Generation != "")
	d.check("known status", true, slices.Contains(statuses, p.Status))
	d.check("next_offset below 0", false, p.NextOffset < 0)
	d.check("next_offset above planned_offset", false, p.NextOffset > p.PlannedOffset)
	c.reportDifferences(ProgressInvalid, bifrost.Range{Start: 0, End: p.PlannedOffset}, "", d)
	return c.checkForks(ctx)
}

var statuses = []bifrost.Status{bifrost.StatusFencing, bifrost.StatusOpen, bifrost.StatusBlocked,
	bifrost.StatusDiverged, bifrost.StatusForked, bifrost.StatusClosed}

// knownUntil is up to where rows and objects may be ahead of planned_offset.
func knownUntil(p bifrost.Progress) int64 {
	if p.Status == bifrost.StatusFencing {
		return 1<<63 - 1
	}
	return p.KnownUntil
}

// meetRow takes the next row, in order of start. A row that was cut in two between
// two reads looks like an overlap, its second half like a hole: both are read
// again.
func (c *partitionCheck) meetRow(ctx context.Context, r bifrost.Row) error {
	if r.Start < c.frontier {
		if err := c.readLastAgain(ctx); err != nil {
			return err
		}
	}
	for c.frontier < r.Start {
		between, found, err := c.rowFrom(ctx, c.frontier)
		if err != nil {
			return err
		}
		if !found {
			c.reportHole(bifrost.Range{Start: c.frontier, End: r.Start})
			c.frontier = r.Start
			break
		}
		if err := c.takeRow(ctx, between); err != nil {
			return err
		}
	}
	if r.Start < c.frontier {
		c.reportAt(RowsOverlap, bifrost.Range{Start: r.Start, End: min(r.End, c.frontier)}, "",
			"one row for each offset",
			fmt.Sprintf("row %s after one that ends at %d", r.Range, c.frontier))
	}
	return c.takeRow(ctx, r)
}

func (c *partitionCheck) readLastAgain(ctx context.Context) error {
	now, err := c.Ledger.Row(ctx, c.partition, c.last.Start)
	if err != nil {
		return fmt.Errorf("read the row at offset %d again: %w", c.last.Start, err)
	}
	if c.frontier != c.last.End || now.End >= c.last.End {
		return nil
	}
	c.last, c.frontier = now, now.End
	if n := len(c.page); n > 0 {
		c.page[n-1] = now
	}
	return nil
}

// rowFrom reads the row that begins at the offset, if it goes on from there.
func (c *partitionCheck) rowFrom(ctx context.Context, start int64) (bifrost.Row, bool, error) {
	r, err := c.Ledger.Row(ctx, c.partition, start)
	if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
		return bifrost.Row{}, false, fmt.Errorf("read the row at offset %d: %w", start, err)
	}
	return r, err == nil && r.End > start, nil
}

// reportHole reports offsets without a row, unless they are after planned_offset,
// where rows of an earlier progress row may stand apart.
func (c *partitionCheck) reportHole(r bifrost.Range) {
	if c.exists && r.Start >= c.planned && r.End <= c.known {
		return
	}
	c.reportAt(RowMissing, r, "", "a row for each offset below planned_offset", "none")
}

// takeRow judges a row by itself and against the progress row.
func (c *partitionCheck) takeRow(ctx context.Context, r bifrost.Row) error {
	c.countRow(r)
	c.validateRow(r)
	if c.exists {
		if err := c.againstPlanned(ctx, r); err != nil {
			return err
		}
		c.againstNext(r)
	}
	c.page, c.last = append(c.page, r), r
	c.frontier = max(c.frontier, r.End)
	return nil
}

// countRow counts the row for the summary.
func (c *partitionCheck) countRow(r bifrost.Row) {
	c.count(func(s *Summary) {
		s.Rows++
		if !r.State.Done() {
			s.Planned++
			return
		}
		s.Totals.Add(r)
		if r.State == bifrost.StateLost {
			s.Gaps[r.GapReason] += r.Len()
			if c.options.Gap != nil {
				c.options.Gap(r)
			}
		}
	})
}

// validateRow checks what a row says of itself.
func (c *partitionCheck) validateRow(r bifrost.Row) {
	var d differences
	d.check("start and end", true, r.Valid())
	d.check("known state", true, r.State == bifrost.StatePlanned || r.State.Done())
	if c.exists {
		d.check("topic ID", c.progress.TopicID, r.TopicID)
		if r.ClusterID != "" {
			d.check("cluster", c.progress.ClusterID, r.ClusterID)
		}
	}
	if r.State.Done() {
		f := r.Facts
		d.check("object's key is one of this start", true,
			f.Key == bifrost.ObjectKey(c.Group, c.partition, r.Start, 0) ||
				f.Key == bifrost.ObjectKey(c.Group, c.partition, r.Start, 1))
		d.check("state by the object's kind", f.State(), r.State)
		d.check("gap_reason", f.Reason, r.GapReason)
		d.check("gap_reason given", r.State == bifrost.StateLost, r.GapReason != "")
		d.check("object starts at", r.Start, f.Start)
		d.check("object ends before the row", false, f.End < r.End)
		accounted := f.Records + bifrost.SumMissing(f.Missing)
		if r.State == bifrost.StateLost {
			d.check("records and missing offsets of a gap", 0, accounted)
			d.check("raw bytes of a gap", 0, f.RawBytes)
		} else {
			d.check("records + missing offsets", f.Len(), accounted)
		}
	}
	c.reportDifferences(RowInvalid, r.Range, r.Facts.Key, d)
}

// againstPlanned checks the end of what is planned. A row may have been planned
// after the progress row was read.
func (c *partitionCheck) againstPlanned(ctx context.Context, r bifrost.Row) error {
	if r.Start >= c.planned {
		now, err := c.Ledger.Progress(ctx, c.partition)
		if err != nil {
			return fmt.Errorf("read the progress row again: %w", err)
		}
		c.planned, c.known = now.PlannedOffset, knownUntil(now)
	}
	switch {
	case r.Start >= c.planned && r.End <= c.known:
		c.count(func(s *Summary) { s.Ahead++ })
	case r.Start >= c.planned:
		c.reportAt(RowBeyondPlanned, r.Range, "", fmt.Sprintf("no row from planned_offset %d on", c.planned),
			fmt.Sprintf("a row that is %s", r.State))
	case r.End > c.planned:
		c.reportAt(PlannedOffsetWrong, r.Range, "", "planned_offset at the end of a row",
			fmt.Sprintf("planned_offset %d inside row %s", c.planned, r.Range))
	}
	return nil
}

// againstNext checks that next_offset is the end of the settled prefix.
func (c *partitionCheck) againstNext(r bifrost.Row) {
	next := c.progress.NextOffset
	switch {
	case r.Start < next && next < r.End:
		c.reportAt(NextOffsetWrong, r.Range, "", "next_offset at the end of a row",
			fmt.Sprintf("next_offset %d inside row %s", next, r.Range))
	case r.Start < next && !r.State.Done():
		c.reportAt(NextOffsetWrong, r.Range, "", fmt.Sprintf("settled rows below next_offset %d", next),
			fmt.Sprintf("a row that is %s", r.State))
	case r.Start < next:
		c.sum.addRow(r)
	case r.Start == next && r.State.Done():
		c.behind = r
	}
}

func (s *sums) addRow(r bifrost.Row) {
	s.Totals.Add(r)
	if r.State == bifrost.StateArchived || len(s.lastObjects) == 0 {
		s.lastObjects = []string{r.Facts.Key}
	} else {
		s.lastObjects = append(s.lastObjects[:1], r.Facts.Key)
	}
	s.someErased = s.someErased || r.GapReason == bifrost.ReasonErased
	if r.State == bifrost.StateArchived && r.Facts.Records > 0 {
		s.newest = max(s.newest, r.Facts.LastTimestamp)
	}
}

// advanceGrace is how long a settled row may wait for next_offset to pass it:
// workers do that immediately, after a crash in between the next tick does.
const advanceGrace = 10 * time.Minute

// checkEnd looks at the whole, once all rows were seen.
func (c *partitionCheck) checkEnd(ctx context.Context) error {
	if !c.exists {
		// Without a row and an object there may still be the record of a fork, before
		// the next tick makes its row, or the birth object of what was never planned.
		if c.frontier > 0 || c.reach.End > 0 {
			c.reportAt(ProgressMissing, noOffsets, "", "a progress row", "none; rows or objects of the partition exist")
		}
		return nil
	}
	for c.frontier < c.planned {
		r, found, err := c.rowFrom(ctx, c.frontier)
		if err != nil {
			return err
		}
		if !found {
			c.reportAt(RowMissing, bifrost.Range{Start: c.frontier, End: c.planned}, "",
				fmt.Sprintf("rows up to planned_offset %d", c.planned), "none")
			break
		}
		c.frontier = r.End // planned while the rows were read
	}
	now, err := c.Ledger.Progress(ctx, c.partition)
	if err != nil || now.Generation != c.progress.Generation {
		return errors.Join(err, errors.New("its progress row was made anew meanwhile"))
	}
	if c.behind.State.Done() && now.NextOffset == c.progress.NextOffset &&
		c.Now().Sub(c.behind.ArchivedAt) > advanceGrace {
		c.reportAt(NextOffsetWrong, c.behind.Range, "", fmt.Sprintf("next_offset %d or more", c.behind.End),
			fmt.Sprintf("next_offset %d; the row there is settled", now.NextOffset))
	}
	c.againstSums()
	// A row is FENCING before it is there, and a branch may be left before that.
	opened := c.progress.Status != bifrost.StatusFencing && c.progress.Status != bifrost.StatusForked
	if opened && c.born[c.partition.Topic()] && !c.birth.Load() {
		c.reportAt(BirthMissing, noOffsets, bifrost.BirthKey(c.Group, c.partition), "the birth object of the partition",
			"none")
	}
	return nil
}

func (c *partitionCheck) againstSums() {
	p, s := c.progress, c.sum
	var d differences
	d.check("archived_records", s.Records, p.Records)
	d.check("raw_bytes", s.RawBytes, p.RawBytes)
	d.check("stored_bytes", s.StoredBytes, p.StoredBytes)
	d.check("missing_offsets", s.Totals.Missing, p.Totals.Missing)
	d.check("lost_offsets", s.Lost, p.Lost)
	if !slices.Contains(s.lastObjects, p.LastObject) && p.LastObject+strings.Join(s.lastObjects, "") != "" {
		d.add("last_object", strings.Join(s.lastObjects, " or "), p.LastObject)
	}
	newest := int64(-1)
	if !p.LastRecordAt.IsZero() {
		newest = p.LastRecordAt.UnixMilli()
	}
	if !s.someErased || newest < s.newest {
		d.check("last_timestamp", s.newest, newest)
	}
	c.reportDifferences(TotalsWrong, bifrost.Range{Start: 0, End: p.NextOffset}, "", d)
}

// reportDifferences reports the differences, if there are any, as one violation.
func (c *partitionCheck) reportDifferences(kind Kind, r bifrost.Range, key string, d differences) {
	if len(d.expected) > 0 {
		c.reportAt(kind, r, key, strings.Join(d.expected, "; "), strings.Join(d.found, "; "))
	}
}

// differences gathers what disagrees.
type differences struct{ expected, found []string }

func (d *differences) check(what string, expected, found any) {
	if fmt.Sprint(expected) != fmt.Sprint(found) {
		d.add(what, expected, found)
	}
}

func (d *differences) add(what string, expected, found any) {
	d.expected = append(d.expected, fmt.Sprintf("%s: %v", what, expected))
	d.found = append(d.found, fmt.Sprintf("%s: %v", what, found))
}
