package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GapMarker turns a plan into a gap.
type GapMarker interface {
	// MarkGap sets the GapReason of the row and ends its pause (Invocation and Error
	// cleared, LeaseUntil zero) if it is still PLANNED with the same end, and its partition's
	// progress row still has p's Generation, Status and suspicion; ErrConflict when not.
	MarkGap(ctx context.Context, p Progress, r Row, reason string) error
}

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

// epochEnds asks, for the partitions that have another leader than when they
// were planned, where the old leader's epoch ends now. An answer below what is
// planned means that the log was cut, even if it has grown back since.
func (t *tick) epochEnds(ctx context.Context) map[TopicPartition]EpochAnswer {
	changed := map[TopicPartition]int32{}
	for _, s := range t.view.partitions {
		p := s.progress
		if p != nil && p.Status.Workable() && p.PlannedEpoch >= 0 && p.PlannedEpoch != s.seen.LeaderEpoch {
			changed[s.kafkaPartition()] = p.PlannedEpoch
		}
	}
	if len(changed) == 0 {
		return nil
	}
	answers, err := t.History.EpochEnds(ctx, changed)
	if err == nil {
		return answers
	}
	answers = make(map[TopicPartition]EpochAnswer, len(changed))
	for key := range changed {
		answers[key] = EpochAnswer{Err: err}
	}
	return answers
}

