// The command status: how far the archive is behind.

package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newStatus(a *app.App) *cobra.Command {
	s := &status{App: a}
	c := &cobra.Command{
		Use:     "status [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Show how far the archive is behind, and what is wrong",
		Long: `Status reads the progress table and shows a line a topic, or a line a partition
if topics are named or --partitions is given. Lag and end are as of the last time
the stack wrote the row, which it does when something happens; --live asks Kafka.
SEEN is when a tick looked at the partition last, whether it had anything to write or
not: what no tick has seen for BIFROST_STALLED_SECONDS is not called healthy.
TO LOSS is how long until Kafka may delete a record that is not archived. It errs on
the early side: retention counts from the oldest record that waits, and bounds by
size, deletions and segments are taken to come as soon as they can, so with seven
days of retention it begins below seven days.

GAPS counts the offsets that are in no object, each recorded with its reason. What of
them was lost, because Kafka deleted it first, bifrost report and bifrost ls say.

OPEN is as it should be: the partition is archived. FENCING waits for uploads that
S3 may still complete; BLOCKED, a transaction is never ended; DIVERGED, the log was
cut and a person decides (bifrost accept diverged); CLOSED, the topic is gone and all
of it is archived or in a gap; FORKED, another branch goes on; UNKNOWN, the partition's row is
gone from the table. All times are in UTC.

A topic's name shows all of its lives if it was deleted and made again.`,
		Example: `  bifrost status
  bifrost status orders --live
  bifrost status --watch --every 5s
  bifrost status --json | jq '.partitions[] | select(.lag > 0)'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{app.UnhealthyMeaning: "a partition is DIVERGED or BLOCKED, " +
			"its last attempt failed, its row is gone, or no tick has looked at it lately; or nothing is archived yet"},
		RunE: func(c *cobra.Command, topics []string) error {
			if c.Flags().Changed("every") && !s.watch {
				return usage.Errorf("--every %s is the time between two looks of --watch: give that too", s.every)
			}
			return s.run(c.Context(), topics)
		},
	}
	c.Flags().BoolVar(&s.byPartition, "partitions", false, "a line a partition")
	c.Flags().BoolVar(&s.live, "live", false, "ask Kafka for the ends of the logs now")
	c.Flags().BoolVarP(&s.watch, "watch", "w", false, "show it again and again, until interrupted")
	c.Flags().DurationVar(&s.every, "every", 2*time.Second, "`TIME` between two looks of --watch")
	app.AddJSON(c, &s.json)
	return c
}

type status struct {
	*app.App
	byPartition bool
	live        bool
	watch       bool
	every       time.Duration
	json        bool
}

func (s *status) run(ctx context.Context, topics []string) error {
	if s.every <= 0 {
		return usage.Errorf("--every %s: want a time above 0", s.every)
	}
	role := config.Reader
	if s.live {
		role = config.Archiver
	}
	parts, err := s.OpenParts(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	for {
		seen, err := s.showOnce(ctx, parts, topics)
		if s.watch && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if !s.watch {
			s.TellAllLives(seen.Progress(), topics...)
			if !s.json {
				condition.TellTicks(s.App, seen)
			}
			return seen.Failure()
		}
		condition.TellProblem(s.App, seen)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.every):
		}
	}
}

// showOnce shows the rows once. On a terminal that is watched it goes over what was
// there before.
func (s *status) showOnce(ctx context.Context, parts *wiring.Parts, topics []string) (condition.Overview, error) {
	seen, err := s.readRows(ctx, parts, topics)
	if err != nil {
		return seen, err
	}
	if _, isTerminal := console.Terminal(s.Out); s.watch && isTerminal {
		fmt.Fprint(s.Out, "\x1b[H\x1b[2J") // to the corner, and clear (ECMA-48)
	}
	return seen, s.showRows(seen, len(topics) > 0)
}

// readRows reads the rows of the topics, or of all, in order.
func (s *status) readRows(ctx context.Context, parts *wiring.Parts, topics []string) (condition.Overview, error) {
	seen, err := condition.ReadOverview(ctx, parts, topics, s.Now())
	if err != nil || !s.live {
		return seen, err
	}
	rows := seen.Progress()
	err = condition.ObserveLive(ctx, parts.Kafka, rows, s.Now())
	seen.Rows = condition.JudgeRows(rows, seen.Ticks)
	return seen, err
}

func (s *status) showRows(seen condition.Overview, named bool) error {
	rows := seen.Rows
	if s.json {
		return s.PrintJSON(newStatusJSON(seen, s.Now()))
	}
	if len(rows) == 0 {
		return nil
	}
	if s.byPartition || named {
		return s.PrintTable(partitionTable(rows, s.Now()))
	}
	return s.PrintTable(topicTable(rows, s.Now()))
}

func partitionTable(rows []condition.Judged, now time.Time) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "topic"},
		{Title: "part", Right: true},
		{Title: "status"},
		{Title: "lag", Right: true},
		{Title: "next offset", Right: true, Spare: 1},
		{Title: "end", Right: true, Spare: 2},
		{Title: "records", Right: true, Spare: 4},
		{Title: "gaps", Right: true},
		{Title: "stored", Right: true, Spare: 5},
		{Title: "last record", Right: true, Spare: 3},
		{Title: "to loss", Right: true},
		{Title: "as of", Right: true, Spare: 7},
		{Title: "seen", Right: true, Spare: 6},
		{Title: "error", Shrink: true},
	}}
	for _, p := range rows {
		t.AddRow(console.Plain(p.Name), console.Plain(fmt.Sprint(p.Number)), statusCell(p), lagCell(p),
			console.Plain(p.KnownCount(p.NextOffset)), console.Plain(p.KnownEnd()),
			console.Plain(p.KnownCount(p.Records)), gapsCell(p.Lost), console.Plain(human.Size(p.StoredBytes)),
			console.Plain(human.Ago(p.LastRecordAt, now)), lossCell(p, now), console.Plain(human.Ago(p.At, now)),
			console.Plain(human.Ago(p.SeenAt, now)), condition.ErrorCell(p))
	}
	return t
}

func topicTable(rows []condition.Judged, now time.Time) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "topic"},
		{Title: "parts", Right: true, Spare: 5},
		{Title: "status"},
		{Title: "lag", Right: true},
		{Title: "records", Right: true, Spare: 2},
		{Title: "gaps", Right: true},
		{Title: "raw", Right: true, Spare: 4},
		{Title: "stored", Right: true, Spare: 3},
		{Title: "last record", Right: true, Spare: 1},
		{Title: "to loss", Right: true},
		{Title: "seen", Right: true, Spare: 6},
		{Title: "error", Shrink: true},
	}}
	var all []condition.Judged
	for _, topic := range condition.ByTopic(rows) {
		sum := condition.SumOf(topic)
		t.AddRow(topicCells(sum.Name, len(topic), sum, now)...)
		all = append(all, sum)
	}
	if len(all) > 1 {
		total := condition.SumOf(all)
		total.Status, total.Error, total.Suspicion, total.Trouble = "", "", "", bifrost.Trouble{}
		total.Sight = health.Sight{SeenAt: total.SeenAt}
		t.Foot = append(t.Foot, topicCells(human.Some(int64(len(all)), "topic"), len(rows), total, now))
	}
	return t
}

func topicCells(name string, partitions int, sum condition.Judged, now time.Time) []console.Cell {
	return []console.Cell{console.Plain(name), console.Plain(fmt.Sprint(partitions)), statusCell(sum),
		lagCell(sum), console.Plain(human.Count(sum.Records)), gapsCell(sum.Lost),
		console.Plain(human.Size(sum.RawBytes)), console.Plain(human.Size(sum.StoredBytes)),
		console.Plain(human.Ago(sum.LastRecordAt, now)), lossCell(sum, now), console.Plain(human.Ago(sum.SeenAt, now)),
		condition.ErrorCell(sum)}
}

func statusCell(p condition.Judged) console.Cell {
	text := string(p.Status)
	switch {
	case text == "":
		return console.Cell{}
	case condition.Unhealthy(p):
		return console.Styled(text, console.StyleBad)
	case p.Status == bifrost.StatusOpen:
		return console.Styled(text, console.StyleGood)
	}
	return console.Styled(text, console.StyleWarn)
}

func lagCell(p condition.Judged) console.Cell {
	if p.Lag() > 0 || p.Blind > 0 {
		return console.Styled(p.KnownLag(), console.StyleWarn)
	}
	return console.Plain(p.KnownLag())
}

func gapsCell(offsets int64) console.Cell {
	if offsets > 0 {
		return console.Styled(human.Count(offsets), console.StyleWarn)
	}
	return console.Plain("")
}

// nearLoss is when a waiting record counts as in danger.
const nearLoss = 6 * time.Hour

// lossCell is how long until Kafka may delete a record that is not archived.
func lossCell(p condition.Judged, now time.Time) console.Cell {
	switch left := p.Threat.Sub(now); {
	case p.Gone > 0:
		return console.Styled("lost", console.StyleBad)
	case p.Threat.IsZero() && p.Blind > 0:
		return console.Styled("unknown", console.StyleWarn)
	case p.Threat.IsZero():
		return console.Plain("")
	case left <= 0:
		return console.Styled("now", console.StyleBad)
	case left < nearLoss:
		return console.Styled(human.Span(left), console.StyleBad)
	default:
		return console.Plain(human.Span(left))
	}
}

// statusJSON is what status --json prints. docs/cli.md documents it.
type statusJSON struct {
	Healthy    bool            `json:"healthy"`
	At         *string         `json:"at"`
	Problem    string          `json:"problem"` // what is wrong with the ticks themselves
	Tick       *tickJSON       `json:"tick"`    // the last one; null when none is on record
	Partitions []partitionJSON `json:"partitions"`
}

// tickJSON is the record of a tick.
type tickJSON struct {
	ID         string  `json:"tick_id"`
	By         string  `json:"by"` // who ticked
	ClusterID  string  `json:"cluster_id"`
	StartedAt  *string `json:"started_at"`
	EndedAt    *string `json:"ended_at"`
	CompleteAt *string `json:"complete_at"` // when the last complete one asked Kafka
	Topics     int     `json:"topics"`
	Partitions int     `json:"partitions"`
	Failures   int     `json:"failures"`
	Unfinished int     `json:"unfinished"`
	Error      string  `json:"error"`
}

type partitionJSON struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	Partition       int32   `json:"partition"`
	TopicID         string  `json:"topic_id"`
	ClusterID       string  `json:"cluster_id"`
	Status          string  `json:"status"`
	Healthy         bool    `json:"healthy"`
	Error           string  `json:"error"`
	ErrorSince      *string `json:"error_since"` // since when ticks meet it; null for an attempt of a worker
	SeenAt          *string `json:"seen_at"`
	Unseen          string  `json:"unseen"` // why nobody knows that it is as the row says
	Excluded        bool    `json:"excluded"`
	Suspicion       string  `json:"suspicion"`
	Lag             *int64  `json:"lag"`
	NextOffset      int64   `json:"next_offset"`
	PlannedOffset   int64   `json:"planned_offset"`
	LogStartOffset  *int64  `json:"log_start_offset"`
	LogEndOffset    *int64  `json:"log_end_offset"`
	HighWatermark   *int64  `json:"high_watermark"`
	ObservedAt      *string `json:"observed_at"`
	LossAt          *string `json:"loss_at"` // when Kafka may delete the first record not archived; null for never
	Records         int64   `json:"records"`
	RawBytes        int64   `json:"raw_bytes"`
	StoredBytes     int64   `json:"stored_bytes"`
	MissingOffsets  int64   `json:"missing_offsets"`
	GapOffsets      int64   `json:"gap_offsets"`
	LastRecordAt    *string `json:"last_record_at"`
	LastRecordMS    *int64  `json:"last_record_ms"`
	LastArchivedAt  *string `json:"last_archived_at"`
	LastPlannedAt   *string `json:"last_planned_at"`
	LastObject      string  `json:"last_object"`
	LastLeaderEpoch int32   `json:"last_leader_epoch"`
}

func newStatusJSON(seen condition.Overview, now time.Time) statusJSON {
	s := statusJSON{
		Healthy:    seen.IsHealthy(),
		At:         human.Timestamp(now),
		Problem:    seen.TickProblem(),
		Partitions: make([]partitionJSON, len(seen.Rows)),
	}
	if r, ok := seen.Ticks.Last(); ok {
		s.Tick = &tickJSON{
			ID:         r.ID,
			By:         r.By,
			ClusterID:  r.ClusterID,
			StartedAt:  human.Timestamp(r.StartedAt),
			EndedAt:    human.Timestamp(r.EndedAt),
			CompleteAt: human.Timestamp(r.CompleteAt),
			Topics:     r.Topics,
			Partitions: r.Partitions,
			Failures:   r.Failures,
			Unfinished: r.Unfinished,
			Error:      r.Error,
		}
	}
	for i, p := range seen.Rows {
		s.Partitions[i] = partitionJSON{
			Topic:           p.Name,
			TopicNames:      p.TopicNames(),
			Partition:       p.Number,
			TopicID:         p.TopicID.String(),
			ClusterID:       p.ClusterID,
			Status:          string(p.Status),
			Healthy:         !condition.Unhealthy(p),
			Error:           cmp.Or(p.Trouble.Error, p.Error),
			ErrorSince:      human.Timestamp(p.Trouble.Since),
			Suspicion:       p.Suspicion,
			SeenAt:          human.Timestamp(p.SeenAt),
			Unseen:          p.Unseen,
			Excluded:        p.Excluded,
			Lag:             p.IfKnown(p.Lag()),
			NextOffset:      p.NextOffset,
			PlannedOffset:   p.PlannedOffset,
			LogStartOffset:  p.IfKnown(p.LogStart),
			LogEndOffset:    p.IfKnown(p.LastStable),
			HighWatermark:   p.IfKnown(p.HighWatermark),
			ObservedAt:      human.Timestamp(p.At),
			LossAt:          human.Timestamp(condition.NotPast(p.Threat, now)),
			Records:         p.Records,
			RawBytes:        p.RawBytes,
			StoredBytes:     p.StoredBytes,
			MissingOffsets:  p.Missing,
			GapOffsets:      p.Lost,
			LastRecordAt:    human.Timestamp(p.LastRecordAt),
			LastRecordMS:    human.Milliseconds(p.LastRecordAt),
			LastArchivedAt:  human.Timestamp(p.LastArchivedAt),
			LastPlannedAt:   human.Timestamp(p.LastPlannedAt),
			LastObject:      p.LastObject,
			LastLeaderEpoch: p.LeaderEpoch,
		}
	}
	return s
}
