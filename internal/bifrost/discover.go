// How one tick runs.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// StartPosition says where the archive of a partition begins that Bifrost has
// not seen before. The zero value is the earliest offset there is.
type StartPosition struct {
	Latest bool      // at the last stable offset of the first sight
	At     time.Time // at the first record not older than this; zero for not by time
}

// Settings are what an operator chooses for the stack.
type Settings struct {
	Group       string // first element of every key in the bucket
	Topics      TopicFilter
	Start       StartPosition
	Sizing      Sizing
	Overrides   []SizingOverride // other sizings for some topics; the first whose glob matches counts
	MaxInFlight int              // functions that are at work at the same time, at most
	// the archive function's timeout and a margin: for how long older versions leave a range alone
	Lease    time.Duration
	Together int // small ranges that one function is started for, at most; 0 means 1
	// how long a rebuilt partition waits for uploads that are completing: longer than S3 takes for one
	FencePause time.Duration
}

// PlannedAhead is how many ranges may be planned and unfinished for each slot,
// in addition to one for each partition, so that a worker that finishes between two ticks
// finds another range. A minute of 64 ranges of the default target is 143 MB a
// second, more than a worker of one core does; with fewer the schedule, and not the
// slots, would decide how fast a backlog shrinks (internal/scale shows it).
const PlannedAhead = 64

// Discoverer runs ticks.
type Discoverer struct {
	Cluster       Cluster
	History       History
	Retention     RetentionReader // nil: no partition is ever seen near to loss
	Ledger        Ledger
	Store         Store
	Bucket        Bucket
	Dispatcher    Dispatcher
	Settings      Settings
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Journal       Journal       // nil: ticks leave no record
	By            string        // who ticks, for people: a function, or a command and its machine
	LastSeen      *LastSeen     // kept from one tick to the next; nil: rows alone tell up to where logs were seen
	CaughtUp      *CaughtUp     // kept from one tick to the next; nil: lag in seconds rests on the tables alone
	Parallel      int           // partitions worked on concurrently; 0 or 1 uses no goroutine
	Log           *slog.Logger
}

const (
	// maxPasses bounds how often a tick reads everything again because it has made
	// progress rows: one pass makes them, the next plans for them.
	maxPasses = 3
	// quickPass is how long a tick may have taken so that reading everything again
	// is better than leaving it to the next tick.
	quickPass = 20 * time.Second
)

// Tick compares Kafka with the archive once, plans what is due and starts
// workers. It may run at any time, twice concurrently, or stop anywhere: every write
// is conditional on what was read. After the deadline (zero: none) it starts
// nothing new, and says how many partitions it left to the next tick. Until then
// what is known comes before what is new, what is urgent before what is not, and
// each kind of work leaves time for the ones after it, so that ticks which are
// too short for all there is still get somewhere, and the next goes on from there.
//
// A partition that fails is in the summary and does not stop the others. The
// error is for what stops the whole tick: no table, no broker.
func (d *Discoverer) Tick(ctx context.Context, deadline time.Time) (TickSummary, error) {
	t := &tick{
		Discoverer: d, crew: parallel.NewCrew(d.Parallel),
		guard: guard{tickTime: tickTime{now: d.Now, started: d.Now(), deadline: deadline}, report: &tickReport{}},
		marks: NewMarks(d.Settings.Group, d.Ledger, d.Store, d.Bucket, d.Now, d.NewGeneration),
	}
	t.builder = d.newBuilder(t.marks)
	t.builder.moved, t.builder.planned = t.readAgain, t.planned.addRows
	t.report.summary.ID = d.NewGeneration()
	err := t.runPasses(ctx)
	t.report.summary.Planned = len(t.planned.rows)
	t.newRecorder().recordTick(ctx, t.view, cmp.Or(err, t.idle))
	return t.report.summary, err
}

func (t *tick) runPasses(ctx context.Context) error {
	var work passWork
	var mark TablesMark
	for pass := 1; ; pass++ {
		v, err := observer{t.Cluster, t.Ledger, t.Settings.Topics, t.Now}.readView(ctx)
		if err != nil {
			return fmt.Errorf("discover: %w", err)
		}
		t.beginPass(v)
		var current bool
		if mark, current = t.readMark(ctx); !current {
			t.sumUp()
			return nil
		}
		work = t.runPass(ctx)
		if !t.again.Load() || pass == maxPasses || t.isLate(toReadAgain) || t.Now().Sub(t.started) >= quickPass {
			break
		}
	}
	if err := t.marks.sealPlan(ctx, mark); err != nil {
		t.report.addFailure(failureOf(err))
	}
	t.dispatchRanges(ctx, work)
	t.newRecorder().noteTroubles(ctx, t.view)
	t.sumUp()
	return nil
}

