// The command topics: what the archive holds of each topic.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newTopics(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "topics [TOPIC ...]",
		GroupID: groupLook,
		Short:   "List the topics in the archive",
		Long: `Topics lists what the archive holds of each topic: records, sizes, the times they
span, and offsets in gaps. A topic that was deleted and made again is listed once
for each life: the first under its name, later ones as name@ID. Either name is
what the other commands take. All times are in UTC.`,
		Example:           "  bifrost topics\n  bifrost topics --json | jq -r '.topics[].name'",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{app.UnhealthyMeaning: "the row of a partition is gone, so the figures of its " +
			"topic are not complete"},
		RunE: func(c *cobra.Command, topics []string) error {
			return runTopics(c.Context(), a, topics, asJSON)
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}

// topicsJSON is what topics --json prints.
type topicsJSON struct {
	Topics []topicSummary `json:"topics"`
}

// topicSummary is what topics says of one incarnation.
type topicSummary struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	TopicID        string  `json:"topic_id"`
	ClusterID      string  `json:"cluster_id"`
	Partitions     int     `json:"partitions"`
	Records        int64   `json:"records"`
	RawBytes       int64   `json:"raw_bytes"`
	StoredBytes    int64   `json:"stored_bytes"`
	MissingOffsets int64   `json:"missing_offsets"`
	GapOffsets     int64   `json:"gap_offsets"`
	Lag            *int64  `json:"lag"`
	FirstRecordAt  *string `json:"first_record_at"`
	FirstRecordMS  *int64  `json:"first_record_ms"`
	LastRecordAt   *string `json:"last_record_at"`
	LastRecordMS   *int64  `json:"last_record_ms"`
	Status         string  `json:"status"`

	first, last time.Time
}

func runTopics(ctx context.Context, a *app.App, names []string, asJSON bool) error {
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	rows, err := readback.SelectProgress(ctx, parts.Ledger, names)
	if err != nil {
		return err
	}
	a.TellAllLives(rows, names...)
	judged, err := condition.AddGone(ctx, parts.Ledger, condition.Unjudged(rows))
	if err != nil {
		return err
	}
	all, gone := []topicSummary{}, condition.DescribeGone(judged)
	for _, topic := range condition.ByTopic(judged) {
		sum := condition.SumOf(topic)
		first, err := firstRecord(ctx, parts.Ledger, topic)
		if err != nil {
			return err
		}
		all = append(all, topicSummary{
			Topic:          sum.Name,
			TopicNames:     sum.TopicNames(),
			TopicID:        topic[0].TopicID.String(),
			ClusterID:      topic[0].ClusterID,
			Partitions:     len(topic),
			Records:        sum.Records,
			RawBytes:       sum.RawBytes,
			StoredBytes:    sum.StoredBytes,
			MissingOffsets: sum.Missing,
			GapOffsets:     sum.Lost,
			Lag:            sum.IfKnown(sum.Lag()),
			FirstRecordAt:  human.Timestamp(first),
			FirstRecordMS:  human.Milliseconds(first),
			LastRecordAt:   human.Timestamp(sum.LastRecordAt),
			LastRecordMS:   human.Milliseconds(sum.LastRecordAt),
			Status:         string(sum.Status),
			first:          first,
			last:           sum.LastRecordAt,
		})
	}
	if len(all) == 0 {
		if lost, err := settings.Belonging(parts).LostTables(ctx); err != nil || lost != "" {
			return cmp.Or(err, errors.New(lost))
		}
	}
	if asJSON {
		return errors.Join(a.PrintJSON(topicsJSON{all}), gone)
	}
	if len(all) == 0 {
		a.Say("%s", app.NothingArchived)
		return nil
	}
	return errors.Join(a.PrintTable(topicsTable(all)), gone)
}

func topicsTable(all []topicSummary) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "topic", Shrink: true},
		{Title: "parts", Right: true, Spare: 5},
		{Title: "records", Right: true},
		{Title: "raw", Right: true, Spare: 4},
		{Title: "stored", Right: true},
		{Title: "ratio", Right: true, Spare: 3},
		{Title: "first record", Spare: 1},
		{Title: "last record", Spare: 2},
		{Title: "gaps", Right: true},
		{Title: "id", Spare: 6},
	}}
	for _, s := range all {
		t.AddRow(console.Plain(s.Topic), console.Plain(fmt.Sprint(s.Partitions)), console.Plain(human.Count(s.Records)),
			console.Plain(human.Size(s.RawBytes)), console.Plain(human.Size(s.StoredBytes)),
			console.Plain(human.Ratio(s.RawBytes, s.StoredBytes)), console.Plain(human.Moment(s.first)),
			console.Plain(human.Moment(s.last)), gapsCell(s.GapOffsets), console.Plain(s.TopicID))
	}
	return t
}

// firstRecord is the least timestamp in the first ranges with records.
func firstRecord(ctx context.Context, catalogue readback.Catalogue, partitions []condition.Judged) (time.Time, error) {
	var first time.Time
	for _, p := range partitions {
		ms, found, err := readback.FirstTimestamp(ctx, catalogue, p.Partition)
		if err != nil {
			return first, err
		}
		if at := human.Millis(ms); found && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, nil
}

// noneMatches is the error for names or globs that select nothing; no error if
// there are none.
func noneMatches(topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	return fmt.Errorf("nothing in the archive matches %s; bifrost topics lists what is there",
		strings.Join(topics, ", "))
}

// checkNamed refuses a name or glob of which neither the tables nor the bucket have a topic, and says
// what there is.
func checkNamed(ctx context.Context, parts *wiring.Parts, rows []bifrost.Progress, globs []string) error {
	if readback.CheckGlobs(rows, globs) == nil {
		return nil
	}
	inBucket, err := bifrost.ListPartitions(ctx, parts.Store, parts.Config.Group, func(string) {})
	if err != nil {
		return fmt.Errorf("list the topics in the bucket: %w", err)
	}
	rows = slices.Clone(rows)
	for _, p := range inBucket {
		rows = append(rows, bifrost.Progress{Partition: p})
	}
	return readback.CheckGlobs(rows, globs)
}
