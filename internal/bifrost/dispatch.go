package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Leaser keeps two workers from doing the same range at once. It saves work;
// safety never rests on it.
type Leaser interface {
	// Lease sets LeaseUntil and adds one to Attempts if the row is still PLANNED
	// with the Attempts and LeaseUntil that were read; ErrConflict when not.
	// It clears Error, keeps StoppedAt, and answers the row as it is now.
	Lease(ctx context.Context, r Row, until time.Time) (Row, error)
	// Release ends a lease early after a failure: the row, if still PLANNED with
	// the same Attempts, gets the error, and r's StoppedAt unless that is 0, and may be
	// dispatched again from retryAt on; the partition's progress row shows the error too.
	Release(ctx context.Context, r Row, failure string, retryAt time.Time) error
}

// Dispatcher starts archive functions.
type Dispatcher interface {
	// Dispatch hands the task over. nil means that it will probably run, perhaps
	// twice, perhaps late.
	Dispatch(ctx context.Context, t Task) error
}

// dispatch starts workers on planned ranges until the slots are full. Every
// partition gets one before any gets a second, those nearest to loss first; the
// second and all that follow go to the nearest to loss, in turns among equals,
// and of equals the oldest plan goes first.
func (t *tick) dispatch(ctx context.Context) {
	waiting, inFlight := t.waiting()
	t.summary.InFlight, t.summary.Waiting = inFlight, len(waiting)
	each(t.Parallel, waiting, func(row Row) {
		if !t.takeSlot() {
			return
		}
		started, err := t.start(ctx, row)
		if err != nil {
			t.fail(row.Topic(), &row.Number, err)
		}
		t.useSlot(started)
	})
}

// takeSlot reports whether there is a free slot, and time to start a worker. The
// slot counts as taken from then on.
func (t *tick) takeSlot() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.summary.InFlight >= t.Settings.MaxInFlight {
		return false
	}
	if t.late(toDispatch) {
		t.summary.Unfinished++
		return false
	}
	t.summary.InFlight++
	return true
}

// useSlot says whether the slot that was taken is used, or free again.
func (t *tick) useSlot(started bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if !started {
		t.summary.InFlight--
		return
	}
	t.summary.Dispatched++
	t.summary.Waiting--
}

// waiting is the rows that may be dispatched, in order, and how many rows are in
// flight already.
func (t *tick) waiting() (rows []Row, inFlight int) {
	now := t.Now()
	turns := map[Partition]int{} // ranges of the partition that come before
	for p, planned := range t.view.planned {
		for _, r := range planned {
			if r.InFlight(now) {
				inFlight++
				turns[p]++
			}
		}
	}
	may := t.mayDispatch()
	candidates := slices.Clone(t.rows)
	for _, planned := range t.view.planned {
		candidates = append(candidates, planned...)
	}
	candidates = slices.DeleteFunc(candidates, func(r Row) bool { return r.Leased(now) || !may(r) })
	slices.SortFunc(candidates, compareRows)
	candidates = slices.CompactFunc(candidates, func(a, b Row) bool { return a.Partition == b.Partition && a.Start == b.Start })
	return inTurns(candidates, turns, now), inFlight
}

// inTurns puts rows, sorted by partition and start, in the order of dispatch.
// turns counts the ranges of a partition that are in flight already.
func inTurns(candidates []Row, turns map[Partition]int, now time.Time) []Row {
	type candidate struct {
		Row
		turn, near int
	}
	order := make([]candidate, len(candidates))
	for i, r := range candidates {
		order[i] = candidate{r, turns[r.Partition], r.Nearness(now)}
		turns[r.Partition]++
	}
	slices.SortStableFunc(order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(min(a.turn, 1), min(b.turn, 1)), cmp.Compare(a.near, b.near),
			cmp.Compare(a.turn, b.turn), a.PlannedAt.Compare(b.PlannedAt))
	})
	rows := make([]Row, len(order))
	for i := range order {
		rows[i] = order[i].Row
	}
	return rows
}

func compareRows(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Start, b.Start))
}

// mayDispatch is the test of a row by its partition's state: a range is read
// only where the partition is OPEN and unsuspected; a gap needs no Kafka.
func (t *tick) mayDispatch() func(Row) bool {
	healthy := make(map[Partition]bool, len(t.healthy))
	for _, s := range t.healthy {
		healthy[s.progress.Partition] = true
	}
	gone := make(map[Partition]bool, len(t.view.gone))
	for _, p := range t.view.gone {
		gone[p.Partition] = true
	}
	for _, p := range t.view.left {
		gone[p.Partition] = true
	}
	return func(r Row) bool {
		return healthy[r.Partition] || (gone[r.Partition] && r.GapReason != "")
	}
}

// start leases the row and hands it to a worker.
func (t *tick) start(ctx context.Context, row Row) (bool, error) {
	leased, err := t.Ledger.Lease(ctx, row, t.Now().Add(t.Settings.Lease))
	if errors.Is(err, ErrConflict) {
		return false, nil // settled, or somebody else's
	}
	if err != nil {
		return false, fmt.Errorf("lease range %s: %w", row.Range, err)
	}
	task := NewTask(leased)
	task.TickID = t.summary.ID
	if err := t.Dispatcher.Dispatch(ctx, task); err != nil {
		retryAt := t.Now().Add(pause(leased.Attempts))
		err = fmt.Errorf("dispatch range %s: %w", row.Range, err)
		// Whatever became of ctx: a range that is not given back waits for its lease.
		return false, errors.Join(err, t.Ledger.Release(context.WithoutCancel(ctx), leased, err.Error(), retryAt))
	}
	t.Log.LogAttrs(ctx, slog.LevelInfo, "dispatched", task.LogAttrs()...)
	return true, nil
}

const (
	firstPause   = 15 * time.Second
	longestPause = time.Hour
)

// pause is how long a range that failed is left alone: twice as long after each
// attempt, so that a poisoned range costs a few attempts a day.
func pause(attempts int) time.Duration {
	p := firstPause
	for n := 1; n < attempts && p < longestPause; n++ {
		p *= 2
	}
	return min(p, longestPause)
}
