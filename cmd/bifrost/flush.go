// The command flush: archives everything that can be read now.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newFlush(a *app.App) *cobra.Command {
	f := &flush{work: work{App: a}}
	c := &cobra.Command{
		Use:     "flush [TOPIC ...]",
		GroupID: groupWork,
		Short:   "Archive what there is now, wait, and say what was written",
		Long: `Flush archives everything that can be read in Kafka at this moment, whatever the
maximum ages, of all topics or of those named (globs do too). The work is done in
this process, by the rules and tables of the stack; ranges that others work on are
waited for. What cannot be read is named at the end, and stops nothing else. What is
left of a topic that was deleted, or created again, is not waited for: two ticks have
to agree that nobody can read it any more.

` + memoryHelp,
		Example:           "  bifrost flush\n  bifrost flush orders 'payments.*' --json",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{
			app.UnhealthyMeaning: "records were lost, or some are still on their way",
			app.GoingOn:          "What is archived stays: the next tick or flush goes on with the rest.",
		},
		RunE: func(c *cobra.Command, topics []string) error {
			if err := f.checkSlots(c); err != nil {
				return err
			}
			return f.run(c.Context(), topics)
		},
	}
	c.Flags().DurationVar(&f.patience, "timeout", 15*time.Minute, "give up after this `TIME`")
	f.addFlags(c)
	app.AddJSON(c, &f.json)
	return c
}

type flush struct {
	work
	patience time.Duration
	json     bool
	cluster  bifrost.Cluster
	ledger   flushLedger
	lease    time.Duration // for which its ticks give ranges away
	tick     func(context.Context) (bifrost.TickSummary, error)

	targets   map[bifrost.TopicPartition]int64 // last stable offsets when the flush began
	topics    []bifrost.Topic                  // whose logs those are
	clusterID string                           // of Kafka
	unlisted  map[bifrost.TopicPartition]error // partitions whose end nobody knows
	left      []bifrost.TickFailure            // partitions that could not be archived, and why
	waiting   waiting
}

// flushLedger reads how far the archive is, and what others are at.
type flushLedger interface {
	ListProgress(ctx context.Context) ([]bifrost.Progress, error)
	ListPlanned(ctx context.Context) ([]bifrost.Row, error)
	bifrost.InvocationLister
}

func (f *flush) run(ctx context.Context, topics []string) error {
	if f.patience <= 0 {
		return usage.Errorf("--timeout %s: want a time above 0", f.patience)
	}
	if err := f.selectTopics(topics); err != nil {
		return err
	}
	stop, err := f.beginWork(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.patience, fmt.Errorf("--timeout %s is over", f.patience))
	defer cancel()
	discover := f.newDiscoverer()
	f.cluster, f.ledger, f.lease = f.parts.Kafka, f.parts.Ledger, f.parts.Config.Lease()
	f.tick = func(ctx context.Context) (bifrost.TickSummary, error) { return discover.Tick(ctx, time.Time{}) }
	err = f.untilDone(ctx)
	stop()
	if showErr := f.showResults(err == nil); showErr != nil {
		return showErr
	}
	if lost := f.lossOf(); lost != "" && err != nil {
		f.Warn("%s", lost)
	} else if lost != "" {
		return app.Unhealthyf("%s", lost)
	}
	return err
}

// selectTopics takes up the topics that were named, and no others.
func (f *flush) selectTopics(topics []string) error {
	f.only, f.listed = len(topics) > 0, true
	return includeTopics(f.App, topics)
}

// newDiscoverer makes ticks that plan whatever can be read, however young it is.
func (f *flush) newDiscoverer() *bifrost.Discoverer {
	f.parts.Config = f.parts.Config.WithoutAges()
	discover := f.parts.Discoverer(f.workers)
	discover.By = wiring.NameTicker("bifrost flush")
	if f.only {
		discover.Journal = partial{discover.Journal}
	}
	return discover
}

// untilDone archives until nothing is left, or what is left fails: a partition
// that cannot be read stops no other.
func (f *flush) untilDone(ctx context.Context) error {
	err := f.archiveToAim(ctx)
	if err != nil && ctx.Err() != nil { // what it was at then is of no interest, what is left is
		return f.endEarly(ctx)
	}
	return err
}

