// How the twin of the tables is written.

package bifrosttest

import (
	"context"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// changeProgress applies change to the row of p's partition if it is of p's
// generation and holds says yes to it.
func (l *Ledger) changeProgress(
	p bifrost.Progress, holds func(bifrost.Progress) bool, change func(*bifrost.Progress),
) error {
	row, ok := l.progress[p.Partition]
	switch {
	case !ok:
		return conflict("no progress row", p.Partition)
	case row.Generation != p.Generation:
		return conflict("the progress row was made anew", p.Partition)
	case !holds(row):
		return conflict("the progress row has moved", p.Partition)
	}
	change(&row)
	l.progress[p.Partition] = row
	return nil
}

func sameSuspicion(a, b bifrost.Progress) bool {
	return a.Suspicion == b.Suspicion && a.SuspectedAt.Equal(b.SuspectedAt)
}

// maxPlannedRows is what fits into one transaction beside the progress row.
const maxPlannedRows = 99

// Plan implements bifrost.Planner.
func (l *Ledger) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(w.Rows) > maxPlannedRows {
		return fmt.Errorf("plan %v: %d rows, at most %d fit into a transaction",
			w.Progress.Partition, len(w.Rows), maxPlannedRows)
	}
	for _, r := range w.Rows {
		if _, ok := l.rows[keyOf(r)]; ok {
			return conflict("a row is there already", r.Range)
		}
	}
	holds := func(row bifrost.Progress) bool {
		return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable() && sameSuspicion(row, w.Progress)
	}
	err := l.changeProgress(w.Progress, holds, func(row *bifrost.Progress) {
		row.PlannedOffset, row.PlannedEpoch = w.PlannedOffset, w.PlannedEpoch
		row.Observation, row.LastPlannedAt = w.Observation, w.Observation.At
	})
	if err != nil {
		return err
	}
	for _, r := range w.Rows {
		row := planned(r)
		row.Attempts, row.Invocation, row.LeaseUntil, row.Expected = r.Attempts, r.Invocation, r.LeaseUntil, r.Expected
		l.put(row)
	}
	return nil
}

// planned is the row as a plan puts it that gives it to nobody.
func planned(r bifrost.Row) bifrost.Row {
	return bifrost.Row{
		Partition: r.Partition, Range: r.Range, ClusterID: r.ClusterID, TopicID: r.TopicID,
		State: bifrost.StatePlanned, GapReason: r.GapReason, PlannedAt: r.PlannedAt, LossAt: r.LossAt,
	}
}

// ChangeStatus implements bifrost.Planner.
func (l *Ledger) ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(row bifrost.Progress) bool {
		return row.PlannedOffset == w.Progress.PlannedOffset && row.Status == w.Progress.Status &&
			sameSuspicion(row, w.Progress)
	}
	return l.changeProgress(w.Progress, holds, func(row *bifrost.Progress) {
		row.Status, row.Error = w.Status, w.Error
		row.Suspicion, row.SuspectedAt = w.Suspicion, w.SuspectedAt
		if !w.Observation.At.IsZero() {
			row.Observation = w.Observation
		}
	})
}

// CreateProgress implements bifrost.RowMaker.
func (l *Ledger) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.progress[p.Partition]; ok {
		return conflict("a progress row is there already", p.Partition)
	}
	l.progress[p.Partition] = p
	return nil
}

// FenceProgress implements bifrost.RowMaker.
func (l *Ledger) FenceProgress(_ context.Context, p bifrost.Progress) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(row bifrost.Progress) bool { return row.Status == bifrost.StatusFencing && row.FencedAt.IsZero() }
	return l.changeProgress(p, holds, func(row *bifrost.Progress) { row.FencedAt = p.FencedAt })
}

// OpenProgress implements bifrost.RowMaker.
func (l *Ledger) OpenProgress(ctx context.Context, p bifrost.Progress) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(row bifrost.Progress) bool { return row.Status == bifrost.StatusFencing }
	return l.changeProgress(p, holds, func(row *bifrost.Progress) {
		row.Status = bifrost.StatusOpen
		row.KnownUntil, row.StartOffset, row.PlannedEpoch = p.KnownUntil, p.StartOffset, p.PlannedEpoch
	})
}

// DeleteProgress implements bifrost.RowMaker.
func (l *Ledger) DeleteProgress(ctx context.Context, p bifrost.Progress) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(row bifrost.Progress) bool { return row.NextOffset == p.NextOffset }
	if err := l.changeProgress(p, holds, func(*bifrost.Progress) {}); err != nil {
		return err
	}
	delete(l.progress, p.Partition)
	return nil
}

// DropPlanned implements bifrost.RowMaker.
func (l *Ledger) DropPlanned(ctx context.Context, p bifrost.Progress, r bifrost.Row) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fencing := func(row bifrost.Progress) bool { return row.Status == bifrost.StatusFencing }
	if err := l.changeProgress(p, fencing, func(*bifrost.Progress) {}); err != nil {
		return err
	}
	if row, ok := l.rows[keyOf(r)]; !ok || row.State != bifrost.StatePlanned || row.End != r.End {
		return conflict("the row has moved", keyOf(r))
	}
	delete(l.rows, keyOf(r))
	l.changed(keyOf(r))
	return nil
}

// changeRow applies change to r's row if it is still PLANNED and holds says yes to it.
func (l *Ledger) changeRow(
	r bifrost.Row, holds func(bifrost.Row) bool, change func(*bifrost.Row),
) (bifrost.Row, error) {
	row, ok := l.rows[keyOf(r)]
	switch {
	case !ok:
		return bifrost.Row{}, conflict("no such row", keyOf(r))
	case row.State != bifrost.StatePlanned:
		return bifrost.Row{}, conflict("the row is "+string(row.State), keyOf(r))
	case !holds(row):
		return bifrost.Row{}, conflict("the row has moved", keyOf(r))
	}
	change(&row)
	l.put(row)
	return row, nil
}

