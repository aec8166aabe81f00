// The command rebuild: makes the tables from the bucket.

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/repair"
)

func newRebuild(a *app.App) *cobra.Command {
	var asJSON, anew bool
	c := &cobra.Command{
		Use:     "rebuild [TOPIC ...]",
		GroupID: groupCheck,
		Short:   "Make the tables again from the bucket alone",
		Long: `Rebuild brings both tables in line with what the bucket holds, for all topics or
those named (globs do too). It needs no Kafka, deletes nothing in the bucket, may
run while the stack runs, and may be run again. Where the bucket shows that a
backup of the tables was restored, or with --anew, it makes every progress row
anew, and ticks plan nothing before it is through for all topics; with --anew and
topics, only these wait.

A partition that is made anew waits for uploads that S3 may still be completing,
as long as FencePauseSeconds says, 15 minutes unless set otherwise; rebuild waits
with it. Stop it and run it again whenever you like. Where no tick waits for it,
the stack also goes on by itself.`,
		Example:           "  bifrost rebuild\n  bifrost rebuild --anew orders\n  bifrost verify",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{app.UnhealthyMeaning: "some partitions failed, " +
			"or the tables are still older than the bucket"},
		RunE: func(c *cobra.Command, topics []string) error {
			return runRebuild(c.Context(), a, topics, anew, asJSON)
		},
	}
	c.Flags().BoolVar(&anew, "anew", false,
		"make progress rows anew that look whole: a backup of the tables was restored")
	app.AddJSON(c, &asJSON)
	return c
}

// rebuildParallel is how many objects are looked at side by side: each is a
// round trip or two.
const rebuildParallel = 32

func runRebuild(ctx context.Context, a *app.App, topics []string, anew, asJSON bool) error {
	filter, err := bifrost.NewTopicFilter(topics, nil)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	if err := settings.CheckBucket(ctx, parts); err != nil {
		return err
	}
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	if err := checkNamed(ctx, parts, all, topics); err != nil {
		return err
	}
	a.TellAllLives(all, topics...)
	rule := repair.Rebuilder{
		Group:         parts.Config.Group,
		Ledger:        parts.Ledger,
		Store:         parts.Store,
		Bucket:        parts.Store,
		Topics:        filter,
		Sizing:        parts.Config.Settings().Sizing,
		Now:           time.Now,
		NewGeneration: rand.Text,
		Parallel:      rebuildParallel,
		Log:           parts.Log,
		Anew:          anew,
		FencePause:    parts.Config.FencePause,
		Wait: func(ctx context.Context, until time.Time, partitions int) error {
			return waitForFence(ctx, a, until, partitions)
		},
	}
	summary, err := rule.Rebuild(ctx)
	if err == nil && summary.Partitions == 0 {
		err = noneMatches(topics)
	}
	if err != nil {
		return err
	}
	if asJSON {
		if err := a.PrintJSON(summary); err != nil {
			return err
		}
	} else {
		a.Say("Looked at %d partitions: made %d progress rows, adopted %d objects, left %d ranges to the next ticks.",
			summary.Partitions, summary.Made, summary.Adopted, summary.Planned)
		tellFailed(a, summary.Failed, summary.Failures)
	}
	if summary.Older && summary.Failures == 0 {
		return app.Unhealthyf("the tables are still older than the bucket, and ticks plan nothing: " +
			"run bifrost rebuild for all topics")
	}
	if summary.Failures > 0 {
		return app.Unhealthyf("%d partitions failed; the others are done: run it again", summary.Failures)
	}
	return nil
}

// waitForFence waits out the fence pause, and says on what it waits.
func waitForFence(ctx context.Context, a *app.App, until time.Time, partitions int) error {
	a.Say("%d partitions wait until %s for uploads that older tables may have begun and S3 may still complete.",
		partitions, human.Moment(until))
	select {
	case <-time.After(time.Until(until)):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopped before %s; run it again: %w", human.Moment(until), context.Cause(ctx))
	}
}
