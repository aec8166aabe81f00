// What a tick says when it ends.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// TickRecord is what the last tick of a cluster says of itself, and when the last
// one looked at everything. There is one per cluster, written once per tick.
type TickRecord struct {
	ID         string
	By         string // who ticked, for people; empty when a release before this field did
	ClusterID  string // empty when the tick ended before it knew
	StartedAt  time.Time
	EndedAt    time.Time
	Topics     int // as in the TickSummary
	Partitions int
	Failures   int
	Unfinished int
	Error      string // what stopped the tick as a whole

	CompleteAt time.Time   // when the last tick asked Kafka that left no partition to the next; zero when none did
	Filter     TopicFilter // the topics that it looked at
}

// Trouble is what kept the last tick from looking at a partition, or from doing
// what was due there. It is written when it begins, changes and ends.
type Trouble struct {
	Error string    // empty when there is none
	Since time.Time // when the first tick met it that met anything
	At    time.Time // when Error was written
}

// retoldAfter bounds how often a trouble is written whose words change with every
// tick, such as the port of a connection that was refused.
const retoldAfter = 15 * time.Minute

// troubled is a partition that this tick could not deal with.
type troubled struct {
	row   Progress
	error string
}

// tickReport gathers what a tick has to tell. Partitions that are worked on
// concurrently report to it.
type tickReport struct {
	mutex    sync.Mutex
	summary  TickSummary
	troubles map[Partition]troubled // what the pass could not deal with
	skipped  map[Partition]bool     // left to the next tick because time was short
	untold   int                    // troubles that could not be written down
}

// addDispatch says what became of the ranges that wait.
func (r *tickReport) addDispatch(d dispatchCounts) {
	r.summary.InFlight, r.summary.Waiting, r.summary.Dispatched = d.inFlight, d.waiting, d.dispatched
	r.summary.Unfinished += d.unfinished
}

// beginPass forgets what an earlier pass has told, and begins with what kept this one
// from looking at partitions.
func (r *tickReport) beginPass(v *view) {
	r.troubles, r.skipped = maps.Clone(v.troubles), map[Partition]bool{}
	r.summary = TickSummary{
		ID: r.summary.ID, Topics: v.topics, Partitions: len(v.partitions), Failed: []TickFailure{},
	}
	for _, f := range v.failures {
		AddFailure(&r.summary.Failed, &r.summary.Failures, f)
	}
}

func (r *tickReport) addFailure(f TickFailure) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	AddFailure(&r.summary.Failed, &r.summary.Failures, f)
}

// addTrouble keeps the failure of one partition: as a trouble of its row too, unless
// the row says it already.
func (r *tickReport) addTrouble(at place, err error) {
	r.addFailure(at.newFailure(err))
	if at.row != nil && !errors.Is(err, errInRow) {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.troubles[at.row.Partition] = troubled{*at.row, err.Error()}
	}
}

// addUnfinished counts a partition that is left to the next tick.
func (r *tickReport) addUnfinished(at place) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.summary.Unfinished++
	if at.row != nil {
		r.skipped[at.row.Partition] = true
	}
}

// countFencing counts a partition that waits for the fence pause.
func (r *tickReport) countFencing() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.summary.Fencing++
}

// countUntold counts a trouble that could not be written down.
func (r *tickReport) countUntold() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.untold++
}

// countBlocked counts a partition with a transaction that does not end, and answers
// what is wrong with it.
func (r *tickReport) countBlocked(s *sighting) error {
	r.mutex.Lock()
	r.summary.Blocked++
	r.mutex.Unlock()
	return inRow{fmt.Errorf("BLOCKED: a transaction at offset %d does not end, and %d offsets wait behind it; "+
		"find its producer with kafka-transactions.sh find-hanging, and end it with its abort",
		s.seen.LastStable, s.seen.HighWatermark-s.seen.LastStable)}
}

// tickRecorder writes down what a tick has reported: in progress rows, and in the record
// of the tick.
type tickRecorder struct {
	guard
	journal Journal // nil: nothing is written
	crew    parallel.Crew
	topics  TopicFilter
	by      string
}

