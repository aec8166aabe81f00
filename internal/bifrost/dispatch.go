// Which ranges a function is started for.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

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
	n := t.view.atWork.countAlive(now)
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
	rows = slices.DeleteFunc(rows, func(r Row) bool {
		return t.view.atWork.leftAlone(r, t.Settings.Lease, now) ||
			!may(r)
	})
	slices.SortFunc(rows, compareRows)
	return slices.CompactFunc(rows, func(a, b Row) bool { return a.Partition == b.Partition && a.Start == b.Start }),
		inHand
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

// SmallRange is up to how many raw bytes a range counts as small: what it costs is
// the waiting for S3 and DynamoDB, so a function archives many concurrently.
const SmallRange = 1 << 20

// isSmall reports whether the row's range is small: a gap always, and never what an
// older version planned or a worker left over. The plan may be wrong: if ranges that
// are larger than they seem do not fit into memory together, they are tried again
// with fewer others, see mostTogether.
func (r Row) isSmall() bool {
	return r.GapReason != "" || (r.Expected > 0 && r.Expected <= SmallRange)
}

// A load is what one function is started for: one range, or small ones together.
type load struct {
	rows []Row      // that wait
	held []heldBack // that are planned and given in one write
}

func (l *load) countRanges() int { return len(l.rows) + len(l.held) }

// A candidate is a range that could be given to a function: a row that waits, or
// one that is not written yet.
type candidate struct {
	row        Row
	held       *heldBack
	turn, near int
}

// makeLoads puts what could be given to functions into loads, the most urgent first.
func (t *tick) makeLoads(rows []Row, inHand map[Partition]int) []*load {
	var loads []*load
	open := map[int]*load{} // of small ranges, by tries
	for _, c := range t.sortCandidates(rows, inHand) {
		tries := t.view.atWork.triesOf(c.row)
		l := open[tries]
		if !c.row.isSmall() || l == nil || l.countRanges() >= t.mostTogether(tries) {
			l = &load{}
			loads = append(loads, l)
			if c.row.isSmall() {
				open[tries] = l
			}
		}
		if c.held != nil {
			l.held = append(l.held, *c.held)
		} else {
			l.rows = append(l.rows, c.row)
		}
	}
	return loads
}

// mostTogether is how many small ranges one function is given that were tried so often
// before. Where one of them kills whoever reads it, the others must not
// die with it again and again: each time a quarter of them is tried together.
func (t *tick) mostTogether(tries int) int {
	return max(1, t.Settings.Together>>min(2*tries, 30))
}

// sortCandidates puts the rows, sorted by partition and start, and what is held back
// in the order of dispatch. inHand counts the ranges of a partition that functions
// have already.
func (t *tick) sortCandidates(rows []Row, inHand map[Partition]int) []candidate {
	now := t.Now()
	turns := map[Partition]int{}
	order := make([]candidate, 0, len(rows)+len(t.held))
	add := func(r Row, h *heldBack) {
		p := r.Partition
		order = append(order, candidate{r, h, inHand[p] + turns[p], r.Nearness(now)})
		turns[p]++
	}
	for _, r := range rows {
		add(r, nil)
	}
	for i := range t.held {
		h := &t.held[i]
		add(t.builder.rowOf(*h.progress, h.seen, h.planned), h)
	}
	slices.SortStableFunc(order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(min(a.turn, 1), min(b.turn, 1)), cmp.Compare(a.near, b.near),
			cmp.Compare(a.turn, b.turn), a.row.PlannedAt.Compare(b.row.PlannedAt))
	})
	return order
}

