// The checks of the cluster that is archived.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// checkKafka checks the cluster that is archived, if brokers are given.
func (d *checkup) checkKafka(ctx context.Context, parts *wiring.Parts) {
	if parts.Kafka == nil {
		d.runCheck(ctx, "Kafka", func(context.Context) finding {
			return advice("no brokers are given",
				"set BIFROST_BROKERS to check Kafka too; reading the archive needs none")
		})
		return
	}
	d.runCheck(ctx, "Kafka security", func(context.Context) finding { return kafkaSecurity(parts.Config.Kafka) })
	var clusterID string
	var topics []bifrost.Topic
	d.runCheck(ctx, "Kafka", func(ctx context.Context) finding {
		var err error
		if clusterID, topics, err = parts.Kafka.Topics(ctx); err != nil {
			return broken(err,
				"run doctor where the brokers can be reached; "+
					"the functions may reach them where this machine cannot")
		}
		return fine("cluster %s, %d topics", clusterID, len(topics))
	})
	if clusterID == "" {
		return
	}
	d.runCheck(ctx, "topic IDs", func(context.Context) finding { return topicIDs(topics) })
	d.runCheck(ctx, "topics selected", func(context.Context) finding { return selected(topics, parts.Config.Topics) })
	d.runCheck(ctx, "offsets", func(ctx context.Context) finding { return offsets(ctx, parts, topics) })
	d.runCheck(ctx, "retention", func(ctx context.Context) finding { return retention(ctx, parts, topics) })
	d.askAWS(ctx, "cluster of the tables",
		func(ctx context.Context) finding { return sameCluster(ctx, parts, clusterID) }, serviceDynamoDB)
}

// kafkaSecurity says how the brokers are reached, and what others may read then.
func kafkaSecurity(k config.Kafka) finding {
	switch {
	case k.InTheClear():
		return advice(k.Mechanism+" without TLS",
			"anyone on the network can read the credentials: set BIFROST_SECURITY_PROTOCOL=SASL_SSL")
	case k.SASL && k.TLS:
		return fine("TLS, %s", k.Mechanism)
	case k.SASL:
		return fine("%s, without TLS", k.Mechanism)
	case k.TLS:
		return fine("TLS")
	}
	return fine("plaintext")
}

func topicIDs(topics []bifrost.Topic) finding {
	for _, t := range topics {
		if t.ID.IsZero() {
			return advice("the cluster gives none (before Kafka 2.8)",
				"a topic deleted and made again can only be told by its offsets: see the limits in the README")
		}
	}
	return fine("given")
}

func selected(topics []bifrost.Topic, filter bifrost.TopicFilter) finding {
	n := 0
	for _, t := range topics {
		if filter.Archives(t.Name) {
			n++
		}
	}
	if len(topics) == 0 {
		return advice("there is no topic, or none that these credentials may describe",
			"if the cluster has topics, allow Describe on them; otherwise make one")
	}
	if n == 0 {
		return advice(fmt.Sprintf("none of %d is selected by %s", len(topics), filter),
			"see BIFROST_INCLUDE_TOPICS, and whether the credentials may describe the topics")
	}
	return fine("%d of %d", n, len(topics))
}

// offsets asks the leaders of all selected topics: each may be away by itself.
func offsets(ctx context.Context, parts *wiring.Parts, topics []bifrost.Topic) finding {
	var chosen []bifrost.Topic
	for _, t := range topics {
		if parts.Config.Topics.Archives(t.Name) {
			chosen = append(chosen, t)
		}
	}
	answers, err := parts.Kafka.Offsets(ctx, chosen)
	if err != nil {
		return broken(err, "the brokers must be reachable by the addresses that they advertise (advertised.listeners)")
	}
	return judgeOffsets(answers)
}

// judgeOffsets names the first partition without offsets, and counts them.
func judgeOffsets(answers map[bifrost.TopicPartition]bifrost.OffsetAnswer) finding {
	first, failed := bifrost.TopicPartition{}, 0
	for tp, answer := range answers {
		if answer.Err == nil {
			continue
		}
		if failed++; failed == 1 || tp.Topic < first.Topic ||
			tp.Topic == first.Topic && tp.Partition < first.Partition {
			first = tp
		}
	}
	if failed == 0 {
		return fine("of %d partitions", len(answers))
	}
	err := answers[first].Err
	return broken(fmt.Errorf("%d of %d partitions have none, such as topic %s partition %d: %w",
		failed, len(answers), first.Topic, first.Partition, err), adviceOnOffsets(err))
}