func (f *flush) archiveToAim(ctx context.Context) error {
	if err := f.aimAtOffsets(ctx); err != nil {
		return err
	}
	for {
		summary, err := f.tick(ctx)
		if err != nil {
			return err
		}
		left, err := f.countBehind(ctx)
		if err != nil {
			return err
		}
		f.waiting.noteLeft(left)
		stuck := f.findStuck(left, summary)
		if len(left) == 0 || summary.Dispatched == 0 && len(stuck) == len(left) {
			return cmp.Or(f.failureOf(left, stuck, summary), f.onTheirWay(ctx))
		}
		if summary.Dispatched == 0 {
			if err := f.tellWaiting(ctx, left); err != nil {
				return err
			}
		}
		if err := f.waitForWorker(ctx); err != nil {
			return err
		}
	}
}

// partial is the journal of ticks that look at some topics only: they say nothing
// about the others, so they are none that the archive is judged by.
type partial struct{ bifrost.Journal }

// NoteTick implements bifrost.Journal.
func (partial) NoteTick(context.Context, bifrost.TickRecord) error { return nil }

// aimAtOffsets notes up to where the logs can be archived now: the last stable offsets, since
// what lies behind belongs to transactions that may stay open for long. What comes later is
// not waited for, or a flush of a busy topic would never end.
func (f *flush) aimAtOffsets(ctx context.Context) error {
	clusterID, all, err := f.cluster.Topics(ctx)
	if err != nil {
		return err
	}
	f.clusterID = clusterID
	if err := f.guard.checkCluster(ctx, clusterID, f.ledger); err != nil {
		return err
	}
	if f.only {
		if err := unmatchedInKafka(all, f.parts.Config.Topics.Include); err != nil {
			return err
		}
	}
	for _, t := range all {
		if f.parts.Config.Topics.Archives(t.Name) {
			f.topics = append(f.topics, t)
		}
	}
	if len(f.topics) == 0 {
		return fmt.Errorf("no topic is selected by %s, and the cluster has %d topics that these credentials may "+
			"describe",
			f.parts.Config.Topics, len(all))
	}
	offsets, err := f.cluster.Offsets(ctx, f.topics)
	if err != nil {
		return err
	}
	f.targets, f.unlisted = map[bifrost.TopicPartition]int64{}, map[bifrost.TopicPartition]error{}
	for tp, answer := range offsets {
		if answer.Err != nil {
			f.unlisted[tp] = fmt.Errorf("list offsets: %w", answer.Err)
			continue
		}
		f.targets[tp] = answer.LastStable
	}
	return nil
}

// countBehind counts the offsets below the targets that are not archived, by partition.
func (f *flush) countBehind(ctx context.Context) (map[bifrost.TopicPartition]int64, error) {
	rows, err := f.ledger.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	return countLeft(f.targets, rows, f.topics), nil
}

// onTheirWay is an error if something of other lives of the topics is neither archived nor a recorded
// gap. Ticks settle that, each a minute or so after the other.
func (f *flush) onTheirWay(ctx context.Context) error {
	rows, err := f.ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	offsets := int64(0)
	for _, p := range rows {
		if p.ClusterID != f.clusterID || !f.parts.Config.Topics.Archives(p.Topic()) {
			continue
		}
		n := countUnsettled(p, f.topics)
		if n == 0 {
			continue
		}
		offsets += n
		f.left = append(f.left, bifrost.TickFailure{Topic: p.Topic(), Name: p.Name, KafkaTopic: p.Topic(),
			Partition: &p.Number, Error: fmt.Sprintf("%s offsets of %s are neither archived nor a recorded gap yet",
				human.Count(n), p.Name)})
	}
	if len(f.left) == 0 {
		return nil
	}
	f.sortLeft()
	tellFailed(f.App, f.left[:min(len(f.left), bifrost.MaxReportedFailures)], len(f.left))
	return app.Unhealthyf("%s offsets are still on their way, of %d partitions whose topic was deleted or created "+
		"again: whoever has them in hand may be alive, and two ticks have to agree before they are lost. Run flush "+
		"again in some minutes, or leave it to the stack; bifrost ls NAME --state PLANNED lists them",
		human.Count(offsets), len(f.left))
}

// countUnsettled counts what is neither archived nor a gap of a partition of a life of a topic that is
// not in Kafka any more, or of a branch that was left.
func countUnsettled(p bifrost.Progress, topics []bifrost.Topic) int64 {
	inKafka := slices.ContainsFunc(topics, func(t bifrost.Topic) bool {
		return t.Name == p.Topic() && t.ID == p.TopicID
	})
	until := p.PlannedOffset
	switch {
	case p.Status == bifrost.StatusForked, p.Status == bifrost.StatusClosed:
	case inKafka, p.Status == bifrost.StatusDiverged:
		return 0 // countLeft counts it; it waits for a person
	default:
		until = max(p.ArchivedUntil(), p.LastStable)
	}
	return max(0, until-p.NextOffset)
}