func (t *tick) newRecorder() tickRecorder {
	return tickRecorder{guard: t.guard, journal: t.Journal, crew: t.crew, topics: t.Settings.Topics, by: t.By}
}

// noteTroubles writes into progress rows what begins, changes and ends.
func (r tickRecorder) noteTroubles(ctx context.Context, v *view) {
	if r.journal == nil {
		return
	}
	parallel.Each(r.crew, r.report.changedTroubles(v), func(p Progress) {
		r.runGuarded(toDispatch, place{topic: p.Topic(), number: p.Number}, func() error {
			err := r.journal.NoteTrouble(ctx, p, p.Trouble)
			if ignoreConflict(err) == nil {
				return nil
			}
			r.report.countUntold()
			return fmt.Errorf("write into the progress row what keeps ticks from the partition: %w", err)
		})
	})
}

// changedTroubles is the rows that the pass saw, with the trouble to write.
func (r *tickReport) changedTroubles(v *view) []Progress {
	var changed []Progress
	for _, trouble := range r.troubles {
		p, before := trouble.row, trouble.row.Trouble
		switch {
		case before.Error == "":
			p.Trouble = Trouble{trouble.error, v.at, v.at}
		case before.Error != trouble.error && v.at.Sub(before.At) >= retoldAfter:
			p.Trouble = Trouble{trouble.error, before.Since, v.at}
		default:
			continue
		}
		changed = append(changed, p)
	}
	v.eachRow(func(p *Progress) {
		if _, still := r.troubles[p.Partition]; p.Trouble.Error != "" && !still && !r.skipped[p.Partition] {
			over := *p
			over.Trouble = Trouble{}
			changed = append(changed, over)
		}
	})
	return changed
}

// eachRow calls look for the progress row of everything that the pass had in view.
func (v *view) eachRow(look func(*Progress)) {
	for _, s := range v.partitions {
		if s.progress != nil {
			look(s.progress)
		}
	}
	for i := range v.gone {
		look(&v.gone[i])
	}
	for i := range v.left {
		look(&v.left[i])
	}
}

// recordPatience is how long the record of a tick may take whose own time may be
// over.
const recordPatience = 10 * time.Second