// adviceOnOffsets is what to do about a partition whose offsets cannot be listed.
func adviceOnOffsets(err error) string {
	var answer *kerr.Error
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed),
		errors.Is(err, kerr.GroupAuthorizationFailed):
		return "allow Describe and Read on the topics to these credentials"
	case errors.Is(err, kerr.LeaderNotAvailable), errors.Is(err, kerr.NotLeaderForPartition),
		errors.Is(err, kerr.ReplicaNotAvailable),
		errors.Is(err, kerr.BrokerNotAvailable), errors.Is(err, kerr.KafkaStorageError):
		return "no broker leads it: see which of its replicas are down, and start them " +
			"(kafka-topics.sh --describe --unavailable-partitions). The other partitions are archived meanwhile, " +
			"and nothing of this one is lost as long as its disks are there"
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "the broker that answered is behind the others, " +
			"or the topic was deleted just now: look again in a minute"
	case errors.As(err, &answer):
		return "see the log of the broker that leads it (kafka-topics.sh --describe)"
	}
	return "the leader must be reachable by the address that it advertises (advertised.listeners)"
}

func retention(ctx context.Context, parts *wiring.Parts, topics []bifrost.Topic) finding {
	answers, err := parts.Kafka.Retention(ctx, describeTopics(topics))
	if err != nil {
		return advice("not known: "+err.Error(), adviceOnRetention(err))
	}
	return judgeRetention(answers)
}

// judgeRetention names the first topic whose retention cannot be read.
func judgeRetention(answers map[string]bifrost.Retention) finding {
	for _, topic := range slices.Sorted(maps.Keys(answers)) {
		if err := answers[topic].Err; err != nil {
			return advice(fmt.Sprintf("not known: topic %s: %v", topic, err), adviceOnRetention(err))
		}
	}
	return fine("can be read")
}

// adviceOnRetention is what to do about a retention that cannot be read.
func adviceOnRetention(err error) string {
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return "allow DescribeConfigs on topics, or nobody knows when Kafka deletes records"
	}
	return "look again in a minute, and then at the brokers and the network: until it can be read, nobody knows when " +
		"Kafka deletes records"
}

// sameCluster tells brokers and tables that do not belong together, wholly or in
// part.
func sameCluster(ctx context.Context, parts *wiring.Parts, clusterID string) finding {
	rows, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return broken(err, "see the tables' lines")
	}
	return judgeCluster(rows, clusterID)
}

// judgeCluster counts whose the rows are that go on.
func judgeCluster(rows []bifrost.Progress, clusterID string) finding {
	same := 0
	others, left := map[string]int{}, int64(0)
	for _, p := range rows {
		switch {
		case p.ClusterID == clusterID:
			same++
		case p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked:
			others[p.ClusterID]++
			left += p.Lag()
		}
	}
	if len(rows) == 0 {
		return fine("no partition has a row yet")
	}
	if len(others) == 0 {
		return fine("the same, %d partitions", same)
	}
	var named []string
	for _, id := range slices.Sorted(maps.Keys(others)) {
		named = append(named, fmt.Sprintf("%d of cluster %s", others[id], id))
	}
	return advice(fmt.Sprintf("the brokers are those of cluster %s; of the partitions in the tables %d are of it, "+
		"and %s, of which %s offsets were seen and never archived",
		clusterID, same, strings.Join(named, ", "), human.Count(left)),
		"are these the brokers of this archive? See BIFROST_BROKERS. If the cluster was replaced, "+
			"what was not archived of the old one is in no gap: "+
			"archive it from there if it still runs (docs/operations.md)")
}

// findTicks tells whether anybody looks at the cluster at all.
func (d *checkup) findTicks(ctx context.Context, parts *wiring.Parts) finding {
	sights, err := condition.SightsOf(ctx, parts, d.Now())
	if err != nil {
		return broken(err, adviceOnTable(err, "dynamodb:Query on the objects table"))
	}
	return d.judgeTicks(sights)
}

// judgeTicks judges what the ticks have left on record.
func (d *checkup) judgeTicks(sights health.Sights) finding {
	last, any := sights.Last()
	if !any {
		return advice("none is on record",
			"the schedule, bifrost run or a bifrost flush of all topics runs one, of this release or a later one")
	}
	if problem := sights.Problem(); problem != "" {
		return broken(errors.New(problem), "see the schedule and the log of discover (docs/operations.md#no-ticks)")
	}
	found := fmt.Sprintf("the last one %s, over %d partitions", human.Ago(last.EndedAt, d.Now()), last.Partitions)
	if last.Failures+last.Unfinished > 0 {
		return advice(fmt.Sprintf("%s; %d failures, %d partitions left to the next",
			found, last.Failures, last.Unfinished), "bifrost status says which")
	}
	return fine("%s", found)
}
