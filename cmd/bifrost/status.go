package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newStatus(a *app) *cobra.Command {
	s := &status{app: a}
	c := &cobra.Command{
		Use:     "status [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Show how far the archive is behind, and what is wrong",
		Long: `Status reads the progress table and shows a line a topic, or a line a partition
if topics are named or --partitions is given. Lag and end are as of the last time
the stack wrote the row, which it does when something happens; --live asks Kafka.
SEEN is when a tick looked at the partition last, whether it had anything to write or
not: what no tick has seen for BIFROST_STALLED_SECONDS is not called healthy.
TO LOSS is how long until Kafka may delete a record that is not archived.`,
		Example: `  bifrost status
  bifrost status orders --live
  bifrost status --watch --every 5s
  bifrost status --json | jq '.partitions[] | select(.lag > 0)'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTopics,
		Annotations:       map[string]string{unhealthyMeaning: "a partition is DIVERGED or BLOCKED, its last attempt failed, or no tick has looked at it lately"},
		RunE:              func(c *cobra.Command, topics []string) error { return s.run(c.Context(), topics) },
	}
	c.Flags().BoolVar(&s.byPartition, "partitions", false, "a line a partition")
	c.Flags().BoolVar(&s.live, "live", false, "ask Kafka for the ends of the logs now")
	c.Flags().BoolVarP(&s.watch, "watch", "w", false, "show it again and again, until interrupted")
	c.Flags().DurationVar(&s.every, "every", 2*time.Second, "time between two looks of --watch")
	addJSON(c, &s.json)
	return c
}

type status struct {
	*app
	byPartition bool
	live        bool
	watch       bool
	every       time.Duration
	json        bool
}

func (s *status) run(ctx context.Context, topics []string) error {
	if s.every <= 0 {
		return usagef("--every %s: want a time above 0", s.every)
	}
	role := config.Reader
	if s.live {
		role = config.Archiver
	}
	parts, err := s.open(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	for {
		seen, err := s.look(ctx, parts, topics)
		if err != nil {
			return err
		}
		if !s.watch {
			if !s.json {
				s.tellTicks(seen)
			}
			return seen.err()
		}
		s.tellProblem(seen)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.every):
		}
	}
}

// look shows the rows once. On a terminal that is watched it goes over what was
// there before.
func (s *status) look(ctx context.Context, parts *wiring.Parts, topics []string) (wellbeing, error) {
	seen, err := s.read(ctx, parts, topics)
	if err != nil {
		return seen, err
	}
	if _, isTerminal := terminal(s.out); s.watch && isTerminal {
		fmt.Fprint(s.out, "\x1b[H\x1b[2J") // to the corner, and clear (ECMA-48)
	}
	return seen, s.show(seen, len(topics) > 0)
}

// read reads the rows of the topics, or of all, in order.
func (s *status) read(ctx context.Context, parts *wiring.Parts, topics []string) (wellbeing, error) {
	seen, err := look(ctx, parts, topics, s.now())
	if err != nil || !s.live {
		return seen, err
	}
	rows := make([]bifrost.Progress, len(seen.rows))
	for i, p := range seen.rows {
		rows[i] = p.Progress
	}
	err = observe(ctx, parts.Kafka, rows, s.now())
	return wellbeing{judge(rows, seen.ticks), seen.ticks}, err
}

// observe puts into the rows what Kafka says now, or why it does not say it.
func observe(ctx context.Context, cluster bifrost.Cluster, rows []bifrost.Progress, now time.Time) error {
	clusterID, topics, err := cluster.Topics(ctx)
	if err != nil {
		return err
	}
	offsets, err := cluster.Offsets(ctx, topics)
	if err != nil {
		return err
	}
	ids := map[string]bifrost.TopicID{}
	for _, t := range topics {
		ids[t.Name] = t.ID
	}
	for i := range rows {
		p := &rows[i]
		answer, ok := offsets[bifrost.TopicPartition{Topic: p.Topic(), Partition: p.Number}]
		unseen := ""
		switch {
		case p.Status == bifrost.StatusClosed || p.Status == bifrost.StatusForked:
			continue // for good
		case p.ClusterID != clusterID:
			unseen = fmt.Sprintf("these are the brokers of cluster %s, and not of cluster %s", clusterID, p.ClusterID)
		case !ok || ids[p.Topic()] != p.TopicID:
			unseen = "the brokers do not list it: it was deleted, or is hidden from these credentials"
		case answer.Err != nil:
			unseen = fmt.Sprintf("list offsets: %v", answer.Err)
		}
		if unseen != "" {
			p.Trouble = bifrost.Trouble{Error: unseen, Since: cmp.Or(p.Trouble.Since, now), At: now}
			continue
		}
		answer.LossAt = p.Threat() // which a tick works out
		p.Observation, p.Trouble = answer.Observation, bifrost.Trouble{}
	}
	return nil
}

func (s *status) show(seen wellbeing, named bool) error {
	rows := seen.rows
	if s.json {
		return s.printJSON(newStatusJSON(seen, s.now()))
	}
	if len(rows) == 0 {
		s.sayNothingArchived()
		return nil
	}
	if s.byPartition || named {
		return s.print(partitionTable(rows, s.now()))
	}
	return s.print(topicTable(rows, s.now()))
}

func partitionTable(rows []judged, now time.Time) *table {
	t := &table{columns: []column{
		{title: "topic"}, {title: "part", right: true}, {title: "status"}, {title: "lag", right: true}, {title: "next offset", right: true, spare: 1},
		{title: "end", right: true, spare: 2}, {title: "records", right: true, spare: 4}, {title: "lost", right: true}, {title: "stored", right: true, spare: 5},
		{title: "last record", right: true, spare: 3}, {title: "to loss", right: true}, {title: "as of", right: true, spare: 7}, {title: "seen", right: true, spare: 6}, {title: "error", shrink: true},
	}}
	for _, p := range rows {
		t.add(plain(p.Name), plain(fmt.Sprint(p.Number)), statusCell(p), lagCell(p.Lag()), plain(count(p.NextOffset)),
			plain(count(p.LastStable)), plain(count(p.Records)), lostCell(p.Lost), plain(size(p.StoredBytes)),
			plain(ago(p.LastRecordAt, now)), lossCell(p, now), plain(ago(p.At, now)), plain(ago(p.SeenAt, now)), errorCell(p))
	}
	return t
}

func topicTable(rows []judged, now time.Time) *table {
	t := &table{columns: []column{
		{title: "topic"}, {title: "parts", right: true, spare: 5}, {title: "status"}, {title: "lag", right: true},
		{title: "records", right: true, spare: 2}, {title: "lost", right: true}, {title: "raw", right: true, spare: 4}, {title: "stored", right: true, spare: 3},
		{title: "last record", right: true, spare: 1}, {title: "to loss", right: true}, {title: "seen", right: true, spare: 6}, {title: "error", shrink: true},
	}}
	var all []judged
	for _, topic := range byTopic(rows) {
		sum := sumOf(topic)
		t.add(topicCells(sum.Name, len(topic), sum, now)...)
		all = append(all, sum)
	}
	if len(all) > 1 {
		total := sumOf(all)
		total.Status, total.Error, total.Suspicion, total.Trouble, total.Sight = "", "", "", bifrost.Trouble{}, health.Sight{SeenAt: total.SeenAt}
		t.foot = append(t.foot, topicCells(fmt.Sprintf("%d topics", len(all)), len(rows), total, now))
	}
	return t
}

func topicCells(name string, partitions int, sum judged, now time.Time) []cell {
	return []cell{plain(name), plain(fmt.Sprint(partitions)), statusCell(sum), lagCell(sum.Lag()), plain(count(sum.Records)),
		lostCell(sum.Lost), plain(size(sum.RawBytes)), plain(size(sum.StoredBytes)), plain(ago(sum.LastRecordAt, now)), lossCell(sum, now), plain(ago(sum.SeenAt, now)), errorCell(sum)}
}

func statusCell(p judged) cell {
	text := string(p.Status)
	switch {
	case text == "":
		return cell{}
	case unhealthy(p):
		return cell{text, styleBad}
	case p.Status == bifrost.StatusOpen:
		return cell{text, styleGood}
	}
	return cell{text, styleWarn}
}

func lagCell(lag int64) cell {
	if lag > 0 {
		return cell{count(lag), styleWarn}
	}
	return plain(count(lag))
}

func lostCell(lost int64) cell {
	if lost > 0 {
		return cell{count(lost), styleWarn}
	}
	return plain("")
}

// nearLoss is when a waiting record counts as in danger.
const nearLoss = 6 * time.Hour

// lossCell is how long until Kafka may delete a record that is not archived.
func lossCell(p judged, now time.Time) cell {
	switch left := p.threat.Sub(now); {
	case p.threat.IsZero():
		return plain("")
	case left <= 0:
		return cell{"now", styleBad}
	case left < nearLoss:
		return cell{span(left), styleBad}
	default:
		return plain(span(left))
	}
}
