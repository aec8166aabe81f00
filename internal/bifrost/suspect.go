// What keeps a log that is there from being planned.

package bifrost

import (
	"context"
	"fmt"
	"time"
)

// confirmAfter is how far apart two ticks must be to count as two. Brokers'
// metadata may be stale and a high watermark may dip for moments after a
// failover; both are over by then. What counts is when the second tick asked
// Kafka: one that stood still since, between asking and acting, has seen nothing
// new.
const confirmAfter = 10 * time.Second

// The words of Progress.Suspicion.
const (
	suspicionBackwards = "the log ends below what is archived or planned"
	suspicionGone      = "the topic is deleted"
)

// askEpochEnds asks, for the partitions that have another leader than when they
// were planned, where the old leader's epoch ends now. An answer below what is
// planned means that the log was cut, even if it has grown back since.
func askEpochEnds(ctx context.Context, history History, partitions []*sighting) map[TopicPartition]EpochAnswer {
	changed := map[TopicPartition]int32{}
	for _, s := range partitions {
		p := s.progress
		if p != nil && p.Status.Workable() && p.PlannedEpoch >= 0 && p.PlannedEpoch != s.seen.LeaderEpoch {
			changed[s.kafkaPartition()] = p.PlannedEpoch
		}
	}
	if len(changed) == 0 {
		return nil
	}
	answers, err := history.EpochEnds(ctx, changed)
	if err == nil {
		return answers
	}
	answers = make(map[TopicPartition]EpochAnswer, len(changed))
	for key := range changed {
		answers[key] = EpochAnswer{Err: err}
	}
	return answers
}

// partitionInspector decides what state a partition is in that has a row and a log.
type partitionInspector struct {
	statuses statusWriter
	opener   partitionOpener // of a branch that has no row yet
	builder  *PartitionBuilder
	cluster  Cluster // all brokers are asked before a suspicion counts
	epochs   map[TopicPartition]EpochAnswer
	planned  map[Partition][]Row // PLANNED rows by the index
	at       time.Time           // before Kafka was asked
	report   *tickReport         // of blocked partitions
}

// suspectLog reports whether the partition may be planned. A log that went
// backwards must be seen by two ticks before it is DIVERGED; until then nothing
// is planned.
func (i partitionInspector) suspectLog(ctx context.Context, s *sighting) (healthy bool, err error) {
	p := s.progress
	backwards, err := wentBackwards(s, i.epochs)
	if err != nil {
		return false, err
	}
	switch {
	case !backwards && p.Suspicion == "":
		return true, nil
	case !backwards:
		err = i.statuses.changeStatus(ctx, p, p.Status, "", s.seen)
		return err == nil, ignoreConflict(err)
	case p.Suspicion != suspicionBackwards:
		err = i.statuses.changeStatus(ctx, p, p.Status, suspicionBackwards, s.seen)
	case i.at.Sub(p.SuspectedAt) >= confirmAfter:
		if err := checkAlone(ctx, i.cluster, s.incarnation); err != nil {
			return false, err
		}
		err = i.statuses.changeStatus(ctx, p, StatusDiverged, suspicionBackwards, s.seen)
	}
	if err != nil {
		return false, ignoreConflict(err)
	}
	return false, inRow{fmt.Errorf("%s: log end %d, planned or known to exist up to %d (%s)",
		suspicionBackwards, s.seen.LastStable, p.ArchivedUntil(), p.Status)}
}

// ArchivedUntil is up to where offsets are planned or have objects.
func (p Progress) ArchivedUntil() int64 { return max(p.PlannedOffset, p.KnownUntil) }

func wentBackwards(s *sighting, epochs map[TopicPartition]EpochAnswer) (bool, error) {
	if s.seen.LastStable < s.progress.ArchivedUntil() {
		return true, nil
	}
	answer, asked := epochs[s.kafkaPartition()]
	if !asked {
		return false, nil
	}
	if answer.Err != nil {
		return false, fmt.Errorf("ask where leader epoch %d ends: %w", s.progress.PlannedEpoch, answer.Err)
	}
	return answer.End >= 0 && answer.End < s.progress.ArchivedUntil(), nil
}