// MarkGap implements bifrost.GapMarker.
func (l *Ledger) MarkGap(ctx context.Context, p bifrost.Progress, r bifrost.Row, reason string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(row bifrost.Progress) bool { return row.Status == p.Status && sameSuspicion(row, p) }
	if err := l.changeProgress(p, holds, func(*bifrost.Progress) {}); err != nil {
		return err
	}
	sameEnd := func(row bifrost.Row) bool { return row.End == r.End }
	_, err := l.changeRow(r, sameEnd, func(row *bifrost.Row) {
		row.GapReason, row.Invocation, row.LeaseUntil, row.Error = reason, "", time.Time{}, ""
	})
	return err
}

// Lease implements bifrost.Leaser.
func (l *Ledger) Lease(
	ctx context.Context, r bifrost.Row, invocation string, attempt int, until time.Time,
) (bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return bifrost.Row{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	asRead := func(row bifrost.Row) bool { return row.Attempts == r.Attempts && row.LeaseUntil.Equal(r.LeaseUntil) }
	return l.changeRow(r, asRead, func(row *bifrost.Row) {
		row.Attempts, row.Invocation, row.LeaseUntil, row.Error = attempt, invocation, until, ""
	})
}

// Release implements bifrost.Leaser.
func (l *Ledger) Release(ctx context.Context, r bifrost.Row, failure string, retryAt time.Time) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sameAttempt := func(row bifrost.Row) bool { return row.Attempts == r.Attempts }
	_, err := l.changeRow(r, sameAttempt, func(row *bifrost.Row) {
		row.Error, row.Invocation, row.LeaseUntil = failure, "", retryAt
		if r.StoppedAt > 0 {
			row.StoppedAt = r.StoppedAt
		}
	})
	if err != nil {
		return err
	}
	if p, ok := l.progress[r.Partition]; ok {
		p.Error = failure
		l.progress[r.Partition] = p
	}
	return nil
}

// Commit implements bifrost.Committer.
func (l *Ledger) Commit(ctx context.Context, w bifrost.CommitWrite) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	remainder := planned(w.Row)
	remainder.Range = bifrost.Range{Start: w.Facts.End, End: w.Row.End}
	remainder.PlannedAt = w.ArchivedAt
	if !remainder.Valid() {
		_, err := l.settle(w)
		return err
	}
	if _, ok := l.rows[keyOf(remainder)]; ok {
		return conflict("the remainder is there already", keyOf(remainder))
	}
	if _, err := l.settle(w); err != nil {
		return err
	}
	l.put(remainder)
	return nil
}

func (l *Ledger) settle(w bifrost.CommitWrite) (bifrost.Row, error) {
	sameEnd := func(row bifrost.Row) bool { return row.End == w.Row.End }
	return l.changeRow(w.Row, sameEnd, func(row *bifrost.Row) {
		row.State, row.Facts, row.ArchivedAt = w.Facts.State(), w.Facts, w.ArchivedAt
		row.End = min(row.End, w.Facts.End)
		row.GapReason, row.Error, row.LossAt, row.StoppedAt = w.Facts.Reason, "", time.Time{}, 0
		row.Invocation, row.Expected = "", 0
	})
}

// Advance implements bifrost.Advancer.
func (l *Ledger) Advance(ctx context.Context, w bifrost.AdvanceWrite) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	as := bifrost.Progress{Partition: w.Partition, Generation: w.Generation}
	holds := func(row bifrost.Progress) bool { return row.NextOffset == w.From }
	return l.changeProgress(as, holds, func(row *bifrost.Progress) {
		row.NextOffset = w.To
		count(row, w.Row)
	})
}

// count adds a settled row to the totals of its partition.
func count(p *bifrost.Progress, r bifrost.Row) {
	f := r.Facts
	p.Records += f.Records
	p.RawBytes += f.RawBytes
	p.StoredBytes += f.StoredBytes
	p.Missing += f.Missing.Control + f.Missing.Aborted + f.Missing.Compacted
	p.LastObject, p.LastArchivedAt = f.Key, r.ArchivedAt
	if r.State == bifrost.StateLost {
		p.Lost += r.Len()
		return
	}
	p.RecentRawBytes, p.RecentOffsets = f.RawBytes, r.Len()
	if last := time.UnixMilli(f.LastTimestamp).UTC(); f.LastTimestamp >= 0 && last.After(p.LastRecordAt) {
		p.LastRecordAt = last // producers' clocks differ: an earlier range may have a newer record
	}
	p.Error = ""
}

// Mark implements bifrost.MarkKeeper.
func (l *Ledger) Mark(context.Context) (bifrost.TablesMark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mark == nil {
		return bifrost.TablesMark{}, fmt.Errorf("the mark of the tables: %w", bifrost.ErrNotFound)
	}
	return *l.mark, nil
}

// SetMark implements bifrost.MarkKeeper.
func (l *Ledger) SetMark(_ context.Context, before, after bifrost.TablesMark) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now bifrost.TablesMark
	if l.mark != nil {
		now = *l.mark
	}
	if now.Series != before.Series || now.Number != before.Number || now.Next != before.Next {
		return conflict("the mark has moved", before.Series)
	}
	l.mark = &after
	return nil
}

// LoseMark deletes the mark, as no rule would.
func (l *Ledger) LoseMark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark = nil
}
