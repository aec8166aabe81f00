// What a tick would write to the tables, under the conditions that the tables set.

package dryrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Plan implements bifrost.Planner.
func (l *Ledger) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	for _, r := range w.Rows {
		_, err := l.Row(ctx, r.Partition, r.Start)
		if err == nil {
			return fmt.Errorf("row %s at %d: %w", r.Partition, r.Start, bifrost.ErrConflict)
		}
		if !errors.Is(err, bifrost.ErrNotFound) {
			return err
		}
	}
	err := l.change(ctx, w.Progress, func(p *bifrost.Progress) bool {
		asRead := p.PlannedOffset == w.Progress.PlannedOffset && p.Status.Workable() && sameSuspicion(*p, w.Progress)
		p.PlannedOffset, p.PlannedEpoch = w.PlannedOffset, w.PlannedEpoch
		p.Observation, p.LastPlannedAt = w.Observation, w.Observation.At
		return asRead
	})
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.rows[w.Progress.Partition] = append(l.rows[w.Progress.Partition], w.Rows...)
	return nil
}

func sameSuspicion(a, b bifrost.Progress) bool {
	return a.Suspicion == b.Suspicion && a.SuspectedAt.Equal(b.SuspectedAt)
}

// ChangeStatus implements bifrost.Planner.
func (l *Ledger) ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error {
	return l.change(ctx, w.Progress, func(p *bifrost.Progress) bool {
		asRead := p.PlannedOffset == w.Progress.PlannedOffset && p.Status == w.Progress.Status &&
			sameSuspicion(*p, w.Progress)
		p.Status, p.Error, p.Suspicion, p.SuspectedAt = w.Status, w.Error, w.Suspicion, w.SuspectedAt
		if !w.Observation.At.IsZero() {
			p.Observation = w.Observation
		}
		return asRead
	})
}

// CreateProgress implements bifrost.RowMaker.
func (l *Ledger) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	_, err := l.Progress(ctx, p.Partition)
	if err == nil {
		return fmt.Errorf("progress of %s: %w", p.Partition, bifrost.ErrConflict)
	}
	if !errors.Is(err, bifrost.ErrNotFound) {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.progress[p.Partition] = &p
	l.made = append(l.made, p.Partition)
	return nil
}

// Mark implements bifrost.MarkKeeper.
func (l *Ledger) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.mark != nil {
		return *l.mark, nil
	}
	return l.reads.Mark(ctx)
}

// SetMark implements bifrost.MarkKeeper.
func (l *Ledger) SetMark(ctx context.Context, before, after bifrost.TablesMark) error {
	now, err := l.Mark(ctx)
	if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
		return err
	}
	if now.Series != before.Series || now.Number != before.Number || now.Next != before.Next {
		return fmt.Errorf("the mark of the tables: %w", bifrost.ErrConflict)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.mark = &after
	return nil
}

// FenceProgress implements bifrost.RowMaker.
func (l *Ledger) FenceProgress(ctx context.Context, w bifrost.Progress) error {
	return l.change(ctx, w, func(p *bifrost.Progress) bool {
		asRead := p.Status == bifrost.StatusFencing && p.FencedAt.IsZero()
		p.FencedAt = w.FencedAt
		return asRead
	})
}

// OpenProgress implements bifrost.RowMaker.
func (l *Ledger) OpenProgress(ctx context.Context, w bifrost.Progress) error {
	return l.change(ctx, w, func(p *bifrost.Progress) bool {
		fencing := p.Status == bifrost.StatusFencing
		p.Status = bifrost.StatusOpen
		p.KnownUntil, p.StartOffset, p.PlannedEpoch = w.KnownUntil, w.StartOffset, w.PlannedEpoch
		return fencing
	})
}

// DeleteProgress implements bifrost.RowMaker.
func (l *Ledger) DeleteProgress(ctx context.Context, w bifrost.Progress) error {
	err := l.change(ctx, w, func(p *bifrost.Progress) bool { return p.NextOffset == w.NextOffset })
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.progress[w.Partition] = nil
	l.dropped = append(l.dropped, w.Partition)
	return nil
}

// DropPlanned implements bifrost.RowMaker. Only a rebuild drops rows, and none is rehearsed.
func (l *Ledger) DropPlanned(context.Context, bifrost.Progress, bifrost.Row) error {
	return errors.New("a rehearsal drops no row")
}

// MarkGap implements bifrost.GapMarker. The tick itself remembers what it marked.
func (l *Ledger) MarkGap(context.Context, bifrost.Progress, bifrost.Row, string) error { return nil }

// Lease implements bifrost.Leaser.
func (l *Ledger) Lease(
	_ context.Context, r bifrost.Row, invocation string, attempt int, until time.Time,
) (bifrost.Row, error) {
	r.Attempts, r.Invocation, r.LeaseUntil, r.Error = attempt, invocation, until, ""
	return r, nil
}

// PutInvocation implements bifrost.Invocations. No function is started.
func (l *Ledger) PutInvocation(_ context.Context, i bifrost.Invocation, _ time.Time) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.started = append(l.started, i.Tasks...)
	return nil
}

// RenewInvocation implements bifrost.Invocations. No worker runs in a rehearsal.
func (l *Ledger) RenewInvocation(context.Context, string, time.Time) (bifrost.Invocation, error) {
	return bifrost.Invocation{}, errors.New("a rehearsal archives nothing")
}

// EndInvocation implements bifrost.Invocations.
func (l *Ledger) EndInvocation(context.Context, string) error { return nil }

// ListInvocations implements bifrost.InvocationLister.
func (l *Ledger) ListInvocations(ctx context.Context) ([]bifrost.Invocation, error) {
	return l.reads.ListInvocations(ctx)
}

// Release implements bifrost.Leaser.
func (l *Ledger) Release(context.Context, bifrost.Row, string, time.Time) error { return nil }

// Commit implements bifrost.Committer. No worker runs in a rehearsal.
func (l *Ledger) Commit(context.Context, bifrost.CommitWrite) error {
	return errors.New("a rehearsal archives nothing")
}

// Advance implements bifrost.Advancer.
func (l *Ledger) Advance(ctx context.Context, w bifrost.AdvanceWrite) error {
	as := bifrost.Progress{Partition: w.Partition, Generation: w.Generation}
	return l.change(ctx, as, func(p *bifrost.Progress) bool {
		asRead := p.NextOffset == w.From
		p.NextOffset = w.To
		return asRead
	})
}