// recordTick leaves the record of the tick, whatever became of it. A tick that a
// person has interrupted says nothing about the archive. The view is the last that
// was read, nil when none was.
func (r tickRecorder) recordTick(ctx context.Context, v *view, failed error) {
	if r.journal == nil || errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	s := &r.report.summary
	record := TickRecord{
		ID: s.ID, By: r.by, StartedAt: r.started, EndedAt: r.now(),
		Topics: s.Topics, Partitions: s.Partitions, Failures: s.Failures, Unfinished: s.Unfinished,
	}
	if v != nil {
		record.ClusterID = v.clusterID
	}
	if failed != nil {
		record.Error = failed.Error()
	} else if s.Unfinished+r.report.untold == 0 {
		record.CompleteAt, record.Filter = v.at, r.topics
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()
	if err := ignoreConflict(r.journal.NoteTick(ctx, record)); err != nil {
		r.report.addFailure(failureOf(fmt.Errorf("leave a record of this tick: %w", err)))
	}
}

// CaughtUp remembers when nothing of a partition was due. The tables do not: an
// idle partition is never written. It is kept in the memory of a function, which
// is enough: without it the age of what waits is overestimated, never under.
type CaughtUp struct {
	mutex sync.Mutex
	at    map[Partition]time.Time
}

// longestWait is for how long a range has been due in the partition that is
// furthest behind; 0 when none is.
func (memory *CaughtUp) longestWait(partitions []*sighting, sizingOf func(topic string) Sizing,
	now time.Time) time.Duration {
	if memory == nil {
		memory = new(CaughtUp)
	}
	memory.mutex.Lock()
	defer memory.mutex.Unlock()
	longest := time.Duration(0)
	at := make(map[Partition]time.Time, len(partitions))
	for _, s := range partitions {
		if s.progress == nil {
			continue
		}
		key := s.progress.Partition
		since, due := dueSince(s, memory.at[key], sizingOf, now)
		if !due {
			at[key] = s.seen.At
			continue
		}
		at[key] = memory.at[key]
		longest = max(longest, now.Sub(since))
	}
	memory.at = at
	return longest
}

// dueSince is when the first range that is not archived yet was due: when its first
// record came, and if the plan lets its tail wait, when it has waited long enough.
// due is false as long as nothing is. caughtUp is when nothing was, as far as anybody
// remembers. It is pure.
func dueSince(s *sighting, caughtUp time.Time, sizingOf func(topic string) Sizing, now time.Time) (since time.Time,
	due bool) {
	p := *s.progress
	if s.seen.LastStable <= p.NextOffset {
		return time.Time{}, false
	}
	since = waitingSince(p, caughtUp)
	if p.NextOffset < p.PlannedOffset || p.PlannedOffset < p.KnownUntil {
		return since, true
	}
	sizing := sizingOf(p.Topic())
	if CountRanges(p, s.seen, Ahead{}, sizing, now, 1) == 0 {
		return time.Time{}, false
	}
	if aged := p.LastPlannedAt.Add(sizing.TailAge(p, s.seen, now)); !aged.After(now) {
		return later(since, aged), true
	}
	return since, true // by its size, or because Kafka may delete it soon
}

// waitingSince is a time that the first waiting record was not written before, as
// late as can be known without reading it: that of the record before it, when
// nothing waited, or, as long as nothing of the partition was ever archived, when
// it was last planned. It is pure.
func waitingSince(p Progress, caughtUp time.Time) time.Time {
	since := caughtUp
	if p.LastStable <= p.NextOffset {
		since = later(since, p.At)
	}
	if !p.LastRecordAt.IsZero() {
		since = later(since, sooner(p.LastRecordAt, p.LastArchivedAt))
	}
	if since.IsZero() {
		since = p.LastPlannedAt
	}
	return since
}

// sinceArchived is how long ago anything was archived. Where nothing ever was, it
// is how long ago that was planned which has waited longest.
func (v *view) sinceArchived(now time.Time) time.Duration {
	var last, planned time.Time
	for _, s := range v.partitions {
		if s.progress != nil {
			last = later(last, s.progress.LastArchivedAt)
		}
	}
	for _, rows := range v.planned {
		for _, r := range rows {
			planned = sooner(planned, r.PlannedAt)
		}
	}
	if last.IsZero() {
		last = planned
	}
	if last.IsZero() {
		return 0
	}
	return max(0, now.Sub(last))
}

func (t *tick) sumUp() {
	now := t.Now()
	longest := t.CaughtUp.longestWait(t.view.partitions, t.Settings.SizingOf, now)
	t.report.sumUp(t.view, longest, now)
	t.report.summary.Milliseconds = t.Now().Sub(t.started).Milliseconds()
}

// sumUp puts into the summary how far behind the archive is, as the view shows it.
// longest is what CaughtUp tells of it.
func (r *tickReport) sumUp(v *view, longest time.Duration, now time.Time) {
	s := &r.summary
	for _, p := range v.partitions {
		next := int64(0)
		if p.progress != nil {
			next = p.progress.NextOffset
			if p.progress.Status == StatusDiverged {
				s.Diverged++
			}
		}
		s.Lag += max(0, p.seen.LastStable-next)
	}
	s.LagSeconds = int64(longest.Seconds())
	s.StalledSeconds = int64(min(longest, v.sinceArchived(now)).Seconds())
	if first := v.nearestToLoss(); first != nil {
		seconds := int64(timeToLoss(first.seen.LossAt, now).Seconds())
		s.TimeToLoss, s.NearestToLoss = &seconds, first.progress.Partition.String()
	}
}

// nearestToLoss is the partition of which Kafka may delete a record first; nil when
// none is known to be threatened.
func (v *view) nearestToLoss() (first *sighting) {
	for _, s := range v.partitions {
		if !s.seen.LossAt.IsZero() && (first == nil || s.seen.LossAt.Before(first.seen.LossAt)) {
			first = s
		}
	}
	return first
}
