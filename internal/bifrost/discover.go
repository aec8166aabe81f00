// How one tick runs.

package bifrost

import (
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
	t.newRecorder().recordTick(ctx, t.view, err)
	return t.report.summary, err
}

func (t *tick) runPasses(ctx context.Context) error {
	for pass := 1; ; pass++ {
		v, err := observer{t.Cluster, t.Ledger, t.Settings.Topics, t.Now}.readView(ctx)
		if err != nil {
			return fmt.Errorf("discover: %w", err)
		}
		t.beginPass(v)
		if !t.tablesAreCurrent(ctx) {
			t.sumUp()
			return nil
		}
		t.runPass(ctx)
		if !t.again.Load() || pass == maxPasses || t.isLate(toReadAgain) || t.Now().Sub(t.started) >= quickPass {
			break
		}
	}
	if err := t.marks.sealPlan(ctx, t.mark); err != nil {
		t.report.addFailure(failureOf(err))
	}
	t.dispatchRanges(ctx)
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

// tablesAreCurrent reports whether the tables are known not to be older than the bucket.
// What was read of others is not acted upon.
func (t *tick) tablesAreCurrent(ctx context.Context) bool {
	mark, err := t.marks.Read(ctx)
	t.mark = mark
	if err != nil {
		t.report.addFailure(failureOf(err))
	}
	t.report.summary.Older = errors.Is(err, ErrTablesOlder)
	return err == nil
}

// tick is one run of Tick.
type tick struct {
	*Discoverer
	guard
	crew    parallel.Crew
	view    *view
	marks   *Marks
	builder *PartitionBuilder
	births  *births     // of this pass
	mark    TablesMark  // as this pass has read it
	again   atomic.Bool // a progress row was made or moved: read everything again
	planned plannedRows
	healthy []*sighting // of this pass, in order: Workable and nothing wrong, may be planned
	held    []heldBack  // by this pass, to be planned when a function is found for them
}

func (t *tick) beginPass(v *view) {
	t.view, t.healthy, t.held = v, nil, nil
	t.again.Store(false)
	t.births = &births{PartitionBuilder: t.builder, history: t.History, start: t.Settings.Start,
		names: map[string]string{}}
	t.report.beginPass(v)
}

func (t *tick) runPass(ctx context.Context) {
	lossWatch{t.Retention, t.History, t.report, t.Now}.watchLoss(ctx, t.view.partitions)
	epochs := t.epochEnds(ctx)
	known, newcomers := t.view.splitKnown()
	healthy := make([]bool, len(known))
	parallel.Each(t.crew, parallel.NumbersBelow(len(known)), func(i int) {
		t.runGuarded(toLook, known[i].place(), func() (err error) {
			healthy[i], err = t.lookAt(ctx, known[i], epochs)
			return err
		})
	})
	parallel.Each(t.crew, t.view.gone, func(p Progress) {
		t.runGuarded(toLook, placeOf(&p), func() error { return t.settleDeletedTopic(ctx, p) })
	})
	parallel.Each(t.crew, t.view.left, func(p Progress) {
		t.runGuarded(toLook, placeOf(&p), func() error { return t.settleLeftBranch(ctx, p) })
	})
	for i, s := range known {
		if healthy[i] {
			t.healthy = append(t.healthy, s)
		}
	}
	t.held = rangePlanner{
		guard: t.guard, crew: t.crew, builder: t.builder, sizingOf: t.Settings.SizingOf,
		maxInFlight: t.Settings.MaxInFlight, indexed: t.view.planned, own: t.planned.rows,
	}.planHealthy(ctx, t.healthy)
	parallel.Each(t.crew, rotated(newcomers, t.started), func(s *sighting) {
		t.runGuarded(toWelcome, s.place(), func() error { return t.welcomePartition(ctx, s) })
	})
	orphans := t.listOrphans()
	t.report.summary.Orphaned = len(orphans)
	parallel.Each(t.crew, orphans, func(p Partition) {
		t.runGuarded(toWelcome, place{topic: p.Topic(), number: p.Number},
			func() error { return t.adoptOrphan(ctx, p) })
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

// guard lets one partition's work keep neither the tick nor other partitions from
// theirs.
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

// welcomePartition brings a partition that is new to where it can be planned.
func (t *tick) welcomePartition(ctx context.Context, s *sighting) error {
	if s.progress == nil {
		return t.createRow(ctx, s)
	}
	return t.fencePartition(ctx, *s.progress)
}

// createRow makes the progress row of a partition that has none, and fences it off.
func (t *tick) createRow(ctx context.Context, s *sighting) error {
	made, err := t.births.createRow(ctx, s)
	if made == nil || err != nil {
		return err
	}
	return t.fencePartition(ctx, *made)
}

// fencePartition brings a FENCING row nearer to OPEN. Uploads that were begun before the row
// was made could still put objects where this row plans others, so they are
// aborted first, and given the time to end if they are completing; then a listing
// tells, for good, up to where objects exist.
func (t *tick) fencePartition(ctx context.Context, p Progress) error {
	// The row was made before this look for a fork, and a fork is put on record
	// before the row is looked for: one of the two sees the other.
	_, _, left, err := ForkOf(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	if left {
		return t.makeLastBranch(ctx, p)
	}
	due, err := t.builder.openPartition(ctx, p)
	if !due.IsZero() {
		t.report.countFencing()
	}
	return err
}

// makeLastBranch makes the row of the branch with which a branch that was left goes on. Beside
// it, no tick plans for the one that was left, which may have ranges and objects:
// the ticks that follow settle it along these before they leave it.
func (t *tick) makeLastBranch(ctx context.Context, p Progress) error {
	last, _, err := lastBranch(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	return t.rebuildPartition(ctx, last)
}

// leaveBranch ends a branch if it is on record that the log goes on elsewhere.
func (t *tick) leaveBranch(ctx context.Context, p Progress) (left bool, err error) {
	next, fork, left, err := ForkOf(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if !left || err != nil {
		return false, err
	}
	t.readAgain()
	return true, ignoreConflict(t.Ledger.ChangeStatus(ctx, LeaveBranch(p, next, fork.From)))
}

var errDiverged = inRow{errors.New("DIVERGED: the log was cut below what is archived; a person decides, see bifrost " +
	"accept")}

// lookAt decides what state a partition is in and does what has to come before a
// plan: move its prefix, and change its status. It reports whether the partition is
// Workable and nothing is wrong with it, so that it may be planned.
func (t *tick) lookAt(ctx context.Context, s *sighting,
	epochs map[TopicPartition]EpochAnswer) (healthy bool, err error) {
	switch s.progress.Status {
	case StatusDiverged:
		if left, err := t.leaveBranch(ctx, *s.progress); left || err != nil {
			return false, err // a person has decided, and the command got no further than the record
		}
		// What workers had in hand when the log was cut still comes home.
		return false, errors.Join(errDiverged, t.advancePrefix(ctx, s.progress))
	case StatusForked:
		return false, t.createRow(ctx, s) // the last branch on record has no row yet
	case StatusClosed:
		// Brokers' news of the deletion was wrong: the very same incarnation is here.
		return false, t.reopenPartition(ctx, s)
	}
	healthy, err = t.suspectLog(ctx, s, epochs)
	if !healthy || err != nil {
		return false, err
	}
	if err := t.advancePrefix(ctx, s.progress); err != nil {
		return false, err
	}
	return true, t.watchStable(ctx, s)
}

// advancePrefix moves next_offset where workers have left that to somebody else. A
// hole in the tiling means that rows were lost alone: the progress row goes, and
// the next pass rebuilds it along the objects.
func (t *tick) advancePrefix(ctx context.Context, p *Progress) error {
	if p.NextOffset == p.PlannedOffset || t.stillPlanned(p.Partition, p.NextOffset) {
		return nil
	}
	now, err := advancePrefix(ctx, t.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) && p.Status.Workable() {
		t.Log.WarnContext(ctx, "rows are missing; the partition is built anew along its objects",
			LogTopic, p.Name, LogName, p.Name, LogKafkaTopic, p.Topic(), LogPartition, p.Number, "next_offset",
			now.NextOffset)
		t.readAgain()
		return ignoreConflict(t.Ledger.DeleteProgress(ctx, now))
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
func (t *tick) stillPlanned(p Partition, start int64) bool {
	for _, r := range t.view.planned[p] {
		if r.Start == start {
			return true
		}
	}
	return false
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
