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

// dispatchRanges starts functions for what the last pass has left to do.
func (t *tick) dispatchRanges(ctx context.Context, work passWork) {
	queue := dispatchQueue{
		view: t.view, healthy: work.healthy, planned: t.planned.rows, held: work.held,
		lease: t.Settings.Lease, together: t.Settings.Together, rowOf: t.builder.rowOf, now: t.Now,
	}
	rows, inHand := queue.listWaiting()
	loads := queue.makeLoads(rows, inHand)
	d := &rangeDispatcher{
		now: t.Now, report: t.report, crew: t.crew, tickID: t.report.summary.ID,
		ledger: t.Ledger, dispatcher: t.Dispatcher, builder: t.builder, atWork: t.view.atWork,
		lease: t.Settings.Lease, newGeneration: t.NewGeneration, log: t.Log,
		slots: &functionSlots{
			tickTime: t.tickTime, maxInFlight: t.Settings.MaxInFlight,
			counts: dispatchCounts{inFlight: t.view.countFunctions(t.Now()), waiting: len(rows)},
		},
	}
	t.report.addDispatch(d.dispatchLoads(ctx, loads))
}

// dispatchQueue puts what a function could be started for in order: what the pass saw
// waiting, and what the tick has planned since. It writes nothing.
type dispatchQueue struct {
	view     *view
	healthy  []*sighting // whose ranges may be read
	planned  []Row       // by this tick
	held     []heldBack  // not written yet
	lease    time.Duration
	together int // as Settings.Together
	rowOf    func(Progress, Observation, PlannedRange) Row
	now      func() time.Time
}

// rangeDispatcher starts functions, and writes which ranges each of them has in hand.
type rangeDispatcher struct {
	now           func() time.Time
	report        *tickReport // of what failed
	crew          parallel.Crew
	tickID        string
	ledger        Ledger
	dispatcher    Dispatcher
	builder       *PartitionBuilder // plans what was held back
	atWork        atWork            // as the pass saw it
	slots         *functionSlots
	lease         time.Duration
	newGeneration func() string
	log           *slog.Logger

	mutex sync.Mutex
	slot  int // of the next function
}

// functionSlots counts the functions at work, of which there may be so many and no
// more, and what becomes of the ranges that wait for one.
type functionSlots struct {
	tickTime
	maxInFlight int

	mutex  sync.Mutex
	counts dispatchCounts // at first those from before the dispatch
}

// dispatchCounts are the numbers of a dispatch.
type dispatchCounts struct {
	inFlight   int // functions at work
	waiting    int // ranges that are planned and in no function's hands
	dispatched int // ranges given to functions
	unfinished int // ranges and slots left to the next tick because time was short
}

// dispatchLoads starts functions until all slots are taken. Every partition gets one
// range in hand before any gets a second, those nearest to loss first; the second
// and all that follow go to the nearest to loss, in turns among equals, and of
// equals the oldest plan goes first. Small ranges are given to a function together.
func (d *rangeDispatcher) dispatchLoads(ctx context.Context, loads []*load) dispatchCounts {
	parallel.Each(d.crew, loads, func(l *load) {
		switch slot, late := d.slots.takeSlot(len(l.held)); {
		case slot:
			d.slots.useSlot(d.startFunction(ctx, l))
		case !late:
			parallel.Each(d.crew, l.held, func(h heldBack) { d.planOnly(ctx, h) })
		}
	})
	return d.slots.counts
}

// countFunctions is how many are at work, or may be: each lease of an older version of
// Bifrost stands for one.
func (v *view) countFunctions(now time.Time) int {
	n := v.atWork.countAlive(now)
	for _, planned := range v.planned {
		for _, r := range planned {
			if r.Invocation == "" && v.atWork.inHand(r, now) {
				n++
			}
		}
	}
	return n
}

