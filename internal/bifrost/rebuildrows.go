// How the rows of one partition are rebuilt along its objects.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// isWhole reports whether a row covers every offset below planned_offset, and
// whether every object is below it or known to be ahead; if not, only a new
// progress row finds them. It answers the progress row as read after the objects
// were listed: what stands in the bucket was planned before.
func (r *partitionRebuild) isWhole(ctx context.Context, p Progress) (bool, Progress, error) {
	objectsEnd, err := r.lastObjectEnd(ctx, p)
	if err != nil {
		return false, p, err
	}
	now, err := r.Ledger.Progress(ctx, p.Partition)
	if errors.Is(err, ErrNotFound) {
		return false, p, nil
	}
	if err != nil {
		return false, p, fmt.Errorf("read the progress row: %w", err)
	}
	if objectsEnd > now.ArchivedUntil() || now.Status == StatusForked && now.PlannedOffset < now.KnownUntil {
		return false, now, nil
	}
	tiled, err := r.isTiled(ctx, now)
	return tiled, now, err
}

// isTiled reports whether each row below planned_offset begins where another ends.
// A page of rows shows a row that is cut in two meanwhile before or after; reading
// that one row shows it as it is.
func (r *partitionRebuild) isTiled(ctx context.Context, p Progress) (bool, error) {
	for end := int64(0); end < p.PlannedOffset; {
		rows, err := r.Ledger.Rows(ctx, p.Partition, end, ListPage)
		if err != nil {
			return false, fmt.Errorf("read the rows from offset %d: %w", end, err)
		}
		begin := end
		for _, row := range rows {
			if row.Start == end {
				end = max(end, row.End)
			}
		}
		if end > begin {
			continue
		}
		row, err := r.Ledger.Row(ctx, p.Partition, end)
		if errors.Is(err, ErrNotFound) || err == nil && row.End <= end {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read the row at offset %d: %w", end, err)
		}
		end = row.End
	}
	return true, nil
}

// planAndAdopt plans along the objects, up to the end of the last, and adopts them. A
// branch that was left is left again at last.
func (r *partitionRebuild) planAndAdopt(ctx context.Context, p Progress) error {
	next, fork, left, err := ForkOf(ctx, r.Store, r.Group, p.Partition, r.incarnation)
	if err != nil {
		return err
	}
	for p.Status.Workable() && p.PlannedOffset < p.KnownUntil {
		if err := r.planAhead(ctx, p, left); err != nil {
			return err
		}
		now, err := r.Ledger.Progress(ctx, p.Partition)
		if err != nil {
			return fmt.Errorf("read the progress row: %w", err)
		}
		if now.Generation == p.Generation && now.PlannedOffset == p.PlannedOffset {
			return fmt.Errorf("nothing could be planned from offset %d, though objects or rows are known up to %d",
				p.PlannedOffset, p.KnownUntil)
		}
		p = now
	}
	if err := r.adoptObjects(ctx, p); err != nil {
		return err
	}
	p, err = advancePrefix(ctx, r.Ledger, p.Partition)
	if err != nil || !left || !p.Status.Workable() {
		return err
	}
	return ignoreConflict(r.Ledger.ChangeStatus(ctx, LeaveBranch(p, next, fork.From)))
}

// planAhead plans what follows planned_offset along rows and objects. Between them it
// plans what a tick will read or find to be a gap, as nobody asked Kafka yet; of
// a branch that was left, gaps.
func (r *partitionRebuild) planAhead(ctx context.Context, p Progress, left bool) error {
	ahead, err := r.findAhead(ctx, p, r.incarnation)
	if err != nil {
		return err
	}
	readable := Observation{LastStable: p.KnownUntil}
	ranges := PlanRanges(p, readable, ahead, r.SizingOf(p.Topic()), r.Now(), plannedAtOnce)
	if len(ranges) == 0 {
		return nil
	}
	for n, planned := range ranges {
		known := slices.ContainsFunc(ahead.Known, func(k Known) bool { return k.Start == planned.Start })
		if left && !known && planned.GapReason == "" {
			ranges[n].GapReason = ReasonDiverged
		}
	}
	last := p.Observation
	last.LeaderEpoch = p.PlannedEpoch
	return r.writePlan(ctx, p, last, ranges)
}

