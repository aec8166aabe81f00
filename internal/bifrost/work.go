// What a worker does from its start to its end.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Worker lives as long as one invocation of the archive function. It archives
// what it was started for, one range or many small ones, and then, while time is
// left, others that wait: a slot need not stand idle until the next tick, and
// nobody has to be invoked for that.
type Worker struct {
	Archiver *Archiver
	Ledger   WorkLedger
	Lease    time.Duration // as Settings.Lease
	Reserve  time.Duration // the least time before the deadline in which another range is begun
	Together int           // small ranges archived concurrently; 0 or 1 uses no goroutine
	Now      func() time.Time
	NewID    func() string   // a value never given before
	Stop     <-chan struct{} // once it is closed no other range is begun; nil: never

	// Renewing calls renew every RenewEvery until stop is called; nil: nobody does,
	// and the ranges of a worker that takes longer than that may be archived twice.
	Renewing func(renew func()) (stop func())

	// Processor is what this process has used of all cores so far; nil when nobody
	// counts.
	Processor func() time.Duration
}

// WorkLedger is what a worker asks of the ledger besides what its archiver does.
type WorkLedger interface {
	Waiting
	Leaser
	Committer
	Advancer
	Invocations
	InvocationLister
}

// maxFailures is how many ranges may fail before a worker begins no other: what is
// wrong may be wrong for all.
const maxFailures = 3

// Work archives the range of the task and what else its invocation was given, then
// others until the deadline (zero: none of these). A range that fails is released,
// to be tried again after a growing pause, and ends the work with a [RangeError].
func (w *Worker) Work(ctx context.Context, task Task, deadline time.Time) ([]RangeResult, error) {
	s := &work{Worker: w, deadline: deadline, meter: w.newMeter()}
	tasks, err := s.beginWork(ctx, task)
	if err != nil {
		return nil, &RangeError{Task: task, Err: s.releaseRange(ctx, task, err)}
	}
	defer s.endWork(ctx)
	for len(tasks) > 0 && err == nil {
		if err = s.archiveAll(ctx, tasks); err == nil {
			tasks, err = s.nextTasks(ctx)
		}
	}
	return s.results, err
}

// work is one run of Work. The mutex guards what concurrent ranges report.
type work struct {
	*Worker
	deadline   time.Time
	invocation string // empty until there is one
	stop       func() // of its renewals

	mutex   sync.Mutex
	meter   func() (milliseconds int64, coreSeconds float64)
	results []RangeResult
	errs    []error
}

// beginWork finds out what the worker was started for. The event names one range: its
// row names the invocation, and that one's row has the rest. Where they do not fit,
// because somebody sent the event by hand, an older version did, or it comes late
// and the range is in other hands by now, it stands for its own range alone. Where
// another function has begun with the very same event there is nothing to do.
func (s *work) beginWork(ctx context.Context, task Task) ([]Task, error) {
	row, err := s.Ledger.Row(ctx, task.Key(), task.StartOffset)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("read the row: %w", err)
	}
	if row.State != StatePlanned || row.Invocation == "" || row.Attempts != task.Attempt {
		return []Task{task}, nil
	}
	was, err := s.Ledger.RenewInvocation(ctx, row.Invocation, s.Now().Add(toRenew))
	switch {
	case errors.Is(err, ErrNotFound):
		return []Task{task}, nil
	case err != nil:
		return nil, fmt.Errorf("say that the work has begun: %w", err)
	case was.Begun && s.Now().Before(was.AliveUntil):
		return nil, nil
	}
	s.keepAlive(ctx, row.Invocation)
	tasks := []Task{task}
	for _, other := range was.Tasks {
		if other.Key() != task.Key() || other.StartOffset != task.StartOffset {
			tasks = append(tasks, other)
		}
	}
	return tasks, nil
}

