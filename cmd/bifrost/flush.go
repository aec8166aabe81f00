package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func newFlush(a *app) *cobra.Command {
	f := &flush{work: work{app: a}}
	c := &cobra.Command{
		Use:     "flush [TOPIC ...]",
		GroupID: groupWork,
		Short:   "Archive what there is now, wait, and say what was written",
		Long: `Flush archives everything that can be read in Kafka at this moment, whatever the
maximum age, of all topics or of those named (globs do too). The work is done in
this process, by the rules and tables of the stack; ranges that others work on are
waited for.`,
		Example:           "  bifrost flush\n  bifrost flush orders 'payments.*' --json",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTopics,
		RunE:              func(c *cobra.Command, topics []string) error { return f.run(c.Context(), topics) },
	}
	c.Flags().DurationVar(&f.patience, "timeout", 15*time.Minute, "give up after this time")
	f.addSlots(c)
	addJSON(c, &f.json)
	return c
}

type flush struct {
	work
	patience time.Duration
	json     bool
	targets  map[bifrost.TopicPartition]int64 // ends of the logs when the flush began
}

// flushJSON is what flush --json prints.
type flushJSON struct {
	Complete    bool                  `json:"complete"`
	Records     int64                 `json:"records"`
	RawBytes    int64                 `json:"raw_bytes"`
	StoredBytes int64                 `json:"stored_bytes"`
	Ranges      []bifrost.RangeResult `json:"ranges"`
}

func (f *flush) run(ctx context.Context, topics []string) error {
	f.settings.values["BIFROST_MAX_AGE_SECONDS"] = "0"
	if len(topics) > 0 {
		f.settings.values["BIFROST_INCLUDE_TOPICS"] = strings.Join(topics, ",")
	}
	stop, err := f.begin(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	err = f.untilDone(ctx)
	stop()
	if showErr := f.show(err == nil); showErr != nil {
		return showErr
	}
	return err
}

func (f *flush) untilDone(ctx context.Context) error {
	if err := f.aim(ctx); err != nil {
		return err
	}
	discover := f.parts.Discoverer(f.workers)
	for {
		summary, err := discover.Tick(ctx, time.Time{})
		if err != nil {
			return err
		}
		left, err := f.left(ctx)
		if err != nil || left == 0 {
			return err
		}
		if summary.Failures > 0 && summary.Dispatched == 0 && summary.InFlight == 0 {
			f.tellFailed(summary.Failed, summary.Failures)
			return fmt.Errorf("%w: %s offsets are left", errUnfinished, count(left))
		}
		if err := f.waitForWorker(ctx, left); err != nil {
			return err
		}
	}
}

// aim notes how far the logs reach now.
func (f *flush) aim(ctx context.Context) error {
	_, all, err := f.parts.Kafka.Topics(ctx)
	if err != nil {
		return err
	}
	var topics []bifrost.Topic
	for _, t := range all {
		if f.parts.Config.Topics.Archives(t.Name) {
			topics = append(topics, t)
		}
	}
	if len(topics) == 0 {
		return fmt.Errorf("no topic is selected: include %q, exclude %q, and the cluster has %d topics that these credentials may describe",
			f.parts.Config.Topics.Include, f.parts.Config.Topics.Exclude, len(all))
	}
	offsets, err := f.parts.Kafka.Offsets(ctx, topics)
	if err != nil {
		return err
	}
	f.targets = map[bifrost.TopicPartition]int64{}
	for tp, answer := range offsets {
		if answer.Err != nil {
			return fmt.Errorf("topic %s partition %d: %w", tp.Topic, tp.Partition, answer.Err)
		}
		f.targets[tp] = answer.LastStable
	}
	return nil
}

// left counts the offsets below the targets that are not archived. Of a topic's
// incarnations the one that is furthest counts: a new one begins at 0.
func (f *flush) left(ctx context.Context) (int64, error) {
	rows, err := f.parts.Ledger.ListProgress(ctx)
	if err != nil {
		return 0, err
	}
	_, topics, err := f.parts.Kafka.Topics(ctx)
	if err != nil {
		return 0, err
	}
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
	var left int64
	for tp, target := range f.targets {
		left += max(0, target-archived[tp])
	}
	return left, nil
}

// pollOthers is how often to look whether others have finished their ranges.
const pollOthers = time.Second

// waitForWorker returns when a worker has ended, or after a while: somebody else
// may be at work on what is left. A worker that failed ends the flush.
func (f *flush) waitForWorker(ctx context.Context, left int64) error {
	select {
	case <-f.done:
	case <-time.After(pollOthers):
	case <-ctx.Done():
		return fmt.Errorf("%w: %s offsets are left: %w", errUnfinished, count(left), context.Cause(ctx))
	}
	f.workers.Wait()
	if len(f.failed) > 0 {
		return fmt.Errorf("%w: %d ranges failed and are tried again by the next tick or flush; the first: %w", errUnfinished, len(f.failed), f.failed[0].Err)
	}
	return nil
}

func (f *flush) show(complete bool) error {
	sum := flushJSON{Complete: complete, Ranges: []bifrost.RangeResult{}}
	for _, r := range f.results {
		if r.Outcome == bifrost.OutcomeGone || r.Outcome == bifrost.OutcomeDoneAlready {
			continue
		}
		sum.Ranges = append(sum.Ranges, r)
		sum.Records += r.Records
		sum.RawBytes += r.RawBytes
		sum.StoredBytes += r.StoredBytes
	}
	if f.json {
		return f.printJSON(sum)
	}
	t := &table{columns: []column{
		{title: "topic"}, {title: "part", right: true}, {title: "start", right: true}, {title: "end", right: true}, {title: "outcome"},
		{title: "records", right: true}, {title: "raw", right: true}, {title: "stored", right: true}, {title: "object", shrink: true},
	}}
	for _, r := range sum.Ranges {
		t.add(plain(r.Topic), plain(fmt.Sprint(r.Partition)), plain(fmt.Sprint(r.StartOffset)), plain(fmt.Sprint(r.EndOffset)), plain(r.Outcome),
			plain(count(r.Records)), plain(size(r.RawBytes)), plain(size(r.StoredBytes)), plain(r.Object))
	}
	if len(sum.Ranges) == 0 {
		if complete {
			f.say("Nothing to do: everything that can be read is archived.")
		}
		return nil
	}
	return f.print(t)
}