func (d *Discoverer) newBuilder(marks *Marks) *PartitionBuilder {
	return &PartitionBuilder{
		Group: d.Settings.Group, Ledger: d.Ledger, Store: d.Store, Bucket: d.Bucket, Marks: marks,
		SizingOf:   d.Settings.SizingOf,
		FencePause: d.Settings.FencePause, Now: d.Now, NewGeneration: d.NewGeneration, Log: d.Log,
	}
}

// readMark reports whether the tables are known not to be older than the bucket.
// What was read of others is not acted upon.
func (t *tick) readMark(ctx context.Context) (mark TablesMark, current bool) {
	mark, err := t.marks.Read(ctx)
	if err != nil {
		t.report.addFailure(failureOf(err))
		t.idle = err
	}
	t.report.summary.Older = errors.Is(err, ErrTablesOlder)
	return mark, err == nil
}

// tick is one run of Tick: it looks, plans and dispatches. What it does to single
// partitions is in types of their own, which it builds with exactly what they need:
// lossWatch, partitionInspector, leftoverSettler, passPlanner and partitionOpener for
// a pass, rangeDispatcher and tickRecorder when the passes are over.
type tick struct {
	*Discoverer
	guard
	crew    parallel.Crew
	marks   *Marks
	builder *PartitionBuilder
	planned plannedRows
	view    *view       // of the last pass; nil before the first
	idle    error       // why nothing was looked at, which the record of the tick says
	again   atomic.Bool // a progress row was made or moved in this pass: read everything again
}

// passWork is what a pass leaves to the dispatch.
type passWork struct {
	healthy []*sighting // Workable and nothing wrong: what is planned of them may be read
	held    []heldBack  // to be planned when a function is found for them
}

func (t *tick) beginPass(v *view) {
	t.view = v
	t.LastSeen.noteView(v)
	t.again.Store(false)
	t.report.beginPass(v)
}

// runPass does everything that is due, once, by what the view shows: what is known
// before what is new.
func (t *tick) runPass(ctx context.Context) passWork {
	lossWatch{t.Retention, t.History, t.report, t.Now}.watchLoss(ctx, t.view.partitions)
	opener := t.newOpener()
	known, newcomers := t.view.splitKnown()
	healthy := t.lookAtAll(ctx, known, opener)
	t.settleAll(ctx, opener)
	held := passPlanner{
		guard: t.guard, crew: t.crew, builder: t.builder, sizingOf: t.Settings.SizingOf,
		maxInFlight: t.Settings.MaxInFlight, indexed: t.view.planned, own: t.planned.rows,
	}.planHealthy(ctx, healthy)
	parallel.Each(t.crew, rotated(newcomers, t.started), func(s *sighting) {
		t.runGuarded(toWelcome, s.place(), func() error { return opener.welcomePartition(ctx, s) })
	})
	orphans := t.view.listOrphans(t.Settings.Topics)
	t.report.summary.Orphaned = len(orphans)
	parallel.Each(t.crew, orphans, func(p Partition) {
		t.runGuarded(toWelcome, place{topic: p.Topic(), number: p.Number},
			func() error { return opener.adoptOrphan(ctx, p) })
	})
	return passWork{healthy, held}
}

func (t *tick) newOpener() partitionOpener {
	return partitionOpener{
		births: &births{PartitionBuilder: t.builder, history: t.History, start: t.Settings.Start,
			names: map[string]string{}},
		rebuilder: t.newBuilder(t.marks), clusterID: t.view.clusterID, report: t.report,
	}
}