// keepAlive makes the invocation the worker's own, and has it renewed from now on.
func (s *work) keepAlive(ctx context.Context, invocation string) {
	s.invocation, s.stop = invocation, func() {}
	if s.Renewing != nil {
		s.stop = s.Renewing(func() {
			// One that fails is missed, as if the function were slow.
			_, _ = s.Ledger.RenewInvocation(ctx, invocation, s.Now().Add(toRenew))
		})
	}
}

// takeInvocation makes sure that the worker has an invocation, before it takes ranges.
func (s *work) takeInvocation(ctx context.Context) error {
	if s.invocation != "" {
		return nil
	}
	all, err := s.Ledger.ListInvocations(ctx)
	if err != nil {
		return fmt.Errorf("read which functions are at work: %w", err)
	}
	i := Invocation{Begun: true, AliveUntil: s.Now().Add(toRenew)}
	if i, err = occupy(ctx, s.Ledger, newAtWork(all), i, s.NewID(), 0, s.Now()); err != nil {
		return fmt.Errorf("write that a function is at work: %w", err)
	}
	s.keepAlive(ctx, i.ID)
	return nil
}

// endWork lets go of whatever the worker still has in hand.
func (s *work) endWork(ctx context.Context) {
	if s.invocation != "" {
		s.stop()
		_ = s.Ledger.EndInvocation(context.WithoutCancel(ctx), s.invocation) // or its time is soon over
	}
}

// archiveAll archives the ranges, concurrently if there are several.
func (s *work) archiveAll(ctx context.Context, tasks []Task) error {
	parallel.Each(parallel.NewCrew(s.Together), tasks, func(t Task) {
		if len(tasks) > 1 && !s.mayBegin() {
			return // the end of this invocation lets go of it
		}
		result, err := s.Archiver.Archive(ctx, t, s.deadline)
		if err != nil {
			err = &RangeError{Task: t, Err: s.releaseRange(ctx, t, err)}
		}
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if err != nil {
			s.errs = append(s.errs, err)
			return
		}
		result.BilledMilliseconds, result.CoreSeconds = s.meter()
		s.results = append(s.results, result)
	})
	return errors.Join(s.errs...)
}

// mayBegin reports whether another range may be begun.
func (s *work) mayBegin() bool {
	select {
	case <-s.Stop:
		return false
	default:
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.errs) < maxFailures && (s.deadline.IsZero() || s.deadline.Sub(s.Now()) >= s.Reserve)
}

// newMeter answers what has passed and what was used since it was asked last: time
// in milliseconds, each begun one counting, as Lambda bills them, and seconds of
// all cores together. What it takes to find a range counts for that range. Of
// concurrent ranges each has what passed since the one before it ended, so that
// together they have what the function takes.
func (w *Worker) newMeter() func() (milliseconds int64, coreSeconds float64) {
	processor := w.Processor
	if processor == nil {
		processor = func() time.Duration { return 0 }
	}
	began, told, used := w.Now(), int64(0), processor()
	return func() (int64, float64) {
		toldBefore, usedBefore := told, used
		told, used = int64((w.Now().Sub(began)+time.Millisecond-1)/time.Millisecond), processor()
		return told - toldBefore, (used - usedBefore).Seconds()
	}
}

// releaseRange gives a failed range back, whatever became of ctx.
func (w *Worker) releaseRange(ctx context.Context, task Task, failure error) error {
	row := Row{Partition: task.Key(), Range: task.Range(), TopicID: task.TopicID, Attempts: task.Attempt,
		StoppedAt: stoppedAt(failure, task.StartOffset)}
	retryAt := w.Now().Add(pause(task.Attempt))
	err := w.Ledger.Release(context.WithoutCancel(ctx), row, failure.Error(), retryAt)
	if err != nil && !errors.Is(err, ErrConflict) {
		return errors.Join(failure, fmt.Errorf("release the range: %w", err))
	}
	return failure
}

// RangeError says which range failed.
type RangeError struct {
	Task Task
	Err  error // names the range itself
}