// startFunction gives the load to a function and starts it. It answers how many ranges the
// function was given, and how many of these had waited.
//
// The function's row comes first: from the moment that a range names it, whoever
// looks has to find it alive.
func (t *tick) startFunction(ctx context.Context, l *load) (given, waited int) {
	i := Invocation{AliveUntil: t.Now().Add(toBegin)}
	rows := slices.Clone(l.rows)
	for _, h := range l.held {
		rows = append(rows, t.builder.rowOf(*h.progress, h.seen, h.planned))
	}
	for _, r := range rows {
		r.Attempts = t.view.atWork.triesOf(r) + 1
		i.Tasks = append(i.Tasks, NewTask(r))
	}
	i, err := occupy(ctx, t.Ledger, t.view.atWork, i, t.NewGeneration(), t.nextSlot(), t.Now())
	if err != nil {
		t.addFailure(rows[0].newFailure(fmt.Errorf("write that a function is started for range %s: %w", rows[0].Range,
			err)))
		return 0, 0
	}
	var mutex sync.Mutex
	var taken []Row
	take := func(r Row, ok bool) {
		if ok {
			mutex.Lock()
			defer mutex.Unlock()
			taken = append(taken, r)
		}
	}
	until := t.Now().Add(t.Settings.Lease)
	parallel.Each(t.crew, l.rows, func(r Row) { take(t.leaseRow(ctx, r, i.ID, until)) })
	waited = len(taken)
	parallel.Each(t.crew, l.held, func(h heldBack) { take(t.planFor(ctx, h, i.ID, until)) })
	if len(taken) == 0 || !t.invokeFunction(ctx, i, taken) {
		_ = t.Ledger.EndInvocation(context.WithoutCancel(ctx), i.ID) // or its time is soon over
		t.nowWaiting(len(taken) - waited)
		return 0, 0
	}
	return len(taken), waited
}

// nextSlot is where a function that this tick starts looks for a slot: each
// begins after the one before.
func (t *tick) nextSlot() int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for t.view.atWork.hasSlot(t.slot, t.Now()) {
		t.slot++
	}
	t.slot++
	return t.slot - 1
}

// leaseRow gives a row that waits to the invocation.
func (t *tick) leaseRow(ctx context.Context, r Row, invocation string, until time.Time) (Row, bool) {
	leased, err := t.Ledger.Lease(ctx, r, invocation, t.view.atWork.triesOf(r)+1, until)
	if err != nil && !errors.Is(err, ErrConflict) { // in conflict: settled, or somebody else's
		t.addFailure(r.newFailure(fmt.Errorf("lease range %s: %w", r.Range, err)))
	}
	return leased, err == nil
}

// planFor plans a range that was held back, in hand of the invocation.
func (t *tick) planFor(ctx context.Context, h heldBack, invocation string, until time.Time) (Row, bool) {
	row := t.builder.rowOf(*h.progress, h.seen, h.planned)
	row.Attempts, row.Invocation, row.LeaseUntil = 1, invocation, until
	written, err := t.builder.writeRows(ctx, *h.progress, h.seen, []Row{row}, row.End)
	if err != nil {
		t.addFailure(row.newFailure(err))
	}
	return row, written
}

// planOnly plans a range that was held back and for which there is no slot.
func (t *tick) planOnly(ctx context.Context, h heldBack) {
	row := t.builder.rowOf(*h.progress, h.seen, h.planned)
	written, err := t.builder.writeRows(ctx, *h.progress, h.seen, []Row{row}, row.End)
	if err != nil {
		t.addFailure(row.newFailure(err))
	}
	if written {
		t.nowWaiting(1)
	}
}

// nowWaiting counts ranges that are planned now and in no function's hands.
func (t *tick) nowWaiting(ranges int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.summary.Waiting += ranges
}

// invokeFunction starts the function. Its event names one range: that one's row, and the
// invocation's, say the rest.
func (t *tick) invokeFunction(ctx context.Context, i Invocation, taken []Row) bool {
	task := NewTask(taken[0])
	task.TickID = t.summary.ID
	if err := t.Dispatcher.Dispatch(ctx, task); err != nil {
		err = fmt.Errorf("start a function for range %s and %d others: %w", task.Range(), len(taken)-1, err)
		t.addFailure(taken[0].newFailure(err))
		for _, r := range taken { // whatever became of ctx
			if err := t.Ledger.Release(context.WithoutCancel(ctx), r, err.Error(),
				t.Now().Add(pause(r.Attempts))); ignoreConflict(err) != nil {
				t.addFailure(r.newFailure(fmt.Errorf("release range %s: %w", r.Range, err)))
			}
		}
		return false
	}
	t.Log.LogAttrs(ctx, slog.LevelInfo, "dispatched", append(task.LogAttrs(), slog.Int("ranges", len(taken)))...)
	return true
}
