package bifrost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Overview is what a tick reads of the tables before it asks Kafka.
type Overview interface {
	// ListProgress reads every progress row, consistently.
	ListProgress(ctx context.Context) ([]Progress, error)
	// ListPlanned reads the rows that are PLANNED, from an index that may lag:
	// a hint, never a proof.
	ListPlanned(ctx context.Context) ([]Row, error)
}

// PlanWrite is one transaction on one partition: put rows, move planned_offset.
type PlanWrite struct {
	Progress      Progress // as read: its Generation and PlannedOffset are the condition, with status OPEN
	Rows          []Row    // put each if absent, as PLANNED; at most 99; none when an existing row is taken over
	PlannedOffset int64    // the new value
	PlannedEpoch  int32    // leader epoch under which it was seen, -1 unknown
	Observation   Observation
}

// StatusWrite changes what a progress row says of its partition without
// planning anything.
type StatusWrite struct {
	Progress    Progress // as read: its Generation and PlannedOffset are the condition
	Status      Status
	Error       string
	Suspicion   string
	SuspectedAt time.Time
	Observation Observation // written when its At is not zero
}

// Planner writes plans.
type Planner interface {
	// Plan applies the whole write or none of it. ErrConflict when the row was
	// made anew, has moved, is not OPEN, or one of the rows exists already.
	Plan(ctx context.Context, w PlanWrite) error
	// ChangeStatus applies the write, or answers ErrConflict.
	ChangeStatus(ctx context.Context, w StatusWrite) error
	// Rows reads the rows of a partition with Start >= from in order, consistently, at most limit.
	Rows(ctx context.Context, p Partition, from int64, limit int) ([]Row, error)
}

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
	MaxInFlight int           // ranges that workers work on at the same time, at most
	Lease       time.Duration // how long a dispatched range is left alone: the archive function's timeout and a margin
}

// plannedAhead is how many ranges may be planned and unfinished for each slot,
// so that a worker that finishes between two ticks finds another range.
const plannedAhead = 8

// Discoverer runs ticks.
type Discoverer struct {
	Cluster       Cluster
	History       History
	Ledger        Ledger
	Store         Store
	Shelf         Shelf
	Dispatcher    Dispatcher
	Settings      Settings
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Parallel      int           // partitions worked on at once; 0 or 1 uses no goroutine
	Log           *slog.Logger
}

// maxPasses bounds how often a tick reads everything again because it has made
// progress rows: one pass makes them, the next plans for them.
const maxPasses = 3

// Tick compares Kafka with the archive once, plans what is due and starts
// workers. It may run at any time, twice at once, or stop anywhere: every write
// is conditional on what was read. After the deadline (zero: none) it starts
// nothing new, and says how many partitions it left to the next tick.
//
// A partition that fails is in the summary and does not stop the others. The
// error is for what stops the whole tick: no table, no broker.
func (d *Discoverer) Tick(ctx context.Context, deadline time.Time) (TickSummary, error) {
	t := &tick{Discoverer: d, deadline: deadline}
	for pass := 1; ; pass++ {
		v, err := d.observe(ctx)
		if err != nil {
			return t.summary, fmt.Errorf("discover: %w", err)
		}
		t.begin(v)
		t.run(ctx)
		if !t.again || pass == maxPasses || t.late() {
			break
		}
	}
	t.dispatch(ctx)
	t.finish()
	return t.summary, nil
}

// tick is one run of Tick. The mutex guards what partitions worked on side by
// side report.
type tick struct {
	*Discoverer
	deadline time.Time
	view     *view

	mutex   sync.Mutex
	summary TickSummary
	again   bool              // a progress row was made: read everything again
	rows    []Row             // planned by this tick
	names   map[string]string // topic → name of its incarnation, once this tick has asked the marker
	healthy []*sighting       // OPEN and nothing wrong: may be planned
}

func (t *tick) begin(v *view) {
	planned := t.summary.Planned
	t.view, t.again, t.healthy, t.names = v, false, nil, map[string]string{}
	t.summary = TickSummary{
		Topics: v.topics, Partitions: len(v.partitions), Planned: planned,
		Failed: []TickFailure{}, Failures: 0,
	}
	for _, f := range v.failures {
		t.summary.add(f)
	}
}

func (t *tick) run(ctx context.Context) {
	epochs := t.epochEnds(ctx)
	each(t.Parallel, t.view.partitions, func(s *sighting) {
		t.guard(s.incarnation.Topic, s.number, func() error { return t.look(ctx, s, epochs) })
	})
	each(t.Parallel, t.view.gone, func(p Progress) {
		t.guard(p.Topic(), p.Number, func() error { return t.close(ctx, p) })
	})
	t.plan(ctx)
}

