// The command accept: what only a person can decide, put on record.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newAccept(a *app.App) *cobra.Command {
	c := &cobra.Command{
		Use:     "accept",
		GroupID: groupCheck,
		Short:   "Settle what needs a person's word",
		Long: `Accept records a decision that no rule takes by itself. It is on record in the
bucket, so that verify and rebuild stay truthful, and cannot be taken back.`,
	}
	c.AddCommand(newAcceptErased(a), newAcceptDiverged(a))
	return c
}

func newAcceptErased(a *app.App) *cobra.Command {
	var despiteVersions bool
	c := acceptCommand(a, &cobra.Command{
		Use:   "erased TOPIC PARTITION START",
		Short: "Record that an object is gone for good",
		Long: `Erased records that the object which began at offset START expired or was erased.
A gap takes its place in the bucket and in the tables, and no tick ever archives
these offsets again. It refuses as long as anything is at the object's key, also
below a delete marker: bifrost verify --fix brings that back, and docs/erasure.md
deletes it.`,
		Example: "  bifrost verify\n  bifrost accept erased orders 0 123000 --yes",
	}, "the object of %s from offset %d is gone",
		func(ctx context.Context, a *app.App, p bifrost.Partition, start int64, asJSON bool) error {
			return acceptErased(ctx, a, p, start, despiteVersions, asJSON)
		})
	c.Flags().BoolVar(&despiteVersions, "despite-versions", false,
		"record it although versions of the object are still in the bucket")
	return c
}

func newAcceptDiverged(a *app.App) *cobra.Command {
	return acceptCommand(a, &cobra.Command{
		Use:   "diverged TOPIC PARTITION FROM",
		Short: "Say from which offset a log that was cut goes on",
		Long: `Diverged ends the wait of a partition that is DIVERGED: its log was cut below what
is archived, by an unclean leader election or because the cluster was restored.
The archive goes on from offset FROM under a name of its own; nothing of what was
archived before is touched. TOPIC is the name that status shows.

FROM is where the log was cut; the brokers log every truncation. A FROM that is
too low archives some records on both branches, one that is too high leaves out
new ones: when in doubt, take a lower one.`,
		Example: "  bifrost status --partitions\n  bifrost accept diverged orders 0 123000 --yes",
	}, "the log of %s goes on from offset %d", acceptDiverged)
}

// An acceptance records one decision about a partition.
type acceptance func(ctx context.Context, a *app.App, p bifrost.Partition, offset int64, asJSON bool) error

// acceptCommand asks for --yes before what cannot be taken back: the decision,
// with the partition and the offset that it is about.
func acceptCommand(a *app.App, c *cobra.Command, decision string, accept acceptance) *cobra.Command {
	var yes, asJSON bool
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(3), a.CompletePartitions(2)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, offset, err := parsePosition(args)
		if err != nil {
			return err
		}
		if !yes {
			return usage.Errorf("this is recorded for good: give --yes to record that "+decision, p, offset)
		}
		err = accept(c.Context(), a, p, offset, asJSON)
		if errors.Is(err, bifrost.ErrNotFound) {
			err = fmt.Errorf("%w; bifrost ls %s lists the ranges", err, p.Name)
		}
		return err
	}
	c.Flags().BoolVar(&yes, "yes", false, "record it")
	app.AddJSON(c, &asJSON)
	return c
}

// branchJSON is what accept diverged prints for programs.
type branchJSON struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	Partition int32  `json:"partition"`
	From      int64  `json:"from_offset"`
	Parent    string `json:"parent"` // name of the branch that ends
}