// takeSlot reports whether there is a free slot, and whether time is too short to
// use it: then what was to be planned there is left to the next tick. The slot
// counts as taken from then on.
func (f *functionSlots) takeSlot(toPlan int) (slot, late bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	late = f.isLate(toDispatch)
	free := f.counts.inFlight < f.maxInFlight
	if late {
		f.counts.unfinished += toPlan
		if free && toPlan == 0 {
			f.counts.unfinished++
		}
		return false, true
	}
	if free {
		f.counts.inFlight++
	}
	return free, false
}

// useSlot says how many ranges the function of a slot was given, and of these how
// many had waited: the slot is free again if it was given none.
func (f *functionSlots) useSlot(given, waited int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if given == 0 {
		f.counts.inFlight--
	}
	f.counts.dispatched += given
	f.counts.waiting -= waited
}

// listWaiting is the rows that may be given to a function, in order of partition and
// start, and how many of each partition are in hand.
func (q dispatchQueue) listWaiting() (rows []Row, inHand map[Partition]int) {
	now := q.now()
	inHand = map[Partition]int{}
	for p, planned := range q.view.planned {
		for _, r := range planned {
			if q.view.atWork.inHand(r, now) {
				inHand[p]++
			}
		}
	}
	may := q.mayDispatch()
	rows = slices.Clone(q.planned)
	for _, planned := range q.view.planned {
		rows = append(rows, planned...)
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool {
		return q.view.atWork.leftAlone(r, q.lease, now) ||
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
func (q dispatchQueue) mayDispatch() func(Row) bool {
	healthy := make(map[Partition]bool, len(q.healthy))
	for _, s := range q.healthy {
		healthy[s.progress.Partition] = true
	}
	gone := make(map[Partition]bool, len(q.view.gone))
	for _, p := range q.view.gone {
		gone[p.Partition] = true
	}
	for _, p := range q.view.left {
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
func (q dispatchQueue) makeLoads(rows []Row, inHand map[Partition]int) []*load {
	var loads []*load
	open := map[int]*load{} // of small ranges, by tries
	candidates := q.listCandidates(rows)
	sortCandidates(candidates, inHand, q.now())
	for _, c := range candidates {
		tries := q.view.atWork.triesOf(c.row)
		l := open[tries]
		if !c.row.isSmall() || l == nil || l.countRanges() >= mostTogether(q.together, tries) {
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
func mostTogether(together, tries int) int {
	return max(1, together>>min(2*tries, 30))
}

// listCandidates is what could be given to a function: the rows, sorted by partition
// and start, and then what is held back.
func (q dispatchQueue) listCandidates(rows []Row) []candidate {
	all := make([]candidate, 0, len(rows)+len(q.held))
	for _, r := range rows {
		all = append(all, candidate{row: r})
	}
	for i := range q.held {
		h := &q.held[i]
		all = append(all, candidate{row: q.rowOf(*h.progress, h.seen, h.planned), held: h})
	}
	return all
}

// sortCandidates puts candidates in the order of dispatch. inHand counts the ranges of
// a partition that functions have already. Those of one partition stay in turn.
func sortCandidates(all []candidate, inHand map[Partition]int, now time.Time) {
	turns := map[Partition]int{}
	for i := range all {
		c, p := &all[i], all[i].row.Partition
		c.turn, c.near = inHand[p]+turns[p], c.row.Nearness(now)
		turns[p]++
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(min(a.turn, 1), min(b.turn, 1)), cmp.Compare(a.near, b.near),
			cmp.Compare(a.turn, b.turn), a.row.PlannedAt.Compare(b.row.PlannedAt))
	})
}

// startFunction gives the load to a function and starts it. It answers how many ranges the
// function was given, and how many of these had waited.
//
// The function's row comes first: from the moment that a range names it, whoever
// looks has to find it alive.
func (d *rangeDispatcher) startFunction(ctx context.Context, l *load) (given, waited int) {
	i := Invocation{AliveUntil: d.now().Add(toBegin)}
	rows := slices.Clone(l.rows)
	for _, h := range l.held {
		rows = append(rows, d.builder.rowOf(*h.progress, h.seen, h.planned))
	}
	for _, r := range rows {
		r.Attempts = d.atWork.triesOf(r) + 1
		i.Tasks = append(i.Tasks, NewTask(r))
	}
	i, err := occupy(ctx, d.ledger, d.atWork, i, d.newGeneration(), d.nextSlot(), d.now())
	if err != nil {
		err = fmt.Errorf("write that a function is started for range %s: %w", rows[0].Range, err)
		d.report.addFailure(rows[0].newFailure(err))
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
	until := d.now().Add(d.lease)
	parallel.Each(d.crew, l.rows, func(r Row) { take(d.leaseRow(ctx, r, i.ID, until)) })
	waited = len(taken)
	parallel.Each(d.crew, l.held, func(h heldBack) { take(d.planFor(ctx, h, i.ID, until)) })
	if len(taken) == 0 || !d.invokeFunction(ctx, i, taken) {
		_ = d.ledger.EndInvocation(context.WithoutCancel(ctx), i.ID) // or its time is soon over
		d.slots.nowWaiting(len(taken) - waited)
		return 0, 0
	}
	return len(taken), waited
}

// nextSlot is where a function that this tick starts looks for a slot: each
// begins after the one before.
func (d *rangeDispatcher) nextSlot() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for d.atWork.hasSlot(d.slot, d.now()) {
		d.slot++
	}
	d.slot++
	return d.slot - 1
}

// leaseRow gives a row that waits to the invocation.
func (d *rangeDispatcher) leaseRow(ctx context.Context, r Row, invocation string, until time.Time) (Row, bool) {
	leased, err := d.ledger.Lease(ctx, r, invocation, d.atWork.triesOf(r)+1, until)
	if err != nil && !errors.Is(err, ErrConflict) { // in conflict: settled, or somebody else's
		d.report.addFailure(r.newFailure(fmt.Errorf("lease range %s: %w", r.Range, err)))
	}
	return leased, err == nil
}

// planFor plans a range that was held back, in hand of the invocation.
func (d *rangeDispatcher) planFor(ctx context.Context, h heldBack, invocation string, until time.Time) (Row, bool) {
	row := d.builder.rowOf(*h.progress, h.seen, h.planned)
	row.Attempts, row.Invocation, row.LeaseUntil = 1, invocation, until
	written, err := d.builder.writeRows(ctx, *h.progress, h.seen, []Row{row}, row.End)
	if err != nil {
		d.report.addFailure(row.newFailure(err))
	}
	return row, written
}

// planOnly plans a range that was held back and for which there is no slot.
func (d *rangeDispatcher) planOnly(ctx context.Context, h heldBack) {
	row := d.builder.rowOf(*h.progress, h.seen, h.planned)
	written, err := d.builder.writeRows(ctx, *h.progress, h.seen, []Row{row}, row.End)
	if err != nil {
		d.report.addFailure(row.newFailure(err))
	}
	if written {
		d.slots.nowWaiting(1)
	}
}

// nowWaiting counts ranges that are planned now and in no function's hands.
func (f *functionSlots) nowWaiting(ranges int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.counts.waiting += ranges
}

// invokeFunction starts the function. Its event names one range: that one's row, and the
// invocation's, say the rest.
func (d *rangeDispatcher) invokeFunction(ctx context.Context, i Invocation, taken []Row) bool {
	task := NewTask(taken[0])
	task.TickID = d.tickID
	if err := d.dispatcher.Dispatch(ctx, task); err != nil {
		err = fmt.Errorf("start a function for range %s and %d others: %w", task.Range(), len(taken)-1, err)
		d.report.addFailure(taken[0].newFailure(err))
		for _, r := range taken { // whatever became of ctx
			if err := d.ledger.Release(context.WithoutCancel(ctx), r, err.Error(),
				d.now().Add(pause(r.Attempts))); ignoreConflict(err) != nil {
				d.report.addFailure(r.newFailure(fmt.Errorf("release range %s: %w", r.Range, err)))
			}
		}
		return false
	}
	d.log.LogAttrs(ctx, slog.LevelInfo, "dispatched", append(task.LogAttrs(), slog.Int("ranges", len(taken)))...)
	return true
}
