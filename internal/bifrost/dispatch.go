package bifrost

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Leaser keeps two workers from doing the same range at once. It saves work;
// safety never rests on it.
type Leaser interface {
	// Lease gives the row to an invocation: it sets Invocation, Attempts and
	// LeaseUntil if the row is still PLANNED with the Attempts and LeaseUntil that were
	// read; ErrConflict when not. It clears Error, keeps StoppedAt, and answers the row
	// as it is now.
	Lease(ctx context.Context, r Row, invocation string, attempt int, until time.Time) (Row, error)
	// Release takes the row back after a failure: if still PLANNED with the same
	// Attempts, it gets the error, and r's StoppedAt unless that is 0, loses its
	// invocation and may be given to another from retryAt on; the partition's progress
	// row shows the error too.
	Release(ctx context.Context, r Row, failure string, retryAt time.Time) error
}

// Dispatcher starts archive functions.
type Dispatcher interface {
	// Dispatch hands the task over. nil means that it will probably run, perhaps
	// twice, perhaps late.
	Dispatch(ctx context.Context, t Task) error
}

// dispatchRanges starts functions until all slots are taken. Every partition gets one
// range in hand before any gets a second, those nearest to loss first; the second
// and all that follow go to the nearest to loss, in turns among equals, and of
// equals the oldest plan goes first. Small ranges are given to a function together.
func (t *tick) dispatchRanges(ctx context.Context) {
	rows, inHand := t.listWaiting()
	loads := t.makeLoads(rows, inHand)
	t.mutex.Lock()
	t.summary.InFlight, t.summary.Waiting = t.countFunctions(), len(rows)
	t.mutex.Unlock()
	parallel.Each(t.crew, loads, func(l *load) {
		switch slot, late := t.takeSlot(len(l.held)); {
		case slot:
			t.useSlot(t.startFunction(ctx, l))
		case !late:
			parallel.Each(t.crew, l.held, func(h heldBack) { t.planOnly(ctx, h) })
		}
	})
}

// countFunctions is how many are at work, or may be: each lease of an older version of
// Bifrost stands for one.
func (t *tick) countFunctions() int {
	now := t.Now()
	n := t.view.atWork.alive(now)
	for _, planned := range t.view.planned {
		for _, r := range planned {
			if r.Invocation == "" && t.view.atWork.inHand(r, now) {
				n++
			}
		}
	}
	return n
}

// takeSlot reports whether there is a free slot, and whether time is too short to
// use it: then what was to be planned there is left to the next tick. The slot
// counts as taken from then on.
func (t *tick) takeSlot(toPlan int) (slot, late bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	late = t.isLate(toDispatch)
	free := t.summary.InFlight < t.Settings.MaxInFlight
	if late {
		t.summary.Unfinished += toPlan
		if free && toPlan == 0 {
			t.summary.Unfinished++
		}
		return false, true
	}
	if free {
		t.summary.InFlight++
	}
	return free, false
}

// useSlot says how many ranges the function of a slot was given, and of these how
// many had waited: the slot is free again if it was given none.
func (t *tick) useSlot(given, waited int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if given == 0 {
		t.summary.InFlight--
	}
	t.summary.Dispatched += given
	t.summary.Waiting -= waited
}

// listWaiting is the rows that may be given to a function, in order of partition and
// start, and how many of each partition are in hand.
func (t *tick) listWaiting() (rows []Row, inHand map[Partition]int) {
	now := t.Now()
	inHand = map[Partition]int{}
	for p, planned := range t.view.planned {
		for _, r := range planned {
			if t.view.atWork.inHand(r, now) {
				inHand[p]++
			}
		}
	}
	may := t.mayDispatch()
	rows = slices.Clone(t.rows)
	for _, planned := range t.view.planned {
		rows = append(rows, planned...)
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return t.view.atWork.held(r, t.Settings.Lease, now) || !may(r) })
	slices.SortFunc(rows, compareRows)
	return slices.CompactFunc(rows, func(a, b Row) bool { return a.Partition == b.Partition && a.Start == b.Start }), inHand
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
