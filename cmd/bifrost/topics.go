package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newTopics(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "topics [TOPIC ...]",
		GroupID: groupLook,
		Short:   "List the topics in the archive",
		Long: `Topics lists what the archive holds of each topic: records, sizes, the times they
span, and offsets in gaps. A topic that was deleted and made again is listed once
for each life: the first under its name, later ones as name@ID. Either name is
what the other commands take.`,
		Example:           "  bifrost topics\n  bifrost topics --json | jq -r '.topics[].topic'",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTopics,
		RunE: func(c *cobra.Command, topics []string) error {
			return a.topics(c.Context(), topics, asJSON)
		},
	}
	addJSON(c, &asJSON)
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
	LostOffsets    int64   `json:"lost_offsets"`
	Lag            int64   `json:"lag"`
	FirstRecordAt  *string `json:"first_record_at"`
	FirstRecordMS  *int64  `json:"first_record_ms"`
	LastRecordAt   *string `json:"last_record_at"`
	LastRecordMS   *int64  `json:"last_record_ms"`
	Status         string  `json:"status"`

	first, last time.Time
}

func (a *app) topics(ctx context.Context, names []string, asJSON bool) error {
	parts, err := a.open(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	rows, err := progress(ctx, parts.Ledger, names)
	if err != nil {
		return err
	}
	all := []topicSummary{}
	for _, topic := range byTopic(unjudged(rows)) {
		sum := sumOf(topic)
		first, err := firstRecord(ctx, parts.Ledger, topic)
		if err != nil {
			return err
		}
		all = append(all, topicSummary{
			Topic: sum.Name, TopicNames: sum.TopicNames(), TopicID: topic[0].TopicID.String(), ClusterID: topic[0].ClusterID, Partitions: len(topic),
			Records: sum.Records, RawBytes: sum.RawBytes, StoredBytes: sum.StoredBytes, MissingOffsets: sum.Missing, LostOffsets: sum.Lost,
			Lag: sum.Lag(), FirstRecordAt: timestamp(first), FirstRecordMS: milliseconds(first),
			LastRecordAt: timestamp(sum.LastRecordAt), LastRecordMS: milliseconds(sum.LastRecordAt), Status: string(sum.Status),
			first: first, last: sum.LastRecordAt,
		})
	}
	if asJSON {
		return a.printJSON(topicsJSON{all})
	}
	if len(all) == 0 {
		a.sayNothingArchived()
		return nil
	}
	return a.print(topicsTable(all))
}

func topicsTable(all []topicSummary) *table {
	t := &table{columns: []column{
		{title: "topic", shrink: true}, {title: "parts", right: true, spare: 5}, {title: "records", right: true}, {title: "raw", right: true, spare: 4},
		{title: "stored", right: true}, {title: "ratio", right: true, spare: 3}, {title: "first record", spare: 1}, {title: "last record", spare: 2}, {title: "lost", right: true}, {title: "id", spare: 6},
	}}
	for _, s := range all {
		t.add(plain(s.Topic), plain(fmt.Sprint(s.Partitions)), plain(count(s.Records)), plain(size(s.RawBytes)), plain(size(s.StoredBytes)),
			plain(ratio(s.RawBytes, s.StoredBytes)), plain(moment(s.first)), plain(moment(s.last)), lostCell(s.LostOffsets), plain(s.TopicID))
	}
	return t
}

func ratio(raw, stored int64) string {
	if stored == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(raw)/float64(stored))
}

// firstRecord is the least timestamp in the first ranges with records.
func firstRecord(ctx context.Context, catalogue readback.Catalogue, partitions []judged) (time.Time, error) {
	var first time.Time
	for _, p := range partitions {
		for row, err := range readback.Rows(ctx, catalogue, p.Partition, readback.Everything) {
			if err != nil {
				return first, err
			}
			if row.State == bifrost.StateArchived && row.Facts.FirstTimestamp >= 0 {
				if at := millis(row.Facts.FirstTimestamp); first.IsZero() || at.Before(first) {
					first = at
				}
				break
			}
		}
	}
	return first, nil
}

// progress reads the rows of the named topics, or of all, in order.
func progress(ctx context.Context, catalogue readback.Catalogue, names []string) ([]bifrost.Progress, error) {
	all, err := catalogue.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		readback.SortProgress(all)
		return all, nil
	}
	var selected []bifrost.Progress
	for _, name := range names {
		rows, err := readback.Topic(all, name)
		if err != nil {
			return nil, err
		}
		selected = append(selected, rows...)
	}
	return selected, nil
}

// noneMatches is the error for names or globs that select nothing; no error if
// there are none.
func noneMatches(topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	return fmt.Errorf("nothing in the archive matches %q; bifrost topics lists what is there", topics)
}