// adoptObjects settles every PLANNED row that has an object.
func (r *partitionRebuild) adoptObjects(ctx context.Context, p Progress) error {
	var mutex sync.Mutex
	var failed error
	for from, more := p.NextOffset, true; more && failed == nil; {
		rows, err := r.Ledger.Rows(ctx, p.Partition, from, ListPage)
		if err != nil {
			return fmt.Errorf("read the rows from offset %d: %w", from, err)
		}
		if more = len(rows) == ListPage; more {
			from = rows[ListPage-1].Start + 1
		}
		rows = slices.DeleteFunc(rows, func(row Row) bool { return row.State.Done() })
		parallel.Each(r.Crew, rows, func(row Row) {
			if err := r.adoptObject(ctx, row); err != nil {
				mutex.Lock()
				defer mutex.Unlock()
				failed = errors.Join(failed, fmt.Errorf("adopt the object of range %s: %w", row.Range, err))
			}
		})
	}
	return failed
}

// adoptObject settles a row by the object at its start, and the remainder that this
// may leave by the object at its own. It takes a worker's steps but for the
// upload, as it writes no object.
func (r *partitionRebuild) adoptObject(ctx context.Context, row Row) error {
	for row.State == StatePlanned {
		facts, err := r.readAnyFacts(ctx, row)
		if errors.Is(err, ErrNotFound) {
			r.countDone(func(done *Rebuilt) { done.Planned++ })
			return nil
		}
		if err != nil {
			return err
		}
		settled, err := commitRow(ctx, r.Ledger, r.Store, r.Now, row, facts)
		if err != nil {
			return err
		}
		r.countDone(func(done *Rebuilt) { done.Adopted++ })
		if facts.End >= row.End {
			return nil
		}
		if row, err = r.Ledger.Row(ctx, row.Partition, settled.End); err != nil {
			return fmt.Errorf("read the remainder at offset %d: %w", settled.End, err)
		}
	}
	return nil
}

// readAnyFacts reads the object at the row's start, at whichever key it is.
func (r *partitionRebuild) readAnyFacts(ctx context.Context, row Row) (Facts, error) {
	owner := ObjectOwner{Incarnation{r.incarnation.ClusterID, row.Topic(), row.TopicID}, row.Number, row.Start}
	for alternative := range maxAlternatives {
		facts, err := ReadFacts(ctx, r.Store, ObjectKey(r.Group, row.Partition, row.Start, alternative), owner)
		if !errors.Is(err, ErrForeign) {
			return facts, err
		}
	}
	return Facts{}, fmt.Errorf("no object of ours at any key: %w", ErrNotFound)
}

// dropPlanned drops the PLANNED rows of older tables, before the fence: what was
// planned since, along other bounds, may have become an object inside of one. Who has
// read such a row is fenced off, who comes later finds none, and what they promised
// is planned again along the objects.
func (r *partitionRebuild) dropPlanned(ctx context.Context, p Progress) error {
	if !r.hasMade(p) || p.Status != StatusFencing || !p.FencedAt.IsZero() {
		return nil
	}
	for from, more := int64(0), true; more; {
		rows, err := r.Ledger.Rows(ctx, p.Partition, from, ListPage)
		if err != nil {
			return fmt.Errorf("read the rows from offset %d: %w", from, err)
		}
		if more = len(rows) == ListPage; more {
			from = rows[ListPage-1].Start + 1
		}
		for _, row := range rows {
			if row.State.Done() {
				continue
			}
			if err := r.Ledger.DropPlanned(ctx, p, row); err != nil {
				return fmt.Errorf("drop the planned row %s of older tables: %w", row.Range, err)
			}
		}
	}
	return nil
}