// countLeft counts the offsets below the targets that the rows of the topics do not cover.
// Only the lives that the targets are of count, and of them the branch that goes on.
func countLeft(
	targets map[bifrost.TopicPartition]int64, rows []bifrost.Progress, topics []bifrost.Topic,
) map[bifrost.TopicPartition]int64 {
	ids := map[string]bifrost.TopicID{}
	for _, t := range topics {
		ids[t.Name] = t.ID
	}
	archived := map[bifrost.TopicPartition]int64{}
	for _, p := range rows {
		if ids[p.Topic()] == p.TopicID && p.Status != bifrost.StatusForked { // a branch that was left goes nowhere
			archived[bifrost.TopicPartition{Topic: p.Topic(), Partition: p.Number}] = p.NextOffset
		}
	}
	left := map[bifrost.TopicPartition]int64{}
	for tp, target := range targets {
		if n := target - archived[tp]; n > 0 {
			left[tp] = n
		}
	}
	return left
}

// findStuck finds out of which partitions that have something left it is known why:
// a range of theirs failed, or the last tick could not deal with them.
func (f *flush) findStuck(
	left map[bifrost.TopicPartition]int64, summary bifrost.TickSummary,
) map[bifrost.TopicPartition]error {
	stuck := map[bifrost.TopicPartition]error{}
	for tp := range left {
		for _, failed := range summary.Failed {
			// Over older tables a tick looks at nothing, until a person does something.
			if summary.Older && failed.Topic == "" ||
				failed.Topic == tp.Topic && (failed.Partition == nil || *failed.Partition == tp.Partition) {
				stuck[tp] = errors.New(failed.Error)
			}
		}
		if stuck[tp] == nil && summary.Failures > len(summary.Failed) && summary.InFlight == 0 {
			stuck[tp] = fmt.Errorf("%d partitions failed, and this may be one of them", summary.Failures)
		}
		for _, o := range f.failed {
			var failed *bifrost.RangeError
			if !errors.As(o.Err, &failed) ||
				(failed.Task.Key().Topic() == tp.Topic && failed.Task.Partition == tp.Partition) {
				stuck[tp] = o.Err
			}
		}
	}
	return stuck
}

// failureOf names what is not archived, and why; nil when all is. A topic that no
// broker shows to these credentials, although it is in the archive, may hold
// anything.
func (f *flush) failureOf(
	left map[bifrost.TopicPartition]int64, stuck map[bifrost.TopicPartition]error, summary bifrost.TickSummary,
) error {
	maps.Copy(stuck, f.unlisted)
	for _, failed := range summary.Failed {
		switch {
		case failed.Topic == "":
			f.Fail("%s", failed.Error)
		case failed.Partition == nil && f.parts.Config.Topics.Archives(failed.Topic):
			f.left = append(f.left, failed)
		}
	}
	if len(stuck)+len(f.left) == 0 {
		return nil
	}
	unknown, offsets := len(f.unlisted)+len(f.left), int64(0)
	for tp, err := range stuck {
		f.left = append(f.left, bifrost.TickFailure{
			Topic:      tp.Topic,
			KafkaTopic: tp.Topic,
			Partition:  &tp.Partition,
			Error:      err.Error(),
		})
		offsets += left[tp]
	}
	f.sortLeft()
	tellFailed(f.App, f.left[:min(len(f.left), bifrost.MaxReportedFailures)], len(f.left))
	if unknown > 0 {
		return fmt.Errorf("%w: %d partitions or topics failed; %s offsets are left, and of %d nobody knows how many",
			errUnfinished, len(f.left), human.Count(offsets), unknown)
	}
	return fmt.Errorf("%w: %d partitions failed, to be tried again by the next tick or flush; %s offsets are left",
		errUnfinished, len(f.left), human.Count(offsets))
}

func (f *flush) sortLeft() {
	slices.SortFunc(f.left, func(a, b bifrost.TickFailure) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Name, b.Name), cmp.Compare(numberOf(a), numberOf(b)))
	})
}

// numberOf is the partition that failed; -1 for the whole topic.
func numberOf(f bifrost.TickFailure) int32 {
	if f.Partition == nil {
		return -1
	}
	return *f.Partition
}