func acceptDiverged(ctx context.Context, a *app.App, p bifrost.Partition, from int64, asJSON bool) error {
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	all, err := readRows(ctx, a, parts, p)
	if err != nil {
		return err
	}
	next, err := accepter(parts).AcceptDiverged(ctx, p, from)
	if err != nil {
		return explainMissing(all, p, err)
	}
	if asJSON {
		return a.PrintJSON(branchJSON{
			Topic:      next.Name,
			TopicNames: next.TopicNames(),
			Partition:  next.Number,
			From:       from,
			Parent:     p.Name,
		})
	}
	_, err = fmt.Fprintf(a.Out, "%s goes on from offset %d as %s; the next ticks archive it\n", p, from, next)
	return err
}

// parsePosition reads TOPIC PARTITION OFFSET.
func parsePosition(args []string) (bifrost.Partition, int64, error) {
	number, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil || number < 0 {
		return bifrost.Partition{}, 0, usage.Errorf("partition %q: want a number", args[1])
	}
	offset, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil || offset < 0 {
		return bifrost.Partition{}, 0, usage.Errorf("offset %q: want 0 or more", args[2])
	}
	return bifrost.Partition{Name: args[0], Number: int32(number)}, offset, nil
}

func acceptErased(
	ctx context.Context, a *app.App, p bifrost.Partition, start int64, despiteVersions, asJSON bool,
) error {
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	all, err := readRows(ctx, a, parts, p)
	if err != nil {
		return err
	}
	if !despiteVersions {
		if err := refuseVersions(ctx, parts, p, start); err != nil {
			return err
		}
	}
	row, err := accepter(parts).AcceptErased(ctx, p, start)
	if err != nil {
		return explainMissing(all, p, err)
	}
	if asJSON {
		return a.PrintJSON(newRangeJSON(row))
	}
	a.Say(recordHint)
	_, err = fmt.Fprintf(a.Out, "%s %s is recorded as a gap: %s (%s)\n",
		row.Partition, row.Range, row.GapReason, human.Visible(row.Facts.Key))
	return err
}

// refuseVersions refuses to give up an object that is in the bucket still, below a delete marker.
func refuseVersions(ctx context.Context, parts *wiring.Parts, p bifrost.Partition, start int64) error {
	row, err := parts.Ledger.Row(ctx, p, start)
	if err != nil || row.Facts.Key == "" {
		return nil // the acceptance says what is wrong
	}
	_, versions, err := parts.Store.Hidden(ctx, row.Facts.Key)
	if err != nil {
		return fmt.Errorf("whether the bucket still has versions of the object is not known: %w; --despite-versions "+
			"goes on all the same", err)
	}
	if len(versions) > 0 {
		return fmt.Errorf("a delete marker hides %s of %s: bifrost verify --fix brings the object back, and who wants "+
			"it erased deletes them first (docs/erasure.md); --despite-versions goes on all the same",
			human.Some(int64(len(versions)), "version"), row.Facts.Key)
	}
	return nil
}

// readRows reads the progress rows, and says if the partition is of the first life of a topic that
// goes on.
func readRows(ctx context.Context, a *app.App, parts *wiring.Parts, p bifrost.Partition) ([]bifrost.Progress, error) {
	all, err := parts.Ledger.ListProgress(ctx)
	if err == nil {
		a.TellLives(all, p.Name)
	}
	return all, err
}

// explainMissing says which topics or partitions there are, if something is not there because its
// topic or its partition is none of the archive.
func explainMissing(all []bifrost.Progress, p bifrost.Partition, err error) error {
	if !errors.Is(err, bifrost.ErrNotFound) {
		return err
	}
	rows, unknown := readback.Topic(all, p.Name)
	if unknown == nil {
		_, unknown = (&settings.Selection{Numbers: []int32{p.Number}}).SelectPartitions(rows)
	}
	return cmp.Or(unknown, err)
}

func accepter(parts *wiring.Parts) *repair.Accepter {
	return &repair.Accepter{
		Group: parts.Config.Group, Ledger: parts.Ledger, Store: parts.Store, Bucket: parts.Store,
		Format: parts.Config.Format, Writer: "bifrost " + wiring.Version, Now: time.Now,
	}
}