// lookAtAll looks at the partitions that have their row, and answers those that are
// healthy.
func (t *tick) lookAtAll(ctx context.Context, known []*sighting, opener partitionOpener) (healthy []*sighting) {
	inspector := partitionInspector{
		statuses: statusWriter{t.Ledger, t.Now}, opener: opener, builder: t.builder, cluster: t.Cluster,
		epochs:  askEpochEnds(ctx, t.History, t.view.partitions),
		planned: t.view.planned, at: t.view.at, report: t.report,
	}
	found := make([]bool, len(known))
	parallel.Each(t.crew, parallel.NumbersBelow(len(known)), func(i int) {
		t.runGuarded(toLook, known[i].place(), func() (err error) {
			found[i], err = inspector.lookAt(ctx, known[i])
			return err
		})
	})
	for i, s := range known {
		if found[i] {
			healthy = append(healthy, s)
		}
	}
	return healthy
}

// settleAll settles what deleted topics and left branches leave behind.
func (t *tick) settleAll(ctx context.Context, opener partitionOpener) {
	settler := leftoverSettler{
		statuses: statusWriter{t.Ledger, t.Now}, opener: opener, builder: t.builder, lastSeen: t.LastSeen,
		planned: t.view.planned, atWork: t.view.atWork, at: t.view.at, now: t.Now,
	}
	parallel.Each(t.crew, t.view.gone, func(p Progress) {
		t.runGuarded(toLook, placeOf(&p), func() error { return settler.settleDeletedTopic(ctx, p) })
	})
	parallel.Each(t.crew, t.view.left, func(p Progress) {
		t.runGuarded(toLook, placeOf(&p), func() error { return settler.settleLeftBranch(ctx, p) })
	})
}

// The parts of a tick's time, as fractions of it, by which each kind of work has
// to be done. Making rows for a hundred thousand new partitions takes minutes:
// what is left when its time is over has no row yet, and is what the next tick
// finds.
const (
	toReadAgain = 0.2
	toLook      = 0.5
	toPlan      = 0.7
	toWelcome   = 0.8
	toDispatch  = 1.0
)

// tickTime is the time that a tick has.
type tickTime struct {
	now      func() time.Time
	started  time.Time
	deadline time.Time // zero: none
}

// isLate reports whether the part of the tick's time is over.
func (t tickTime) isLate(part float64) bool {
	if t.deadline.IsZero() {
		return false
	}
	given := time.Duration(part * float64(t.deadline.Sub(t.started)))
	return !t.now().Before(t.started.Add(given))
}

// guard runs the work on single partitions, so that one that fails, or comes too late,
// keeps neither the tick nor the others from theirs.
type guard struct {
	tickTime
	report *tickReport
}

// runGuarded runs one partition's work if its part of the time is not over, and keeps
// its failure in the report.
func (g guard) runGuarded(part float64, at place, work func() error) {
	if g.isLate(part) {
		g.report.addUnfinished(at)
		return
	}
	if err := work(); err != nil {
		g.report.addTrouble(at, err)
	}
}

// rotated begins a list elsewhere each time, so that ticks that overlap do not
// all do the same.
func rotated(list []*sighting, at time.Time) []*sighting {
	if len(list) == 0 {
		return nil
	}
	first := int(at.UnixMilli() % int64(len(list)))
	return slices.Concat(list[first:], list[:first])
}

// partitionOpener brings partitions to where they can be planned: those that have no
// row, and those whose row is not open yet.
type partitionOpener struct {
	births    *births
	rebuilder *PartitionBuilder // tells nobody what it plans: that is for the next pass to give to functions
	clusterID string
	report    *tickReport // of those that have to wait
}

// welcomePartition brings a partition that is new to where it can be planned.
func (o partitionOpener) welcomePartition(ctx context.Context, s *sighting) error {
	if s.progress == nil {
		return o.createRow(ctx, s)
	}
	return o.fencePartition(ctx, *s.progress)
}

// createRow makes the progress row of a partition that has none, and fences it off.
func (o partitionOpener) createRow(ctx context.Context, s *sighting) error {
	made, err := o.births.createRow(ctx, s)
	if made == nil || err != nil {
		return err
	}
	return o.fencePartition(ctx, *made)
}