// look decides what state a partition is in and does what has to come before a
// plan: make its row, fence it, move its prefix.
func (t *tick) look(ctx context.Context, s *sighting, epochs map[TopicPartition]EpochAnswer) error {
	if s.progress == nil {
		return t.birth(ctx, s)
	}
	switch s.progress.Status {
	case StatusFencing:
		return t.fence(ctx, *s.progress)
	case StatusDiverged:
		return errors.New("DIVERGED: the log was cut below what is archived; a person decides, see bifrost accept")
	case StatusClosed:
		// Brokers' news of the deletion was wrong: the very same incarnation is here.
		return t.reopen(ctx, s)
	}
	healthy, err := t.suspect(ctx, s, epochs)
	if !healthy || err != nil {
		return err
	}
	if err := t.advance(ctx, s.progress); err != nil {
		return err
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.healthy = append(t.healthy, s)
	return nil
}

// advance moves next_offset where workers have left that to somebody else. A
// hole in the tiling means that rows were lost alone: the progress row goes, and
// the next pass builds it anew along the objects.
func (t *tick) advance(ctx context.Context, p *Progress) error {
	if p.NextOffset == p.PlannedOffset || t.stillPlanned(p.Partition, p.NextOffset) {
		return nil
	}
	now, err := advance(ctx, t.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) {
		t.Log.WarnContext(ctx, "rows are missing; the partition is built anew along its objects",
			"topic", p.Name, "partition", p.Number, "next_offset", now.NextOffset)
		t.readAgain()
		return ignoreConflict(t.Ledger.DeleteProgress(ctx, now))
	}
	if err == nil && now.Generation == p.Generation {
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

// plan proposes ranges for every healthy partition, shares the slots among them
// and writes what each was granted.
func (t *tick) plan(ctx context.Context) {
	type proposal struct {
		*sighting
		ranges []PlannedRange
	}
	proposals := make([]proposal, 0, len(t.healthy))
	sortSightings(t.healthy)
	var mutex sync.Mutex
	each(t.Parallel, t.healthy, func(s *sighting) {
		t.guard(s.incarnation.Topic, s.number, func() error {
			ranges, err := t.propose(ctx, s)
			mutex.Lock()
			defer mutex.Unlock()
			if len(ranges) > 0 {
				proposals = append(proposals, proposal{s, ranges})
			}
			return err
		})
	})
	wants := make([]Want, len(proposals))
	for i, p := range proposals {
		wants[i] = Want{Ranges: len(p.ranges), Unfinished: len(t.view.planned[p.progress.Partition]), TimeToLoss: NoLoss}
	}
	grants := ShareSlots(wants, plannedAhead*t.Settings.MaxInFlight)
	granted := make([]proposal, 0, len(proposals))
	for i, p := range proposals {
		if grants[i] > 0 {
			granted = append(granted, proposal{p.sighting, p.ranges[:grants[i]]})
		}
	}
	each(t.Parallel, granted, func(p proposal) {
		t.guard(p.incarnation.Topic, p.number, func() error { return t.write(ctx, *p.progress, p.seen, p.ranges) })
	})
}

func (t *tick) propose(ctx context.Context, s *sighting) ([]PlannedRange, error) {
	ahead, err := t.ahead(ctx, *s.progress, s.incarnation)
	if err != nil {
		return nil, err
	}
	return PlanRanges(*s.progress, s.seen, ahead, t.Settings.Sizing, t.Now(), MaxPlannedAtOnce), nil
}

// write puts the ranges and moves planned_offset in one transaction.
func (t *tick) write(ctx context.Context, p Progress, seen Observation, ranges []PlannedRange) error {
	w := PlanWrite{Progress: p, PlannedOffset: ranges[len(ranges)-1].End, PlannedEpoch: seen.LeaderEpoch, Observation: seen}
	for _, r := range ranges {
		if !r.Existing {
			w.Rows = append(w.Rows, Row{Partition: p.Partition, Range: r.Range, TopicID: p.TopicID, State: StatePlanned,
				GapReason: r.GapReason, PlannedAt: t.Now()})
		}
	}
	err := t.Ledger.Plan(ctx, w)
	if errors.Is(err, ErrConflict) {
		return t.takeOver(ctx, p, seen)
	}
	if err != nil {
		return fmt.Errorf("plan %d ranges from offset %d: %w", len(ranges), p.PlannedOffset, err)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.rows = append(t.rows, w.Rows...)
	t.summary.Planned += len(w.Rows)
	return nil
}

// takeOver looks why a plan was refused. Another discover was quicker: nothing
// to do. A row stands at the frontier that no transaction of this progress row
// put there: its end is taken over.
func (t *tick) takeOver(ctx context.Context, p Progress, seen Observation) error {
	rows, err := t.Ledger.Rows(ctx, p.Partition, p.PlannedOffset, 1)
	if err != nil {
		return fmt.Errorf("read the row at planned_offset %d: %w", p.PlannedOffset, err)
	}
	if len(rows) == 0 || rows[0].Start != p.PlannedOffset {
		return nil
	}
	w := PlanWrite{Progress: p, PlannedOffset: rows[0].End, PlannedEpoch: seen.LeaderEpoch, Observation: seen}
	return ignoreConflict(t.Ledger.Plan(ctx, w))
}

func (t *tick) finish() {
	s := &t.summary
	for _, p := range t.view.partitions {
		next := int64(0)
		if p.progress != nil {
			next = p.progress.NextOffset
		}
		s.Lag += max(0, p.seen.LastStable-next)
	}
}

// guard runs one partition's work unless time is short, and keeps its failure.
func (t *tick) guard(topic string, partition int32, work func() error) {
	if t.late() {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.summary.Unfinished++
		return
	}
	if err := work(); err != nil {
		t.fail(topic, &partition, err)
	}
}

func (t *tick) fail(topic string, partition *int32, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.summary.add(TickFailure{Topic: topic, Partition: partition, Error: err.Error()})
}

func (t *tick) readAgain() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.again = true
}

func (t *tick) late() bool { return !t.deadline.IsZero() && !t.Now().Before(t.deadline) }

func (s *TickSummary) add(f TickFailure) {
	s.Failures++
	if len(s.Failed) < MaxReportedFailures {
		s.Failed = append(s.Failed, f)
	}
}

func ignoreConflict(err error) error {
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
