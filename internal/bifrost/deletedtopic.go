// Which lives of topics are gone, deleted or made again, with what becomes of their rows.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// findGone finds the progress rows whose incarnation the cluster no longer
// has. The one broker that listed the topics may be behind, so where it does not
// list an incarnation, every broker is asked: it is gone when none knows it. A
// topic that is hidden or excluded is not gone.
func (o observer) findGone(ctx context.Context, v *view, topics []Topic, progress []Progress,
	rows map[rowKey]*Progress) error {
	ids := make(map[string]TopicID, len(topics))
	for _, t := range topics {
		ids[t.Name] = t.ID
	}
	absent := map[string][]Progress{}
	for _, p := range progress {
		settled := p.Status == StatusClosed || p.Status == StatusDiverged || p.Status == StatusForked
		if p.ClusterID != v.clusterID || settled || rows[p.rowKey()].Partition != p.Partition {
			continue
		}
		if id, listed := ids[p.Topic()]; !listed || id != p.TopicID {
			absent[p.Topic()] = append(absent[p.Topic()], p)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	return o.askForAbsent(ctx, v, absent)
}

func (o observer) askForAbsent(ctx context.Context, v *view, absent map[string][]Progress) error {
	names := make([]string, 0, len(absent))
	for name := range absent {
		names = append(names, name)
	}
	slices.Sort(names)
	answers, err := o.cluster.Find(ctx, names)
	if err != nil {
		return fmt.Errorf("ask for %d topics that are no longer listed: %w", len(names), err)
	}
	for _, name := range names {
		if err := answers[name].Err; err != nil {
			v.failTopic(name, fmt.Errorf("the topic is archived and no longer listed: %w", err), absent[name])
			continue
		}
		for _, p := range absent[name] {
			if !slices.Contains(answers[name].IDs, p.TopicID) {
				v.gone = append(v.gone, p)
			}
		}
	}
	return nil
}

// LastSeen remembers what ticks saw of logs beyond what their rows tell: a row is written when something happens
// to its partition, and records that wait for their object are no such thing. It is kept in the memory of a
// function: of a topic that is deleted it tells what is to become a gap.
type LastSeen struct {
	mutex sync.Mutex
	of    map[Partition]lastSight
}

type lastSight struct {
	topicID TopicID
	seen    Observation
}

// noteView keeps what a pass sees, and of partitions that it does not see what was seen before.
func (memory *LastSeen) noteView(v *view) {
	if memory == nil {
		return
	}
	memory.mutex.Lock()
	defer memory.mutex.Unlock()
	of := make(map[Partition]lastSight, len(memory.of))
	for _, p := range v.progress {
		if before, known := memory.of[p.Partition]; known && before.topicID == p.TopicID {
			of[p.Partition] = before
		}
	}
	for _, s := range v.partitions {
		switch {
		case s.progress == nil:
		case s.seen.LastStable > s.progress.LastStable:
			of[s.progress.Partition] = lastSight{s.incarnation.TopicID, s.seen}
		default:
			delete(of, s.progress.Partition)
		}
	}
	memory.of = of
}

// seenBeyond is what was seen last of the row's partition, if the row does not tell it; zero if it does.
func (memory *LastSeen) seenBeyond(p Progress) Observation {
	if memory == nil {
		return Observation{}
	}
	memory.mutex.Lock()
	defer memory.mutex.Unlock()
	last := memory.of[p.Partition]
	if last.topicID != p.TopicID || last.seen.LastStable <= p.LastStable {
		return Observation{}
	}
	return last.seen
}

// IsGone reports whether a tick has found the topic deleted, or created again, and ticks are not
// through with what it leaves behind: what is not archived can be read by nobody any more.
func (p Progress) IsGone() bool { return p.Suspicion == suspicionGone }

// reopenPartition takes back that a partition was closed.
func (i partitionInspector) reopenPartition(ctx context.Context, s *sighting) error {
	if err := checkAlone(ctx, i.cluster, s.incarnation); err != nil {
		return err
	}
	i.builder.tellMoved()
	return ignoreConflict(i.statuses.changeStatus(ctx, s.progress, StatusOpen, "", s.seen))
}

// leftoverSettler brings what no log belongs to any more to its end: nothing of it
// stays planned.
type leftoverSettler struct {
	statuses statusWriter
	opener   partitionOpener // of rows that are not open yet, or were lost
	builder  *PartitionBuilder
	lastSeen *LastSeen
	planned  map[Partition][]Row // PLANNED rows by the index; what became a gap is a gap here from then on
	atWork   atWork
	at       time.Time // before Kafka was asked
	now      func() time.Time
}

// settleDeletedTopic settles what an incarnation that is gone leaves behind. What was never
// archived can be read by nobody any more: it becomes gaps, up to the last end
// that a tick saw. Two ticks must agree that the topic is gone.
func (l leftoverSettler) settleDeletedTopic(ctx context.Context, p Progress) error {
	if p.Status == StatusFencing {
		return l.opener.fencePartition(ctx, p)
	}
	if p.Suspicion != suspicionGone {
		return ignoreConflict(l.statuses.changeStatus(ctx, &p, StatusOpen, suspicionGone, l.lastSeen.seenBeyond(p)))
	}
	if l.at.Sub(p.SuspectedAt) < confirmAfter {
		return nil
	}
	if err := l.markGaps(ctx, p, ReasonTopicDeleted); err != nil {
		return err
	}
	if err := l.builder.advanceOrForgetRow(ctx, &p, l.planned[p.Partition]); err != nil {
		return err
	}
	if p.PlannedOffset < max(p.LastStable, p.KnownUntil) {
		return l.planDeletedTopic(ctx, p)
	}
	if p.NextOffset == p.PlannedOffset {
		return ignoreConflict(l.statuses.changeStatus(ctx, &p, StatusClosed, "", Observation{}))
	}
	return nil
}

// markGaps makes gaps of what was planned to be read. A row with a live lease is
// left to whoever may still be reading.
func (l leftoverSettler) markGaps(ctx context.Context, p Progress, reason string) error {
	for n, r := range l.planned[p.Partition] {
		if r.GapReason != "" || l.atWork.inHand(r, l.now()) {
			continue
		}
		err := l.builder.Ledger.MarkGap(ctx, p, r, reason)
		if errors.Is(err, ErrConflict) {
			continue // settled, or somebody has seen that it is no gap
		}
		if err != nil {
			return fmt.Errorf("mark range %s as a gap: %w", r.Range, err)
		}
		l.planned[p.Partition][n].GapReason = reason
		l.planned[p.Partition][n].Invocation, l.planned[p.Partition][n].LeaseUntil = "", time.Time{}
	}
	return nil
}

// planDeletedTopic plans the rest of an incarnation that is gone: along what exists, and
// gaps for all else.
func (l leftoverSettler) planDeletedTopic(ctx context.Context, p Progress) error {
	ahead, err := l.builder.findAhead(ctx, p, p.Incarnation())
	if err != nil {
		return err
	}
	end := max(p.LastStable, p.KnownUntil)
	seen := p.Observation
	seen.LogStart, seen.LastStable = end, end
	ranges := PlanRanges(p, seen, ahead, l.builder.SizingOf(p.Topic()), l.now(), plannedAtOnce)
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
	return l.builder.writePlan(ctx, p, last, ranges)
}

// settleLeftBranch brings a branch that was left to where it is FORKED and nothing
// of it is planned. One whose row was lost after the fork is opened, planned along
// its rows and objects and left again, as rebuild would.
func (l leftoverSettler) settleLeftBranch(ctx context.Context, p Progress) error {
	switch p.Status {
	case StatusForked:
		return l.finishLeftBranch(ctx, p)
	case StatusDiverged:
		_, err := l.builder.leaveBranch(ctx, p)
		return err
	}
	return l.opener.rebuildPartition(ctx, p.Partition)
}

// finishLeftBranch settles what a branch that was left leaves behind. Its log is cut
// off: what was planned of it and never archived becomes gaps.
func (l leftoverSettler) finishLeftBranch(ctx context.Context, p Progress) error {
	if p.NextOffset == p.PlannedOffset {
		return nil
	}
	if err := l.markGaps(ctx, p, ReasonDiverged); err != nil {
		return err
	}
	_, err := advancePrefix(ctx, l.builder.Ledger, p.Partition)
	if errors.Is(err, errRowMissing) {
		return fmt.Errorf("%w: run bifrost rebuild", err)
	}
	return err
}

// listOrphans are the partitions that have planned rows and no progress row, by what
// this pass has read. The index lags, so some may be none.
func (v *view) listOrphans(topics TopicFilter) []Partition {
	known := map[Partition]bool{}
	for _, p := range v.progress {
		known[p.Partition] = true
	}
	// What a birth makes again comes first: next to the branch that goes on, no
	// tick plans for those that were left.
	newcomers := map[rowKey]bool{}
	for _, s := range v.partitions {
		if s.progress == nil {
			newcomers[rowKey{s.incarnation, s.number}] = true
		}
	}
	return slices.DeleteFunc(slices.SortedFunc(maps.Keys(v.planned), comparePartitions), func(p Partition) bool {
		here := Incarnation{v.clusterID, p.Topic(), v.planned[p][0].TopicID}
		return known[p] || newcomers[rowKey{here, p.Number}] || !topics.Archives(p.Topic())
	})
}

// adoptOrphan makes the progress row of a partition that has planned rows and none, as
// rebuildPartition would. What its rows say is enough for that. From then on it is a
// partition like any other: the next ticks read what Kafka still has of it, or
// see that its topic is gone and make gaps of it.
func (o partitionOpener) adoptOrphan(ctx context.Context, p Partition) error {
	if _, err := o.births.Ledger.Progress(ctx, p); !errors.Is(err, ErrNotFound) {
		return err // made since the table was read, or nobody knows
	}
	o.births.Log.WarnContext(ctx, "a partition has planned ranges and no progress row; it is made anew",
		LogTopic, p.Name, LogName, p.Name, LogKafkaTopic, p.Topic(), LogPartition, p.Number)
	return o.rebuildPartition(ctx, p)
}

// rebuildPartition does for one partition what the command does for all: it makes or goes on
// with its progress row, along its rows and objects.
func (o partitionOpener) rebuildPartition(ctx context.Context, p Partition) error {
	_, due, err := o.rebuilder.Rebuild(ctx, p, RebuildOptions{Crew: parallel.NewCrew(1), ClusterID: o.clusterID})
	if due.IsZero() {
		o.births.tellMoved()
	} else {
		o.report.countFencing()
	}
	return err
}
