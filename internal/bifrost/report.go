// What a tick says when it ends.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// TickRecord is what the last tick of a cluster says of itself, and when the last
// one looked at everything. There is one per cluster, written once per tick.
type TickRecord struct {
	ID         string
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

// noteTroubles writes into progress rows what begins, changes and ends.
func (t *tick) noteTroubles(ctx context.Context) {
	if t.Journal == nil {
		return
	}
	now := t.view.at
	var changed []Progress // with the trouble to write
	for _, trouble := range t.troubles {
		p, before := trouble.row, trouble.row.Trouble
		switch {
		case before.Error == "":
			p.Trouble = Trouble{trouble.error, now, now}
		case before.Error != trouble.error && now.Sub(before.At) >= retoldAfter:
			p.Trouble = Trouble{trouble.error, before.Since, now}
		default:
			continue
		}
		changed = append(changed, p)
	}
	t.view.eachRow(func(p *Progress) {
		if _, still := t.troubles[p.Partition]; p.Trouble.Error != "" && !still && !t.skipped[p.Partition] {
			over := *p
			over.Trouble = Trouble{}
			changed = append(changed, over)
		}
	})
	parallel.Each(t.crew, changed, func(p Progress) {
		t.runGuarded(toDispatch, place{topic: p.Topic(), number: p.Number}, func() error {
			err := t.Journal.NoteTrouble(ctx, p, p.Trouble)
			if ignoreConflict(err) == nil {
				return nil
			}
			t.mutex.Lock()
			t.untold++
			t.mutex.Unlock()
			return fmt.Errorf("write into the progress row what keeps ticks from the partition: %w", err)
		})
	})
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
// person has interrupted says nothing about the archive.
func (t *tick) recordTick(ctx context.Context, failed error) {
	if t.Journal == nil || errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	s := &t.summary
	r := TickRecord{
		ID: s.ID, StartedAt: t.started, EndedAt: t.Now(),
		Topics: s.Topics, Partitions: s.Partitions, Failures: s.Failures, Unfinished: s.Unfinished,
	}
	if t.view != nil {
		r.ClusterID = t.view.clusterID
	}
	if failed != nil {
		r.Error = failed.Error()
	} else if s.Unfinished+t.untold == 0 {
		r.CompleteAt, r.Filter = t.view.at, t.Settings.Topics
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()
	if err := ignoreConflict(t.Journal.NoteTick(ctx, r)); err != nil {
		t.addFailure(failureOf(fmt.Errorf("leave a record of this tick: %w", err)))
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
func (t *tick) longestWait() time.Duration {
	memory := t.CaughtUp
	if memory == nil {
		memory = new(CaughtUp)
	}
	memory.mutex.Lock()
	defer memory.mutex.Unlock()
	now, longest := t.Now(), time.Duration(0)
	at := make(map[Partition]time.Time, len(t.view.partitions))
	for _, s := range t.view.partitions {
		if s.progress == nil {
			continue
		}
		key := s.progress.Partition
		since, due := t.dueSince(s, memory.at[key])
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
// recordTick came, and if the plan lets its tail wait, when it has waited long enough.
// due is false as long as nothing is. CaughtUp is when nothing was, as far as anybody
// remembers.
func (t *tick) dueSince(s *sighting, caughtUp time.Time) (since time.Time, due bool) {
	p, now := *s.progress, t.Now()
	if s.seen.LastStable <= p.NextOffset {
		return time.Time{}, false
	}
	since = waitingSince(p, caughtUp)
	if p.NextOffset < p.PlannedOffset || p.PlannedOffset < p.KnownUntil {
		return since, true
	}
	sizing := t.Settings.SizingOf(p.Topic())
	if CountRanges(p, s.seen, Ahead{}, sizing, now, 1) == 0 {
		return time.Time{}, false
	}
	if aged := p.LastPlannedAt.Add(sizing.TailAge(p, s.seen, now)); !aged.After(now) {
		return later(since, aged), true
	}
	return since, true // by its size, or because Kafka may delete it soon
}

// waitingSince is a time that the first waiting record was not written before, as
// isLate as can be known without reading it: that of the record before it, when
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
func (t *tick) sinceArchived() time.Duration {
	var last, planned time.Time
	for _, s := range t.view.partitions {
		if s.progress != nil {
			last = later(last, s.progress.LastArchivedAt)
		}
	}
	for _, rows := range t.view.planned {
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
	return max(0, t.Now().Sub(last))
}

func (t *tick) sumUp() {
	s := &t.summary
	for _, p := range t.view.partitions {
		next := int64(0)
		if p.progress != nil {
			next = p.progress.NextOffset
			if p.progress.Status == StatusDiverged {
				s.Diverged++
			}
		}
		s.Lag += max(0, p.seen.LastStable-next)
	}
	longest := t.longestWait()
	s.LagSeconds = int64(longest.Seconds())
	s.StalledSeconds = int64(min(longest, t.sinceArchived()).Seconds())
	t.noteNearest()
	s.Milliseconds = t.Now().Sub(t.started).Milliseconds()
}

// noteNearest puts into the summary how near to loss the archive is.
func (t *tick) noteNearest() {
	first := (*sighting)(nil)
	for _, s := range t.view.partitions {
		if !s.seen.LossAt.IsZero() && (first == nil || s.seen.LossAt.Before(first.seen.LossAt)) {
			first = s
		}
	}
	if first == nil {
		return
	}
	seconds := int64(timeToLoss(first.seen.LossAt, t.Now()).Seconds())
	t.summary.TimeToLoss = &seconds
	t.summary.NearestToLoss = first.progress.Partition.String()
}

func (t *tick) countBlocked(s *sighting) error {
	t.mutex.Lock()
	t.summary.Blocked++
	t.mutex.Unlock()
	return inRow{fmt.Errorf("BLOCKED: a transaction at offset %d does not end, and %d offsets wait behind it; "+
		"find its producer with kafka-transactions.sh find-hanging, and end it with its abort",
		s.seen.LastStable, s.seen.HighWatermark-s.seen.LastStable)}
}
