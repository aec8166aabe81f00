// What becomes of deleted topics, or of whatever else no log belongs to any more.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

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

// listOrphans are the partitions that have planned rows and no progress row, by what
// this pass has read. The index lags, so some may be none.
func (t *tick) listOrphans() []Partition {
	known := map[Partition]bool{}
	for _, p := range t.view.progress {
		known[p.Partition] = true
	}
	// What a birth makes again comes first: next to the branch that goes on, no
	// tick plans for those that were left.
	newcomers := map[rowKey]bool{}
	for _, s := range t.view.partitions {
		if s.progress == nil {
			newcomers[rowKey{s.incarnation, s.number}] = true
		}
	}
	return slices.DeleteFunc(slices.SortedFunc(maps.Keys(t.view.planned), comparePartitions), func(p Partition) bool {
		here := Incarnation{t.view.clusterID, p.Topic(), t.view.planned[p][0].TopicID}
		return known[p] || newcomers[rowKey{here, p.Number}] || !t.Settings.Topics.Archives(p.Topic())
	})
}

// adoptOrphan makes the progress row of a partition that has planned rows and none, as
// rebuildPartition would. What its rows say is enough for that. From then on it is a
// partition like any other: the next ticks read what Kafka still has of it, or
// see that its topic is gone and make gaps of it.
func (t *tick) adoptOrphan(ctx context.Context, p Partition) error {
	if _, err := t.Ledger.Progress(ctx, p); !errors.Is(err, ErrNotFound) {
		return err // made since the table was read, or nobody knows
	}
	t.Log.WarnContext(ctx, "a partition has planned ranges and no progress row; it is made anew", LogTopic, p.Name,
		LogName, p.Name, LogKafkaTopic, p.Topic(), LogPartition, p.Number)
	return t.rebuildPartition(ctx, p)
}

// rebuildPartition does for one partition what the command does for all: it makes or goes on
// with its progress row, along its rows and objects.
func (t *tick) rebuildPartition(ctx context.Context, p Partition) error {
	builder := t.newBuilder(t.marks) // what it plans is for the next pass to give to functions
	_, due, err := builder.Rebuild(ctx, p, RebuildOptions{Crew: parallel.NewCrew(1), ClusterID: t.view.clusterID})
	if due.IsZero() {
		t.readAgain()
	} else {
		t.report.countFencing()
	}
	return err
}
