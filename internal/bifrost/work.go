package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Waiting finds work.
type Waiting interface {
	// SomePlanned reads some rows that are PLANNED and whose lease is over, from
	// an index that may lag; different callers are likely to see different ones.
	SomePlanned(ctx context.Context, now time.Time, limit int) ([]Row, error)
}

// Ledger is both tables: all that the rules ask of DynamoDB. Each rule asks for
// the part it needs.
type Ledger interface {
	Overview
	Planner
	RowMaker
	GapMarker
	Leaser
	Committer
	Advancer
	Waiting
}

// Worker lives as long as one invocation of the archive function. It archives
// the range it was started for and then, while time is left, others that wait: a
// slot need not stand idle until the next tick, and nobody has to be invoked for
// that.
type Worker struct {
	Archiver *Archiver
	Ledger   WorkLedger
	Lease    time.Duration // as Settings.Lease
	Reserve  time.Duration // the least time before the deadline in which another range is begun
	Now      func() time.Time

	// Processor is what this process has used of all cores so far; nil when nobody
	// counts.
	Processor func() time.Duration
}

// WorkLedger is what a worker asks of the ledger beside what its archiver does.
type WorkLedger interface {
	Waiting
	Leaser
	Advancer
}

// searchWidth is how many waiting rows a worker looks at for its next range. Where
// none of them may be worked on, because their partitions are DIVERGED, suspected
// or have no progress row, it looks at searchGrowth times as many, up to
// widestSearch: what nobody can finish must not hide what anybody can.
const (
	searchWidth  = 16
	searchGrowth = 16
	widestSearch = searchWidth * searchGrowth * searchGrowth
)

// Work archives the range of the task, then others until the deadline (zero:
// only the task's). A range that fails is released, to be tried again after a
// growing pause, and ends the work with a [RangeError]: what is wrong may be wrong
// for all.
func (w *Worker) Work(ctx context.Context, task Task, deadline time.Time) ([]RangeResult, error) {
	var results []RangeResult
	meter := w.meter()
	for {
		result, err := w.Archiver.Archive(ctx, task, deadline)
		if err != nil {
			return results, &RangeError{Task: task, Err: w.release(ctx, task, err)}
		}
		result.BilledMilliseconds, result.CoreSeconds = meter()
		results = append(results, result)
		next, found, err := w.next(ctx, deadline)
		if !found || err != nil {
			return results, err
		}
		task = next
	}
}

// meter answers what has passed and what was used since it was asked last: time
// in milliseconds, each begun one counting, as Lambda bills them, and seconds of
// all cores together. What it takes to find a range counts for that range.
func (w *Worker) meter() func() (milliseconds int64, coreSeconds float64) {
	processor := w.Processor
	if processor == nil {
		processor = func() time.Duration { return 0 }
	}
	at, used := w.Now(), processor()
	return func() (int64, float64) {
		before, usedBefore := at, used
		at, used = w.Now(), processor()
		milliseconds := (at.Sub(before) + time.Millisecond - 1) / time.Millisecond
		return int64(milliseconds), (used - usedBefore).Seconds()
	}
}

// release gives a failed range back, whatever became of ctx.
func (w *Worker) release(ctx context.Context, task Task, failure error) error {
	row := Row{Partition: task.Key(), Range: task.Range(), TopicID: task.TopicID, Attempts: task.Attempt,
		StoppedAt: stoppedAt(failure, task.StartOffset)}
	retryAt := w.Now().Add(pause(task.Attempt))
	err := w.Ledger.Release(context.WithoutCancel(ctx), row, failure.Error(), retryAt)
	if err != nil && !errors.Is(err, ErrConflict) {
		return errors.Join(failure, fmt.Errorf("release the range: %w", err))
	}
	return failure
}

// next leases a waiting range, if there is one and time for it: of those it
// finds, one of a partition nearest to loss.
func (w *Worker) next(ctx context.Context, deadline time.Time) (Task, bool, error) {
	if deadline.IsZero() || deadline.Sub(w.Now()) < w.Reserve {
		return Task{}, false, nil
	}
	barred := map[barrier]bool{}
	for width := searchWidth; width <= widestSearch; width *= searchGrowth {
		rows, err := w.Ledger.SomePlanned(ctx, w.Now(), width)
		if err != nil {
			return Task{}, false, fmt.Errorf("look for the next range: %w", err)
		}
		task, found, err := w.lease(ctx, rows, barred)
		if found || err != nil || len(rows) < width {
			return task, found, err
		}
	}
	return Task{}, false, nil
}

// barrier names rows of which all or none may be worked on.
type barrier struct {
	Partition
	gap bool
}

// lease leases the first of the rows, by nearness to loss, that may be worked on.
// It keeps in barred which may not, so that each partition is looked at once.
func (w *Worker) lease(ctx context.Context, rows []Row, barred map[barrier]bool) (Task, bool, error) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Compare(a.Nearness(w.Now()), b.Nearness(w.Now()))
	})
	for _, row := range rows {
		b := barrier{row.Partition, row.GapReason != ""}
		if row.Leased(w.Now()) || barred[b] {
			continue
		}
		may, err := w.mayWork(ctx, row)
		if err != nil {
			return Task{}, false, err
		}
		if !may {
			barred[b] = true
			continue
		}
		leased, err := w.Ledger.Lease(ctx, row, w.Now().Add(w.Lease))
		if err == nil {
			return NewTask(leased), true, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Task{}, false, fmt.Errorf("lease the next range: %w", err)
		}
	}
	return Task{}, false, nil
}

// mayWork reports whether the row's partition is in a state to be worked on, as
// discover would judge it.
func (w *Worker) mayWork(ctx context.Context, row Row) (bool, error) {
	progress, err := w.Ledger.Progress(ctx, row.Partition)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the partition of the next range: %w", err)
	}
	if row.GapReason != "" {
		return progress.Status.Workable() || progress.Status == StatusForked, nil
	}
	return progress.Status.Workable() && progress.Suspicion == "", nil
}
