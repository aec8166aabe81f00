package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
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
TO LOSS is how long until Kafka may delete a record that is not archived.`,
		Example: `  bifrost status
  bifrost status orders --live
  bifrost status --watch --every 5s
  bifrost status --json | jq '.partitions[] | select(.lag > 0)'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTopics,
		Annotations:       map[string]string{unhealthyMeaning: "a partition is DIVERGED or BLOCKED, or its last attempt failed"},
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
		rows, err := s.look(ctx, parts, topics)
		if err != nil {
			return err
		}
		if !s.watch {
			return health(rows)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.every):
		}
	}
}

// look shows the rows once. On a terminal that is watched it goes over what was
// there before.
func (s *status) look(ctx context.Context, parts *wiring.Parts, topics []string) ([]bifrost.Progress, error) {
	rows, err := s.read(ctx, parts, topics)
	if err != nil {
		return nil, err
	}
	if _, isTerminal := terminal(s.out); s.watch && isTerminal {
		fmt.Fprint(s.out, "\x1b[H\x1b[2J") // to the corner, and clear (ECMA-48)
	}
	return rows, s.show(rows, len(topics) > 0)
}

func health(rows []bifrost.Progress) error {
	if slices.ContainsFunc(rows, unhealthy) {
		return errUnhealthy
	}
	return nil
}

// unhealthy reports whether a person should look at the partition.
func unhealthy(p bifrost.Progress) bool {
	if p.Status == bifrost.StatusForked {
		return false // its error says where the log goes on
	}
	return p.Error != "" || p.Suspicion != "" || !slices.Contains([]bifrost.Status{bifrost.StatusOpen, bifrost.StatusFencing, bifrost.StatusClosed}, p.Status)
}

// read reads the rows of the topics, or of all, in order.
func (s *status) read(ctx context.Context, parts *wiring.Parts, topics []string) ([]bifrost.Progress, error) {
	rows, err := progress(ctx, parts.Ledger, topics)
	if err != nil || !s.live {
		return rows, err
	}
	return rows, observe(ctx, parts.Kafka, rows)
}

// observe puts into the rows what Kafka says now.
func observe(ctx context.Context, cluster bifrost.Cluster, rows []bifrost.Progress) error {
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
		if ok && answer.Err == nil && p.ClusterID == clusterID && ids[p.Topic()] == p.TopicID {
			answer.LossAt = p.LossAt // which a tick works out
			p.Observation = answer.Observation
		}
	}
	return nil
}

func (s *status) show(rows []bifrost.Progress, named bool) error {
	if s.json {
		return s.printJSON(newStatusJSON(rows, s.now()))
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

func partitionTable(rows []bifrost.Progress, now time.Time) *table {
	t := &table{columns: []column{
		{title: "topic"}, {title: "part", right: true}, {title: "status"}, {title: "lag", right: true}, {title: "next offset", right: true, spare: 1},
		{title: "end", right: true, spare: 2}, {title: "records", right: true, spare: 4}, {title: "lost", right: true}, {title: "stored", right: true, spare: 5},
		{title: "last record", right: true, spare: 3}, {title: "to loss", right: true}, {title: "as of", right: true, spare: 6}, {title: "error", shrink: true},
	}}
	for _, p := range rows {
		t.add(plain(p.Name), plain(fmt.Sprint(p.Number)), statusCell(p), lagCell(p.Lag()), plain(count(p.NextOffset)),
			plain(count(p.LastStable)), plain(count(p.Records)), lostCell(p.Lost), plain(size(p.StoredBytes)),
			plain(ago(p.LastRecordAt, now)), lossCell(p, now), plain(ago(p.At, now)), errorCell(p))
	}
	return t
}

func topicTable(rows []bifrost.Progress, now time.Time) *table {
	t := &table{columns: []column{
		{title: "topic"}, {title: "parts", right: true, spare: 5}, {title: "status"}, {title: "lag", right: true},
		{title: "records", right: true, spare: 2}, {title: "lost", right: true}, {title: "raw", right: true, spare: 4}, {title: "stored", right: true, spare: 3},
		{title: "last record", right: true, spare: 1}, {title: "to loss", right: true}, {title: "error", shrink: true},
	}}
	var all []bifrost.Progress
	for _, topic := range byTopic(rows) {
		sum := sumOf(topic)
		t.add(topicCells(sum.Name, len(topic), sum, now)...)
		all = append(all, sum)
	}
	if len(all) > 1 {
		total := sumOf(all)
		total.Status, total.Error, total.Suspicion = "", "", ""
		t.foot = append(t.foot, topicCells(fmt.Sprintf("%d topics", len(all)), len(rows), total, now))
	}
	return t
}

func topicCells(name string, partitions int, sum bifrost.Progress, now time.Time) []cell {
	return []cell{plain(name), plain(fmt.Sprint(partitions)), statusCell(sum), lagCell(sum.Lag()), plain(count(sum.Records)),
		lostCell(sum.Lost), plain(size(sum.RawBytes)), plain(size(sum.StoredBytes)), plain(ago(sum.LastRecordAt, now)), lossCell(sum, now), errorCell(sum)}
}

// byTopic groups rows that are in order of name.
func byTopic(rows []bifrost.Progress) [][]bifrost.Progress {
	var groups [][]bifrost.Progress
	for i, p := range rows {
		if i == 0 || rows[i-1].Name != p.Name {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}

// severity orders states from what needs a person to what needs nobody.
var severity = []bifrost.Status{bifrost.StatusDiverged, bifrost.StatusBlocked, bifrost.StatusFencing, bifrost.StatusOpen, bifrost.StatusForked, bifrost.StatusClosed}

// sumOf is one row that stands for many: sums, the newest record, the worst
// state, the first error. Its offsets are sums too, so that its lag is the sum.
func sumOf(rows []bifrost.Progress) bifrost.Progress {
	sum := bifrost.Progress{Partition: rows[0].Partition, Status: rows[0].Status}
	for _, p := range rows {
		sum.NextOffset += p.NextOffset
		sum.LastStable += p.NextOffset + p.Lag()
		sum.Records += p.Records
		sum.RawBytes += p.RawBytes
		sum.StoredBytes += p.StoredBytes
		sum.Missing += p.Missing
		sum.Lost += p.Lost
		sum.Error = cmp.Or(sum.Error, p.Error)
		sum.Suspicion = cmp.Or(sum.Suspicion, p.Suspicion)
		if p.LastRecordAt.After(sum.LastRecordAt) {
			sum.LastRecordAt = p.LastRecordAt
		}
		if loss := p.LossAt; !loss.IsZero() && (sum.LossAt.IsZero() || loss.Before(sum.LossAt)) {
			sum.LossAt = loss
		}
		if slices.Index(severity, p.Status) < slices.Index(severity, sum.Status) {
			sum.Status = p.Status
		}
	}
	return sum
}

func statusCell(p bifrost.Progress) cell {
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
func lossCell(p bifrost.Progress, now time.Time) cell {
	switch left := p.LossAt.Sub(now); {
	case p.LossAt.IsZero():
		return plain("")
	case left <= 0:
		return cell{"now", styleBad}
	case left < nearLoss:
		return cell{span(left), styleBad}
	default:
		return plain(span(left))
	}
}

func errorCell(p bifrost.Progress) cell { return cell{cmp.Or(p.Error, p.Suspicion), styleBad} }