// statusWriter writes what a tick decides and sees into progress rows.
type statusWriter struct {
	ledger Ledger
	now    func() time.Time
}

// changeStatus writes status and suspicion, and into p what it has written, except
// for Generation and PlannedOffset, which it names as its condition.
func (w statusWriter) changeStatus(ctx context.Context, p *Progress, status Status, suspicion string,
	seen Observation) error {
	write := StatusWrite{Progress: *p, Status: status, Suspicion: suspicion, Observation: seen}
	if suspicion != "" {
		write.SuspectedAt = p.SuspectedAt
		if p.Suspicion != suspicion {
			write.SuspectedAt = w.now()
		}
		write.Error = suspicion
	}
	if err := w.ledger.ChangeStatus(ctx, write); err != nil {
		return fmt.Errorf("set status %s: %w", status, err)
	}
	p.Status, p.Suspicion, p.SuspectedAt = status, suspicion, write.SuspectedAt
	return nil
}

// checkAlone asks every broker whether the incarnation is the only one that is known
// by its name. Offsets are asked for by name: where a broker still lists an
// incarnation that is gone, they are those of the one that took its place.
func checkAlone(ctx context.Context, cluster Cluster, i Incarnation) error {
	answers, err := cluster.Find(ctx, []string{i.Topic})
	if err == nil {
		err = answers[i.Topic].Err
	}
	if err != nil {
		return fmt.Errorf("ask all brokers for the topic: %w", err)
	}
	if ids := answers[i.Topic].IDs; len(ids) != 1 || ids[0] != i.TopicID {
		return fmt.Errorf("a broker lists topic ID %s, all together know the topic under %d IDs: it is being made "+
			"anew, or a broker is behind", i.TopicID, len(ids))
	}
	return nil
}

// blockedAfter is how long a transaction may be open before its partition counts
// as blocked: the longest that brokers let a producer ask for, by default
// (transaction.max.timeout.ms). They abort a longer one, unless it is hanging
// (KIP-664): then it stays until somebody aborts it by hand.
const blockedAfter = 15 * time.Minute

// watchStable looks for a last stable offset that stands still below the high
// watermark. What the progress row says of them is as old as its last plan, so
// that alone proves nothing about the time between. A row that shows the same
// last stable offset, and shows a transaction open above it, does: that one
// transaction has been open ever since. So the first sight of an open transaction
// on a partition with nothing else to write is noted, in one write, and a later
// tick counts from there.
func (i partitionInspector) watchStable(ctx context.Context, s *sighting) error {
	p := s.progress
	open := s.seen.HighWatermark > s.seen.LastStable
	stands := open && s.seen.LastStable == p.LastStable
	switch {
	case !stands && p.Status == StatusBlocked:
		return ignoreConflict(i.statuses.writeObservation(ctx, s, StatusOpen, ""))
	case !stands && p.At.IsZero(): // made by a rebuild: what nobody has seen is unknown until a tick says it
		return ignoreConflict(i.statuses.writeObservation(ctx, s, p.Status, p.Error))
	case !stands:
		return nil
	case p.Status == StatusBlocked:
		return i.report.countBlocked(s)
	case p.HighWatermark <= p.LastStable:
		return ignoreConflict(i.statuses.writeObservation(ctx, s, p.Status, p.Error))
	case s.seen.At.Sub(p.At) < blockedAfter:
		return nil
	}
	since := fmt.Sprintf("a transaction has been open at offset %d since %s or longer", p.LastStable,
		p.At.UTC().Format(time.RFC3339))
	if err := i.statuses.writeObservation(ctx, s, StatusBlocked, since); err != nil {
		return ignoreConflict(err)
	}
	return i.report.countBlocked(s)
}

// writeObservation writes what the tick sees, and the status that follows from it.
func (w statusWriter) writeObservation(ctx context.Context, s *sighting, status Status, message string) error {
	write := StatusWrite{Progress: *s.progress, Status: status, Error: message, Observation: s.seen}
	if err := w.ledger.ChangeStatus(ctx, write); err != nil {
		return fmt.Errorf("set status %s: %w", status, err)
	}
	s.progress.Status, s.progress.Error, s.progress.Observation = status, message, s.seen
	return nil
}
