// What is about to be written into a topic.

package target

import (
	"context"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// Need is what is about to be written into one topic.
type Need struct {
	Topic string
	// Partitions is how many the topic gets if it is made: as many as the life of its
	// source has, however many of them are written.
	Partitions int32
	// Fewest is how many partitions a topic that exists must have at least; 0 when
	// they are chosen by key.
	Fewest int32
	// Settings are those that the topic gets if it is made, beside those that keep what
	// is written into it. One that the brokers refuse is left out: [Topic.Refused].
	Settings map[string]string
	// Inherited are settings that are to be in effect, if the topic is made: it gets
	// those that it would not have from the brokers.
	Inherited map[string]string
	// Replicas is how many each partition gets if the topic is made and there are as many
	// brokers; 0 for the brokers' default.
	Replicas int
	// MostBytes is what goes into the fullest partition, before compression.
	MostBytes int64
	// Measure tells the gauge of all records that are to be written. Nil measures
	// nothing.
	Measure func(ctx context.Context, gauge *Gauge) error
}

// Topic is what a look has found out about one topic, and what it needs.
type Topic struct {
	Need
	Exists bool
	ID     bifrost.TopicID // zero if it does not exist, or before Kafka 2.8
	// Settings are those to make it with, beside the cluster's own.
	Settings map[string]string
	// Refused are settings that were asked for and that the brokers do not take, each
	// with their reason.
	Refused map[string]string
	// Replicas is how many each partition has, or would have; 0 when Kafka does not say.
	Replicas int
	// Batches are how the batches for it are made.
	Batches recordbatch.Shape
	// Obstacles are why it cannot be written at all, Problems what would lose or
	// refuse records, each with what to do about it. Notes are worth knowing.
	Obstacles, Problems, Notes []string
	// Unreadable is why the archive cannot give its records; empty if it can, or if they were not measured.
	Unreadable string

	replication int16             // to ask for; -1 for the brokers' default (KIP-464)
	settings    map[string]string // as they are, or would be; nil when nobody says
	kept        recordbatch.Codec // what it keeps, or what is best for it
}
