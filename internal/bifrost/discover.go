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
	MaxInFlight int              // ranges that workers work on at the same time, at most
	Lease       time.Duration    // how long a dispatched range is left alone: the archive function's timeout and a margin
}

// plannedAhead is how many ranges may be planned and unfinished for each slot,
// so that a worker that finishes between two ticks finds another range.
const plannedAhead = 8

// Discoverer runs ticks.
type Discoverer struct {
	Cluster       Cluster
	History       History
	Retention     RetentionReader // nil: no partition is ever seen near to loss
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
	healthy []*sighting       // Workable and nothing wrong: may be planned
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
	t.watch(ctx)
	epochs := t.epochEnds(ctx)
	each(t.Parallel, t.view.partitions, func(s *sighting) {
		t.guard(s.incarnation.Topic, s.number, func() error { return t.look(ctx, s, epochs) })
	})
	each(t.Parallel, t.view.gone, func(p Progress) {
		t.guard(p.Topic(), p.Number, func() error { return t.close(ctx, p) })
	})
	t.plan(ctx)
}

var errDiverged = errors.New("DIVERGED: the log was cut below what is archived; a person decides, see bifrost accept")

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
		// What workers had in hand when the log was cut still comes home.
		return errors.Join(errDiverged, t.advance(ctx, s.progress))
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
	t.healthy = append(t.healthy, s)
	t.mutex.Unlock()
	return t.watchStable(ctx, s)
}

// advance moves next_offset where workers have left that to somebody else. A
// hole in the tiling means that rows were lost alone: the progress row goes, and
// the next pass builds it anew along the objects.
func (t *tick) advance(ctx context.Context, p *Progress) error {
	if p.NextOffset == p.PlannedOffset || t.stillPlanned(p.Partition, p.NextOffset) {
		return nil
	}
	now, err := advance(ctx, t.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) && p.Status == StatusOpen {
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

func (t *tick) finish() {
	s := &t.summary
	for _, p := range t.view.partitions {
		next := int64(0)
		if p.progress != nil {
			next = p.progress.NextOffset
		}
		s.Lag += max(0, p.seen.LastStable-next)
	}
	t.nearest()
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
