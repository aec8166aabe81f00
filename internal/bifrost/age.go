package bifrost

import (
	"sync"
	"time"
)

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
