// What the rules ask of Kafka.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

// TopicPartition names a partition as Kafka does.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Topic is a topic as the brokers' metadata describe it.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions []int32 // in order
}

// TopicAnswer is what all brokers together say about one topic asked for by name.
type TopicAnswer struct {
	// those under which brokers know it, each once; none when every broker says that it knows no such topic
	IDs []TopicID
	Err error // a broker says something else, or says nothing: a topic hidden by an ACL is not a deleted topic
}

// OffsetAnswer is what the leader of one partition says.
type OffsetAnswer struct {
	Observation
	Err error
}

// OffsetAtAnswer is what the leader of one partition says about a time.
type OffsetAtAnswer struct {
	Offset int64 // as [History.OffsetsAt] says
	Err    error
}

// EpochAnswer is where a leader epoch ends in the log of today's leader.
type EpochAnswer struct {
	End int64 // first offset after the epoch; -1 when the leader knows no such epoch
	Err error
}

// Cluster is what every tick asks of Kafka.
type Cluster interface {
	// Topics lists every topic that Kafka does not flag as internal and that the
	// credentials may describe, with the cluster's ID. One broker answers, and it
	// may be behind the others for as long as it cannot reach the controller.
	Topics(ctx context.Context) (clusterID string, topics []Topic, err error)
	// Find asks every broker for topics by name, creates none, and answers for each
	// name.
	Find(ctx context.Context, names []string) (map[string]TopicAnswer, error)
	// Offsets asks the leaders for log start, last stable offset and high
	// watermark, and answers for each partition of the topics.
	Offsets(ctx context.Context, topics []Topic) (map[TopicPartition]OffsetAnswer, error)
}

// History is what some ticks ask of Kafka about some partitions.
type History interface {
	// OffsetsAt finds the first offset whose record is not older than the time;
	// the last stable offset when there is none.
	OffsetsAt(ctx context.Context, partitions []TopicPartition, at time.Time) (map[TopicPartition]OffsetAtAnswer, error)
	// EpochEnds asks today's leaders where the given leader epochs end
	// (OffsetForLeaderEpoch, KIP-279).
	EpochEnds(ctx context.Context, epochs map[TopicPartition]int32) (map[TopicPartition]EpochAnswer, error)
}

// Retention is when Kafka deletes the records of a topic, archived or not.
type Retention struct {
	Milliseconds int64 // age at which a record may go, -1 never (retention.ms)
	Bytes        int64 // size of a partition above which its oldest records may go, -1 never (retention.bytes)
	Compacted    bool  // a newer record of the same key makes the older one go (cleanup.policy)
	// the age counts from the append, not from the time the producer wrote into the record (message.timestamp.type)
	LogAppendTime bool
	Err           error // why the rest is not known
}

// RetentionReader tells how long there is time to archive a topic.
type RetentionReader interface {
	// Retention answers for each of the topics. A topic that does not exist has
	// ErrNotFound in its answer.
	Retention(ctx context.Context, topics []string) (map[string]Retention, error)
}

// Source reads records from Kafka.
type Source interface {
	// ClusterID is the cluster's own ID.
	ClusterID(ctx context.Context) (string, error)
	// Read begins to read a range with read_committed, by topic ID where the
	// cluster has them. It does not wait for the first answer of the broker.
	Read(ctx context.Context, topic string, id TopicID, partition int32, r Range) (Records, error)
}

// Records is a range on its way from Kafka.
type Records interface {
	// Next gives what lies between the last position and the next. The batch and
	// all that it points to is borrowed until the next call. io.EOF says that the
	// position has reached the end of the range. An *OutOfRangeError says that the
	// log does not hold the position. Every other error: nothing is known, retry.
	Next(ctx context.Context) (Batch, error)
	// Close gives back what Read took.
	Close()
}

// Batch is a stretch of the log.
type Batch struct {
	Records     []baldr.Record // in order of offsets, all in [position before, Position)
	Position    int64          // first offset after the stretch
	Missing     baldr.Missing  // offsets of the stretch without a record; with the records they add up to its length
	LeaderEpoch int32          // of the stretch's last batch, -1 unknown
}

// ErrWrongTopicID says that the cluster does not know the topic ID: the topic
// was deleted, perhaps made again, or the brokers' metadata are out of date.
var ErrWrongTopicID = errors.New("the cluster does not know this topic ID")

// OutOfRangeError says that the log does not hold a position.
type OutOfRangeError struct {
	Position int64 // what was asked for
	LogStart int64 // first offset that the leader has, -1 unknown
	LogEnd   int64 // last stable offset or high watermark, -1 unknown
}

// Error implements error.
func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("offset %d is not in the log [%d, %d)", e.Position, e.LogStart, e.LogEnd)
}