// Error implements error.
func (e *RangeError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *RangeError) Unwrap() error { return e.Err }

// searchWidth is how many waiting rows a worker looks at for its next range. Where
// none of them may be worked on, because their partitions are DIVERGED, suspected
// or have no progress row, it looks at searchGrowth times as many, up to
// widestSearch: what nobody can finish must not hide what anybody can.
const (
	searchWidth  = 32
	searchGrowth = 16
	widestSearch = searchWidth * searchGrowth * searchGrowth
)

// nextTasks leases waiting ranges, if there are any and time for them: of those it
// finds, one of a partition nearest to loss, or small ones to archive concurrently.
func (s *work) nextTasks(ctx context.Context) ([]Task, error) {
	if s.deadline.IsZero() || !s.mayBegin() {
		return nil, nil
	}
	search := search{work: s, barred: map[barrier]bool{}}
	for width := searchWidth; width <= widestSearch; width *= searchGrowth {
		rows, err := s.Ledger.SomePlanned(ctx, s.Now(), width)
		if err != nil {
			return nil, fmt.Errorf("look for the next range: %w", err)
		}
		tasks, err := search.leaseRows(ctx, rows)
		if len(tasks) > 0 || err != nil || len(rows) < width {
			return tasks, err
		}
	}
	return nil, nil
}

// search is the look for the next ranges. It keeps in barred which rows may not be
// worked on, so that each partition is looked at once.
type search struct {
	*work
	barred map[barrier]bool
	atWork atWork // read when a row first asks for it
}

// barrier names rows of which all or none may be worked on.
type barrier struct {
	Partition
	gap bool
}

// leaseRows leases the first of the rows, by nearness to loss, that may be worked on,
// and if it is small others that are. One that a function had before goes alone: it
// may be what that function died of.
func (s *search) leaseRows(ctx context.Context, rows []Row) ([]Task, error) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Compare(a.Nearness(s.Now()), b.Nearness(s.Now()))
	})
	var tasks []Task
	for _, row := range rows {
		if len(tasks) > 0 && !s.mayShare(row) {
			continue
		}
		if free, err := s.isFree(ctx, row); err != nil || !free {
			if err != nil {
				return tasks, err
			}
			continue
		}
		if err := s.takeInvocation(ctx); err != nil {
			return tasks, err
		}
		leased, err := s.Ledger.Lease(ctx, row, s.invocation, s.atWork.triesOf(row)+1, s.Now().Add(s.Lease))
		if err != nil && !errors.Is(err, ErrConflict) {
			return tasks, fmt.Errorf("lease the next range: %w", err)
		}
		if err != nil {
			continue
		}
		tasks = append(tasks, NewTask(leased))
		if !s.mayShare(row) || len(tasks) >= s.Together {
			break
		}
	}
	return tasks, nil
}

// mayShare reports whether the row may be taken among others.
func (s *search) mayShare(row Row) bool { return row.isSmall() && s.atWork.triesOf(row) == 0 }

// isFree reports whether nobody has the row in hand, and it may be worked on.
func (s *search) isFree(ctx context.Context, row Row) (bool, error) {
	if row.Invocation != "" && s.atWork == nil {
		all, err := s.Ledger.ListInvocations(ctx)
		if err != nil {
			return false, fmt.Errorf("read which functions are at work: %w", err)
		}
		s.atWork = newAtWork(all)
	}
	b := barrier{row.Partition, row.GapReason != ""}
	if s.atWork.leftAlone(row, s.Lease, s.Now()) || s.barred[b] {
		return false, nil
	}
	may, err := s.mayWork(ctx, row)
	s.barred[b] = err == nil && !may
	return may, err
}

// mayWork reports whether the row's partition is in a state to be worked on, as
// discover would judge it.
func (s *search) mayWork(ctx context.Context, row Row) (bool, error) {
	progress, err := s.Ledger.Progress(ctx, row.Partition)
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