// suspectLog reports whether the partition may be planned. A log that went
// backwards must be seen by two ticks before it is DIVERGED; until then nothing
// is planned.
func (t *tick) suspectLog(ctx context.Context, s *sighting, epochs map[TopicPartition]EpochAnswer) (healthy bool, err error) {
	p := s.progress
	backwards, err := wentBackwards(s, epochs)
	if err != nil {
		return false, err
	}
	switch {
	case !backwards && p.Suspicion == "":
		return true, nil
	case !backwards:
		err = t.changeStatus(ctx, p, p.Status, "", s.seen)
		return err == nil, ignoreConflict(err)
	case p.Suspicion != suspicionBackwards:
		err = t.changeStatus(ctx, p, p.Status, suspicionBackwards, s.seen)
	case t.view.at.Sub(p.SuspectedAt) >= confirmAfter:
		if err := t.checkAlone(ctx, s.incarnation); err != nil {
			return false, err
		}
		err = t.changeStatus(ctx, p, StatusDiverged, suspicionBackwards, s.seen)
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

// changeStatus writes status and suspicion, and into p what it has written, except
// for Generation and PlannedOffset, which it names as its condition.
func (t *tick) changeStatus(ctx context.Context, p *Progress, status Status, suspicion string, seen Observation) error {
	w := StatusWrite{Progress: *p, Status: status, Suspicion: suspicion, Observation: seen}
	if suspicion != "" {
		w.SuspectedAt = p.SuspectedAt
		if p.Suspicion != suspicion {
			w.SuspectedAt = t.Now()
		}
		w.Error = suspicion
	}
	if err := t.Ledger.ChangeStatus(ctx, w); err != nil {
		return fmt.Errorf("set status %s: %w", status, err)
	}
	p.Status, p.Suspicion, p.SuspectedAt = status, suspicion, w.SuspectedAt
	return nil
}

// checkAlone asks every broker whether the incarnation is the only one that is known
// by its name. Offsets are asked for by name: where a broker still lists an
// incarnation that is gone, they are those of the one that took its place.
func (t *tick) checkAlone(ctx context.Context, i Incarnation) error {
	answers, err := t.Cluster.Find(ctx, []string{i.Topic})
	if err == nil {
		err = answers[i.Topic].Err
	}
	if err != nil {
		return fmt.Errorf("ask all brokers for the topic: %w", err)
	}
	if ids := answers[i.Topic].IDs; len(ids) != 1 || ids[0] != i.TopicID {
		return fmt.Errorf("a broker lists topic ID %s, all together know the topic under %d IDs: it is being made anew, or a broker is behind", i.TopicID, len(ids))
	}
	return nil
}

// reopenPartition takes back that a partition was closed.
func (t *tick) reopenPartition(ctx context.Context, s *sighting) error {
	if err := t.checkAlone(ctx, s.incarnation); err != nil {
		return err
	}
	t.readAgain()
	return ignoreConflict(t.changeStatus(ctx, s.progress, StatusOpen, "", s.seen))
}

// settleDeletedTopic settles what an incarnation that is gone leaves behind. What was never
// archived can be read by nobody any more: it becomes gaps, up to the last end
// that a tick saw. Two ticks must agree that the topic is gone.
func (t *tick) settleDeletedTopic(ctx context.Context, p Progress) error {
	if p.Status == StatusFencing {
		return t.fencePartition(ctx, p)
	}
	if p.Suspicion != suspicionGone {
		return ignoreConflict(t.changeStatus(ctx, &p, StatusOpen, suspicionGone, Observation{}))
	}
	if t.view.at.Sub(p.SuspectedAt) < confirmAfter {
		return nil
	}
	if err := t.markGaps(ctx, p, ReasonTopicDeleted); err != nil {
		return err
	}
	if err := t.advancePrefix(ctx, &p); err != nil {
		return err
	}
	if p.PlannedOffset < max(p.LastStable, p.KnownUntil) {
		return t.planDeletedTopic(ctx, p)
	}
	if p.NextOffset == p.PlannedOffset {
		return ignoreConflict(t.changeStatus(ctx, &p, StatusClosed, "", Observation{}))
	}
	return nil
}

// markGaps makes gaps of what was planned to be read. A row with a live lease is
// left to whoever may still be reading.
func (t *tick) markGaps(ctx context.Context, p Progress, reason string) error {
	for n, r := range t.view.planned[p.Partition] {
		if r.GapReason != "" || t.view.atWork.inHand(r, t.Now()) {
			continue
		}
		err := t.Ledger.MarkGap(ctx, p, r, reason)
		if errors.Is(err, ErrConflict) {
			continue // settled, or somebody has seen that it is no gap
		}
		if err != nil {
			return fmt.Errorf("mark range %s as a gap: %w", r.Range, err)
		}
		t.view.planned[p.Partition][n].GapReason = reason
		t.view.planned[p.Partition][n].Invocation, t.view.planned[p.Partition][n].LeaseUntil = "", time.Time{}
	}
	return nil
}

// planDeletedTopic plans the rest of an incarnation that is gone: along what exists, and
// gaps for all else.
func (t *tick) planDeletedTopic(ctx context.Context, p Progress) error {
	ahead, err := t.builder.findAhead(ctx, p, p.Incarnation())
	if err != nil {
		return err
	}
	end := max(p.LastStable, p.KnownUntil)
	seen := p.Observation
	seen.LogStart, seen.LastStable = end, end
	ranges := PlanRanges(p, seen, ahead, t.Settings.SizingOf(p.Topic()), t.Now(), plannedAtOnce)
	for i := range ranges {
		if ranges[i].GapReason == ReasonRetention {
			ranges[i].GapReason = ReasonTopicDeleted
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	last := p.Observation
	last.LeaderEpoch = p.PlannedEpoch
	return t.builder.writePlan(ctx, p, last, ranges)
}

// settleLeftBranch brings a branch that was left to where it is FORKED and nothing
// of it is planned. One whose row was lost after the fork is opened, planned along
// its rows and objects and left again, as rebuild would.
func (t *tick) settleLeftBranch(ctx context.Context, p Progress) error {
	switch p.Status {
	case StatusForked:
		return t.finishLeftBranch(ctx, p)
	case StatusDiverged:
		_, err := t.leaveBranch(ctx, p)
		return err
	}
	return t.rebuildPartition(ctx, p.Partition)
}

// finishLeftBranch settles what a branch that was left leaves behind. Its log is cut
// off: what was planned of it and never archived becomes gaps.
func (t *tick) finishLeftBranch(ctx context.Context, p Progress) error {
	if p.NextOffset == p.PlannedOffset {
		return nil
	}
	if err := t.markGaps(ctx, p, ReasonDiverged); err != nil {
		return err
	}
	_, err := advancePrefix(ctx, t.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) {
		return fmt.Errorf("%w: run bifrost rebuild", err)
	}
	return err
}
