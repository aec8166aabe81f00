package bifrost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// watchLoss finds out for every partition in which something waits when Kafka may
// delete it. Whoever may not describe a topic's configuration archives it all the
// same: its partitions count as safe, and the summary says so.
func (t *tick) watchLoss(ctx context.Context) {
	waiting := t.waitingSightings()
	if t.Retention == nil || len(waiting) == 0 {
		return
	}
	kept := t.readRetentions(ctx, waiting)
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
		t.clearAges(ctx, some, kept)
	}
}

func (t *tick) waitingSightings() []*sighting {
	var waiting []*sighting
	for _, s := range t.view.partitions {
		if s.progress != nil && s.progress.Status.Workable() && somethingWaits(*s.progress, s.seen) {
			waiting = append(waiting, s)
		}
	}
	return waiting
}

// readRetentions asks for the configuration of the topics in which something waits.
func (t *tick) readRetentions(ctx context.Context, waiting []*sighting) map[string]Retention {
	names := make([]string, 0, len(waiting))
	for _, s := range waiting {
		names = append(names, s.incarnation.Topic)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	kept, err := t.Retention.Retention(ctx, names)
	if err != nil {
		t.addFailure("", nil, fmt.Errorf("find out when Kafka deletes the records of %d topics: %w", len(names), err))
		return nil
	}
	if refused, err := firstRefusal(names, kept); err != nil {
		t.addFailure("", nil, fmt.Errorf("nobody knows when Kafka deletes the records of %d topics; allow DescribeConfigs on topics: %w", refused, err))
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
// lookAt older than half of the topic's retention, and may be wrong: nothing was
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
func (t *tick) clearAges(ctx context.Context, unclear []*sighting, kept map[string]Retention) {
	keys := make([]TopicPartition, len(unclear))
	for i, s := range unclear {
		keys[i] = s.kafkaPartition()
	}
	half := t.Now().Add(-kept[unclear[0].incarnation.Topic].age() / 2)
	answers, err := t.History.OffsetsAt(ctx, keys, half)
	if err != nil {
		t.addFailure("", nil, fmt.Errorf("find out how old the first waiting records of %d partitions are: %w", len(unclear), err))
		return
	}
	for _, s := range unclear {
		answer, ok := answers[s.kafkaPartition()]
		if ok && answer.Err == nil && answer.Offset <= max(s.progress.NextOffset, s.seen.LogStart) {
			s.seen.LossAt = LossAt(*s.progress, s.seen, kept[s.incarnation.Topic], half)
		}
	}
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
