// How requests about partitions are sent to their leaders.

package kafka

import (
	"context"
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// answer is what one leader says about an offset of one partition.
type answer struct {
	offset int64 // -1 when there is none
	epoch  int32 // leader epoch, -1 unknown
	err    error
}

func answered(a answer) bool { return a.err == nil }

// askLeaders sends a ListOffsets or an OffsetForLeaderEpoch request, split by leader, and
// answers for each of the partitions in it. One that nobody answers for has an error;
// only when no leader answers at all does the call fail.
func (c *Client) askLeaders(
	ctx context.Context, partitions iter.Seq[bifrost.TopicPartition], request kmsg.Request,
) (map[bifrost.TopicPartition]answer, error) {
	answers := make(map[bifrost.TopicPartition]answer)
	for tp := range partitions {
		answers[tp] = answer{err: errLeftOut}
	}
	if len(answers) == 0 {
		return answers, nil
	}
	ctx, cancel := c.patiently(ctx)
	defer cancel()
	var shards []kgo.ResponseShard
	err := c.withCredentials(ctx, func() error {
		shards = c.kgo.RequestSharded(ctx, request)
		return firstRefusal(shards)
	})
	if err != nil && len(shards) == 0 {
		return nil, err
	}
	reached := false
	var last error
	for _, shard := range shards {
		var kafkas *kerr.Error // Kafka's own word, if only by its metadata
		reached = reached || shard.Err == nil || errors.As(shard.Err, &kafkas)
		if shard.Err != nil {
			shard.Err = known(c.explainError(ctx, shard.Err))
			last = shard.Err
		}
		put(answers, shard)
	}
	if !reached {
		return nil, last
	}
	return answers, nil
}

// firstRefusal returns the first error for which other credentials may help.
func firstRefusal(shards []kgo.ResponseShard) error {
	for _, shard := range shards {
		if shard.Err != nil && isRefusal(shard.Err) {
			return shard.Err
		}
	}
	return nil
}

// put adds what one broker said, or the reason why it said nothing.
func put(answers map[bifrost.TopicPartition]answer, shard kgo.ResponseShard) {
	if shard.Err != nil {
		for tp := range asked(shard.Req) {
			answers[tp] = answer{err: shard.Err}
		}
		return
	}
	switch response := shard.Resp.(type) {
	case *kmsg.ListOffsetsResponse:
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				tp := bifrost.TopicPartition{Topic: t.Topic, Partition: p.Partition}
				answers[tp] = answer{p.Offset, p.LeaderEpoch, errorOf(p.ErrorCode)}
			}
		}
	case *kmsg.OffsetForLeaderEpochResponse:
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				tp := bifrost.TopicPartition{Topic: t.Topic, Partition: p.Partition}
				answers[tp] = answer{p.EndOffset, p.LeaderEpoch, errorOf(p.ErrorCode)}
			}
		}
	}
}

// asked lists the partitions in a request.
func asked(request kmsg.Request) iter.Seq[bifrost.TopicPartition] {
	return func(yield func(bifrost.TopicPartition) bool) {
		switch request := request.(type) {
		case *kmsg.ListOffsetsRequest:
			for _, t := range request.Topics {
				for _, p := range t.Partitions {
					if !yield(bifrost.TopicPartition{Topic: t.Topic, Partition: p.Partition}) {
						return
					}
				}
			}
		case *kmsg.OffsetForLeaderEpochRequest:
			for _, t := range request.Topics {
				for _, p := range t.Partitions {
					if !yield(bifrost.TopicPartition{Topic: t.Topic, Partition: p.Partition}) {
						return
					}
				}
			}
		}
	}
}

// partitionsOf lists all partitions of the topics.
func partitionsOf(topics []bifrost.Topic) iter.Seq[bifrost.TopicPartition] {
	return func(yield func(bifrost.TopicPartition) bool) {
		for _, t := range topics {
			for _, number := range t.Partitions {
				if !yield(bifrost.TopicPartition{Topic: t.Name, Partition: number}) {
					return
				}
			}
		}
	}
}

// which lists the partitions whose answers are as wanted.
func which(answers map[bifrost.TopicPartition]answer, wanted func(answer) bool) iter.Seq[bifrost.TopicPartition] {
	return func(yield func(bifrost.TopicPartition) bool) {
		for tp, a := range answers {
			if wanted(a) && !yield(tp) {
				return
			}
		}
	}
}

// byTopic gathers the numbers of partitions under their topics, as requests have them.
func byTopic(partitions iter.Seq[bifrost.TopicPartition]) map[string][]int32 {
	numbers := make(map[string][]int32)
	for tp := range partitions {
		numbers[tp.Topic] = append(numbers[tp.Topic], tp.Partition)
	}
	return numbers
}
