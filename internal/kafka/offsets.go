// How a cluster is asked for offsets.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What ListOffsets takes in the place of a time.
const (
	logEnd        = -1
	logStart      = -2
	localLogStart = -4 // the first offset on the brokers' own disks (KIP-405)
)

// The isolation levels of ListOffsets and Fetch (KIP-98).
const (
	readUncommitted = 0
	readCommitted   = 1
)

// Offsets implements [bifrost.Cluster]. The leaders are asked three times, log
// start first and high watermark last, so that even of a log that moves
// meanwhile start <= last stable offset <= high watermark.
func (c *Client) Offsets(
	ctx context.Context, topics []bifrost.Topic,
) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	now := time.Now()
	starts, err := c.listOffsets(ctx, partitionsOf(topics), logStart, readUncommitted)
	if err != nil {
		return nil, err
	}
	stable, err := c.listOffsets(ctx, which(starts, answered), logEnd, readCommitted)
	if err != nil {
		return nil, err
	}
	marks, err := c.listOffsets(ctx, which(stable, answered), logEnd, readUncommitted)
	if err != nil {
		return nil, err
	}
	answers := make(map[bifrost.TopicPartition]bifrost.OffsetAnswer, len(starts))
	for tp, start := range starts {
		end, mark := stable[tp], marks[tp]
		if err := errors.Join(start.err, end.err, mark.err); err != nil { // at most one of them
			answers[tp] = bifrost.OffsetAnswer{Err: err}
			continue
		}
		answers[tp] = bifrost.OffsetAnswer{Observation: bifrost.Observation{
			LogStart: start.offset, LastStable: end.offset, HighWatermark: mark.offset, LeaderEpoch: end.epoch, At: now,
		}}
	}
	return answers, nil
}

// timesAtOnce bounds a question for times: for each partition a broker has to
// look into an index on its disk, and all of them have to fit into its answer's time. Tests make it tiny.
var timesAtOnce = 1000

// OffsetsAt implements [bifrost.History].
func (c *Client) OffsetsAt(
	ctx context.Context, partitions []bifrost.TopicPartition, at time.Time,
) (map[bifrost.TopicPartition]bifrost.OffsetAtAnswer, error) {
	answers := make(map[bifrost.TopicPartition]bifrost.OffsetAtAnswer, len(partitions))
	for some := range slices.Chunk(partitions, timesAtOnce) {
		found, err := c.offsetsAt(ctx, some, at)
		if err != nil {
			return nil, err
		}
		for tp, a := range found {
			answers[tp] = bifrost.OffsetAtAnswer{Offset: a.offset, Err: a.err}
		}
	}
	return answers, nil
}

func (c *Client) offsetsAt(
	ctx context.Context, partitions []bifrost.TopicPartition, at time.Time,
) (map[bifrost.TopicPartition]answer, error) {
	found, err := c.listOffsets(ctx, slices.Values(partitions), at.UnixMilli(), readCommitted)
	if err != nil {
		return nil, err
	}
	noneSoYoung := which(found, func(a answer) bool { return a.err == nil && a.offset < 0 })
	ends, err := c.listOffsets(ctx, noneSoYoung, logEnd, readCommitted)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, ends)
	return found, nil
}

// localLogStart returns the first offset on the disks of the partition's leader,
// which is the log start unless older segments are in tiered storage. A broker
// that does not know the question has no tiered storage.
func (c *Client) localLogStart(ctx context.Context, tp bifrost.TopicPartition) (int64, error) {
	answers, err := c.listOffsets(ctx, slices.Values([]bifrost.TopicPartition{tp}), localLogStart, readUncommitted)
	if err != nil {
		return 0, err
	}
	if errors.Is(answers[tp].err, kerr.UnsupportedVersion) {
		return 0, nil
	}
	return answers[tp].offset, answers[tp].err
}

// EpochEnds implements [bifrost.History]. A leader that has nothing of the epoch
// itself answers for the largest epoch below it (KIP-279), so End is always
// where a log that was written up to that epoch stops being today's log.
func (c *Client) EpochEnds(
	ctx context.Context, epochs map[bifrost.TopicPartition]int32,
) (map[bifrost.TopicPartition]bifrost.EpochAnswer, error) {
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	request.ReplicaID = -1 // a consumer
	for topic, numbers := range byTopic(maps.Keys(epochs)) {
		t := kmsg.NewOffsetForLeaderEpochRequestTopic()
		t.Topic = topic
		for _, number := range numbers {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.LeaderEpoch = number, epochs[bifrost.TopicPartition{Topic: topic, Partition: number}]
			t.Partitions = append(t.Partitions, p)
		}
		request.Topics = append(request.Topics, t)
	}
	found, err := c.askLeaders(ctx, maps.Keys(epochs), request)
	if err != nil {
		return nil, fmt.Errorf("kafka: find the ends of %d leader epochs: %w", len(epochs), err)
	}
	answers := make(map[bifrost.TopicPartition]bifrost.EpochAnswer, len(found))
	for tp, answer := range found {
		answers[tp] = bifrost.EpochAnswer{End: answer.offset, Err: answer.err}
	}
	return answers, nil
}

// listOffsets asks every partition's leader for its offset at a time, in
// milliseconds since the Unix epoch, or at one of the log's ends.
func (c *Client) listOffsets(
	ctx context.Context, partitions iter.Seq[bifrost.TopicPartition], at int64, isolation int8,
) (map[bifrost.TopicPartition]answer, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.IsolationLevel = isolation
	for topic, numbers := range byTopic(partitions) {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, number := range numbers {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = number, at
			t.Partitions = append(t.Partitions, p)
		}
		request.Topics = append(request.Topics, t)
	}
	answers, err := c.askLeaders(ctx, partitions, request)
	if err != nil {
		return nil, fmt.Errorf("kafka: list the offsets of %d topics: %w", len(request.Topics), err)
	}
	return answers, nil
}
