package bifrost

import (
	"math"
	"math/bits"
	"time"
)

// batchOverhead is what Kafka stores for a record in a batch of its own beside
// the record's value: 61 bytes of batch header (KIP-98) and the record's own
// lengths and deltas. It makes an estimate from values alone err on the safe side.
const batchOverhead = 70

// LossAt is when Kafka may delete the first record of the partition that is not
// archived yet: the zero time when nothing waits or no limit threatens it, now
// when it may happen at any moment, or when nobody knows. It is pure, and errs on
// the early side: Kafka deletes whole segments, and only once all of one is due.
//
// notOlder is a time that the first waiting record is known not to be older than,
// zero when nothing is known but what stands in p.
func LossAt(p Progress, seen Observation, kept Retention, notOlder time.Time) time.Time {
	if !somethingWaits(p, seen) || kept.Err != nil {
		return time.Time{}
	}
	return sooner(lostByAge(p, kept, notOlder, seen.At), lostBySize(p, seen, kept))
}

// Threat is when Kafka may delete the first record that is not archived, as the
// row tells; zero when no limit threatens it. The forecast of the last plan does
// not apply once everything that the plan saw is archived.
func (p Progress) Threat() time.Time {
	if !somethingWaits(p, p.Observation) {
		return time.Time{}
	}
	return p.LossAt
}

// somethingWaits reports whether there is a record to lose. What stands above the
// last stable offset cannot be archived yet, but it can be deleted.
func somethingWaits(p Progress, seen Observation) bool {
	return max(seen.LastStable, seen.HighWatermark) > p.NextOffset
}

// lostByAge rests on the newest archived record: what follows it in the log was
// appended later. Its time is believed no further than the moment of its archive,
// because a producer's clock may be ahead.
func lostByAge(p Progress, kept Retention, notOlder, now time.Time) time.Time {
	if kept.Milliseconds < 0 {
		return time.Time{}
	}
	written := later(notOlder, time.UnixMilli(0)) // of unknown age is as old as can be
	if !p.LastRecordAt.IsZero() {
		written = later(written, sooner(p.LastRecordAt, p.LastArchivedAt))
	}
	if kept.LogAppendTime && caughtUp(p) {
		written = later(written, p.At)
	}
	return later(now, written.Add(kept.age()))
}

// caughtUp reports whether all that the last observation saw is archived, so that
// whatever waits now was appended since.
func caughtUp(p Progress) bool { return p.HighWatermark <= p.NextOffset }

// lostBySize is when as much will have been appended behind the first waiting
// record as Kafka keeps, at the rate of growth since the last observation.
func lostBySize(p Progress, seen Observation, kept Retention) time.Time {
	if kept.Bytes < 0 {
		return time.Time{}
	}
	perOffset := float64(bytesPerOffset(p) + batchOverhead)
	room := float64(kept.Bytes) - float64(seen.HighWatermark-p.NextOffset)*perOffset
	if room <= 0 {
		return seen.At
	}
	elapsed, grown := seen.At.Sub(p.At), seen.HighWatermark-p.HighWatermark
	if elapsed <= 0 || grown <= 0 {
		return time.Time{}
	}
	left := room / perOffset / float64(grown) * float64(elapsed)
	if left >= math.MaxInt64 {
		return time.Time{}
	}
	return seen.At.Add(time.Duration(left))
}

// mayHaveDeleted reports whether the topic's own limits can be why its log begins
// behind what is archived now. They cannot where they were none when it was last
// planned, or not due yet (lossAt, as LossAt says), and are none now, or would
// have kept a record that was archived before: Kafka deletes the oldest first, and
// stops at what it has to keep. It is pure. Where nothing is proved it says true.
func (r Retention) mayHaveDeleted(p Progress, lossAt, now time.Time) bool {
	switch {
	case r.Err != nil, r.Bytes >= 0:
		return true
	case !lossAt.IsZero() && !now.Before(lossAt):
		return true
	case r.Milliseconds < 0:
		return false
	}
	return p.LastRecordAt.IsZero() || now.Sub(p.LastRecordAt) >= r.age()
}

// age is how long a record is kept, at most what a Duration holds: 292 years.
func (r Retention) age() time.Duration {
	return time.Duration(min(r.Milliseconds, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// timeToLoss is the distance to a LossAt.
func timeToLoss(lossAt, now time.Time) time.Duration {
	if lossAt.IsZero() {
		return NoLoss
	}
	return max(0, lossAt.Sub(now))
}

// nearness puts times to loss into classes, each twice as long as the one before:
// partitions of one class are equally near, so that a second's difference does
// not give one of them everything. The first is less than a minute.
func nearness(toLoss time.Duration) int {
	if toLoss == NoLoss {
		return math.MaxInt
	}
	return bits.Len64(uint64(max(0, toLoss) / time.Minute))
}

// Nearness is how near to loss the row's partition is, the nearest first: rows of
// one class are served in turns.
func (r Row) Nearness(now time.Time) int { return nearness(timeToLoss(r.LossAt, now)) }

// sooner is the earlier of two times, of which a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
