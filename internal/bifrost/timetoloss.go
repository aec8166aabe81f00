// How long it takes until Kafka deletes what is not archived.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// batchOverhead is what Kafka stores for a record in a batch of its own besides
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
// not apply once everything that the plan saw is archived, nor where no log is left.
func (p Progress) Threat() time.Time {
	over := p.IsGone() || p.Status == StatusClosed || p.Status == StatusForked
	if over || !somethingWaits(p, p.Observation) {
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

// lostBySize is when as much will have been appended after the first waiting
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
// after what is archived now. They cannot where they were none when it was last
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

// lossWatch finds out when Kafka may delete what is not archived.
type lossWatch struct {
	retention RetentionReader // nil: nobody knows
	history   History
	report    *tickReport // of what could not be found out
	now       func() time.Time
}

// watchLoss finds out for every partition in which something waits when Kafka may
// delete it, and puts it into the sighting. Whoever may not describe a topic's
// configuration archives it all the same: its partitions count as safe, and the
// report says so.
func (w lossWatch) watchLoss(ctx context.Context, partitions []*sighting) {
	waiting := waitingSightings(partitions)
	if w.retention == nil || len(waiting) == 0 {
		return
	}
	kept := w.readRetentions(ctx, waiting)
	unclear := map[int64][]*sighting{}
	for _, s := range waiting {
		k, known := kept[s.incarnation.Topic]
		if !known {
			continue
		}
		s.kept = &k
		s.seen.LossAt = LossAt(*s.progress, s.seen, k, time.Time{})
		if k.ageUnclear(s) {
			unclear[k.Milliseconds] = append(unclear[k.Milliseconds], s)
		}
	}
	for _, some := range unclear {
		w.clearAges(ctx, some, kept)
	}
}

func waitingSightings(partitions []*sighting) []*sighting {
	var waiting []*sighting
	for _, s := range partitions {
		if s.progress != nil && s.progress.Status.Workable() && somethingWaits(*s.progress, s.seen) {
			waiting = append(waiting, s)
		}
	}
	return waiting
}

// readRetentions asks for the configuration of the topics in which something waits.
func (w lossWatch) readRetentions(ctx context.Context, waiting []*sighting) map[string]Retention {
	names := make([]string, 0, len(waiting))
	for _, s := range waiting {
		names = append(names, s.incarnation.Topic)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	kept, err := w.retention.Retention(ctx, names)
	if err != nil {
		w.report.addFailure(failureOf(fmt.Errorf("find out when Kafka deletes the records of %d topics: %w", len(names),
			err)))
		return nil
	}
	if refused, err := firstRefusal(names, kept); err != nil {
		w.report.addFailure(failureOf(fmt.Errorf("nobody knows when Kafka deletes the records of %d topics; allow "+
			"DescribeConfigs on topics: %w", refused, err)))
	}
	return kept
}

// firstRefusal counts the topics whose retention is not known. One that does not
// exist any more is nobody's fault.
func firstRefusal(names []string, kept map[string]Retention) (refused int, first error) {
	for _, name := range names {
		if err := kept[name].Err; err != nil && !errors.Is(err, ErrNotFound) {
			refused++
			if first == nil {
				first = err
			}
		}
	}
	return refused, first
}

// ageUnclear reports whether what the tables tell makes the first waiting record
// look older than half of the topic's retention, and may be wrong: nothing was
// archived yet, or nothing had waited for a long time before it came.
func (k Retention) ageUnclear(s *sighting) bool {
	p, seen := s.progress, s.seen
	return k.Milliseconds > 0 && seen.LastStable > p.NextOffset &&
		(p.LastRecordAt.IsZero() || caughtUp(*p)) && timeToLoss(seen.LossAt, seen.At) < k.age()/2
}

// clearAges asks Kafka's time index whether the first waiting records of partitions
// with one retention are younger than half of it, or one before them is, which is
// as good: Kafka deletes whole segments, the oldest first, so nothing goes sooner
// than what stands before it.
func (w lossWatch) clearAges(ctx context.Context, unclear []*sighting, kept map[string]Retention) {
	keys := make([]TopicPartition, len(unclear))
	for i, s := range unclear {
		keys[i] = s.kafkaPartition()
	}
	half := w.now().Add(-kept[unclear[0].incarnation.Topic].age() / 2)
	answers, err := w.history.OffsetsAt(ctx, keys, half)
	if err != nil {
		w.report.addFailure(failureOf(fmt.Errorf("find out how old the first waiting records of %d partitions are: %w",
			len(unclear), err)))
		return
	}
	for _, s := range unclear {
		answer, ok := answers[s.kafkaPartition()]
		if ok && answer.Err == nil && answer.Offset <= max(s.progress.NextOffset, s.seen.LogStart) {
			s.seen.LossAt = LossAt(*s.progress, s.seen, kept[s.incarnation.Topic], half)
		}
	}
}

// RememberRetention asks from, and asks again about a topic only when its answer
// is older than keep, also when the answer was a refusal. It may be used by many
// goroutines concurrently; a function keeps it from one tick to the next.
func RememberRetention(from RetentionReader, keep time.Duration, now func() time.Time) RetentionReader {
	return &rememberedRetention{from: from, keep: keep, now: now, topics: map[string]rememberedAnswer{}}
}

type rememberedRetention struct {
	from   RetentionReader
	keep   time.Duration
	now    func() time.Time
	mutex  sync.Mutex
	topics map[string]rememberedAnswer
}

type rememberedAnswer struct {
	Retention
	at time.Time
}

// Retention implements RetentionReader.
func (r *rememberedRetention) Retention(ctx context.Context, topics []string) (map[string]Retention, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.now()
	maps.DeleteFunc(r.topics, func(_ string, a rememberedAnswer) bool { return now.Sub(a.at) >= r.keep })
	var unknown []string
	for _, topic := range topics {
		if _, ok := r.topics[topic]; !ok {
			unknown = append(unknown, topic)
		}
	}
	if len(unknown) > 0 {
		fresh, err := r.from.Retention(ctx, unknown)
		if err != nil {
			return nil, err
		}
		for topic, retention := range fresh {
			r.topics[topic] = rememberedAnswer{retention, now}
		}
	}
	answers := make(map[string]Retention, len(topics))
	for _, topic := range topics {
		if a, ok := r.topics[topic]; ok {
			answers[topic] = a.Retention
		}
	}
	return answers, nil
}