// fencePartition brings a FENCING row nearer to OPEN. Uploads that were begun before the row
// was made could still put objects where this row plans others, so they are
// aborted first, and given the time to end if they are completing; then a listing
// tells, for good, up to where objects exist.
func (o partitionOpener) fencePartition(ctx context.Context, p Progress) error {
	// The row was made before this look for a fork, and a fork is put on record
	// before the row is looked for: one of the two sees the other.
	_, _, left, err := ForkOf(ctx, o.births.Store, o.births.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	if left {
		return o.makeLastBranch(ctx, p)
	}
	due, err := o.births.openPartition(ctx, p)
	if !due.IsZero() {
		o.report.countFencing()
	}
	return err
}

// makeLastBranch makes the row of the branch with which a branch that was left goes on. Beside
// it, no tick plans for the one that was left, which may have ranges and objects:
// the ticks that follow settle it along these before they leave it.
func (o partitionOpener) makeLastBranch(ctx context.Context, p Progress) error {
	last, _, err := lastBranch(ctx, o.births.Store, o.births.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	return o.rebuildPartition(ctx, last)
}

// leaveBranch ends a branch if it is on record that the log goes on elsewhere.
func (b *PartitionBuilder) leaveBranch(ctx context.Context, p Progress) (left bool, err error) {
	next, fork, left, err := ForkOf(ctx, b.Store, b.Group, p.Partition, p.Incarnation())
	if !left || err != nil {
		return false, err
	}
	b.tellMoved()
	return true, ignoreConflict(b.Ledger.ChangeStatus(ctx, LeaveBranch(p, next, fork.From)))
}

var errDiverged = inRow{errors.New("DIVERGED: the log was cut below what is archived; a person decides, see bifrost " +
	"accept")}

// lookAt decides what state a partition is in and does what has to come before a
// plan: move its prefix, and change its status. It reports whether the partition is
// Workable and nothing is wrong with it, so that it may be planned.
func (i partitionInspector) lookAt(ctx context.Context, s *sighting) (healthy bool, err error) {
	planned := i.planned[s.progress.Partition]
	switch s.progress.Status {
	case StatusDiverged:
		if left, err := i.builder.leaveBranch(ctx, *s.progress); left || err != nil {
			return false, err // a person has decided, and the command got no further than the record
		}
		// What workers had in hand when the log was cut still comes home.
		return false, errors.Join(errDiverged, i.builder.advanceOrForgetRow(ctx, s.progress, planned))
	case StatusForked:
		return false, i.opener.createRow(ctx, s) // the last branch on record has no row yet
	case StatusClosed:
		// Brokers' news of the deletion was wrong: the very same incarnation is here.
		return false, i.reopenPartition(ctx, s)
	}
	healthy, err = i.suspectLog(ctx, s)
	if !healthy || err != nil {
		return false, err
	}
	if err := i.builder.advanceOrForgetRow(ctx, s.progress, planned); err != nil {
		return false, err
	}
	return true, i.watchStable(ctx, s)
}

// advanceOrForgetRow moves next_offset where workers have left that to somebody else. A
// hole in the tiling means that rows were lost alone: the progress row goes, and
// the next pass rebuilds it along the objects. planned are the partition's rows by
// the index.
func (b *PartitionBuilder) advanceOrForgetRow(ctx context.Context, p *Progress, planned []Row) error {
	if p.NextOffset == p.PlannedOffset || stillPlanned(planned, p.NextOffset) {
		return nil
	}
	now, err := advancePrefix(ctx, b.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) && p.Status.Workable() {
		b.Log.WarnContext(ctx, "rows are missing; the partition is built anew along its objects",
			LogTopic, p.Name, LogName, p.Name, LogKafkaTopic, p.Topic(), LogPartition, p.Number, "next_offset",
			now.NextOffset)
		b.tellMoved()
		return ignoreConflict(b.Ledger.DeleteProgress(ctx, now))
	}
	if err == nil && now.Generation == p.Generation {
		// What was suspected when Kafka was asked stays the condition of what follows.
		now.Suspicion, now.SuspectedAt = p.Suspicion, p.SuspectedAt
		*p = now
	}
	return err
}

// stillPlanned reports whether the index knows the row as PLANNED. It may be
// settled by now; then the next tick, or the worker, moves on.
func stillPlanned(planned []Row, start int64) bool {
	return slices.ContainsFunc(planned, func(r Row) bool { return r.Start == start })
}

// errInRow marks what the status or the suspicion of a progress row says already.
var errInRow = errors.New("its row says so")

// inRow marks an error, and leaves its words as they are.
type inRow struct{ error }

// Is makes it an errInRow.
func (inRow) Is(target error) bool { return target == errInRow }

func (t *tick) readAgain() { t.again.Store(true) }

func ignoreConflict(err error) error {
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
