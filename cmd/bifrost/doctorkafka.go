package main

import (
	"context"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// kafka checks the cluster that is archived, if brokers are given.
func (d *doctor) kafka(ctx context.Context, parts *wiring.Parts) {
	if parts.Kafka == nil {
		d.check(ctx, "Kafka", func(context.Context) finding {
			return advice("no brokers are given", "set BIFROST_BROKERS to check Kafka too; reading the archive needs none")
		})
		return
	}
	d.check(ctx, "Kafka security", func(context.Context) finding { return kafkaSecurity(parts.Config.Kafka) })
	var clusterID string
	var topics []bifrost.Topic
	d.check(ctx, "Kafka", func(ctx context.Context) finding {
		var err error
		if clusterID, topics, err = parts.Kafka.Topics(ctx); err != nil {
			return broken(err, "run doctor where the brokers can be reached; the functions may reach them where this machine cannot")
		}
		return fine("cluster %s, %d topics", clusterID, len(topics))
	})
	if clusterID == "" {
		return
	}
	d.check(ctx, "topic IDs", func(context.Context) finding { return topicIDs(topics) })
	d.check(ctx, "topics selected", func(context.Context) finding { return selected(topics, parts.Config.Topics) })
	d.check(ctx, "offsets", func(ctx context.Context) finding { return offsets(ctx, parts, topics) })
	d.check(ctx, "retention", func(ctx context.Context) finding { return retention(ctx, parts, topics) })
	d.check(ctx, "cluster of the tables", func(ctx context.Context) finding { return sameCluster(ctx, parts, clusterID) })
}

// kafkaSecurity says how the brokers are reached, and what others may read then.
func kafkaSecurity(k config.Kafka) finding {
	switch {
	case k.InTheClear():
		return advice(k.Mechanism+" without TLS", "anyone on the network can read the credentials: set BIFROST_SECURITY_PROTOCOL=SASL_SSL")
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
			return advice("the cluster gives none (before Kafka 2.8)", "a topic deleted and made again can only be told by its offsets: see the limits in the README")
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
	if n == 0 {
		return advice(fmt.Sprintf("none of %d, with include %q and exclude %q", len(topics), filter.Include, filter.Exclude), "see BIFROST_INCLUDE_TOPICS, and whether the credentials may describe the topics")
	}
	return fine("%d of %d", n, len(topics))
}

// offsets asks the leaders of a few topics, which may be reachable or not one by one.
func offsets(ctx context.Context, parts *wiring.Parts, topics []bifrost.Topic) finding {
	answers, err := parts.Kafka.Offsets(ctx, topics[:min(topicsToDescribe, len(topics))])
	if err != nil {
		return broken(err, "the brokers must be reachable by the addresses that they advertise (advertised.listeners)")
	}
	for tp, answer := range answers {
		if answer.Err != nil {
			return broken(fmt.Errorf("topic %s partition %d: %w", tp.Topic, tp.Partition, answer.Err), "allow Describe and Read on the topics to these credentials")
		}
	}
	return fine("of %d partitions", len(answers))
}

func retention(ctx context.Context, parts *wiring.Parts, topics []bifrost.Topic) finding {
	answers, err := parts.Kafka.Retention(ctx, describeTopics(topics))
	if err != nil {
		return advice("not known: "+err.Error(), "allow DescribeConfigs on topics, or nobody knows when Kafka deletes records")
	}
	for topic, answer := range answers {
		if answer.Err != nil {
			return advice(fmt.Sprintf("not known: topic %s: %v", topic, answer.Err), "allow DescribeConfigs on topics, or nobody knows when Kafka deletes records")
		}
	}
	return fine("can be read")
}

// sameCluster tells brokers and tables that do not belong together.
func sameCluster(ctx context.Context, parts *wiring.Parts, clusterID string) finding {
	rows, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return broken(err, "see the tables' lines")
	}
	for _, p := range rows {
		if p.ClusterID == clusterID {
			return fine("the same, %d partitions", len(rows))
		}
	}
	if len(rows) == 0 {
		return fine("no tick has run yet")
	}
	return advice(fmt.Sprintf("the tables are about cluster %s", rows[0].ClusterID), "are these the brokers of this archive? BIFROST_BROKERS")
}
