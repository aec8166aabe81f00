package gateway

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Positions that ListOffsets is asked for in the place of a time.
const (
	latest        = -1
	earliest      = -2
	greatestTime  = -3 // KIP-734
	earliestLocal = -4 // KIP-405: all is local here
	latestTiered  = -5 // KIP-1005: nothing is tiered here
)

// listOffsets answers for positions and times. Both isolation levels end at the same
// offset: what is archived is committed.
func (c *connection) listOffsets(
	ctx context.Context, request *kmsg.ListOffsetsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
	list := c.topics.fresh(ctx)
	type listing struct {
		*partition
		timestamp int64
		to        *kmsg.ListOffsetsResponseTopicPartition
	}
	var all []listing
	response.Topics = make([]kmsg.ListOffsetsResponseTopic, len(request.Topics))
	for i, asked := range request.Topics {
		to := &response.Topics[i]
		to.Topic, to.Partitions = asked.Topic, make([]kmsg.ListOffsetsResponseTopicPartition, len(asked.Partitions))
		t, problem := c.named(list, asked.Topic)
		for k, one := range asked.Partitions {
			answer := &to.Partitions[k]
			*answer = kmsg.NewListOffsetsResponseTopicPartition()
			answer.Partition, answer.Offset, answer.Timestamp, answer.LeaderEpoch = one.Partition, -1, -1, -1
			if problem != nil {
				answer.ErrorCode = problem.Code
			} else if p := t.partitions[one.Partition]; p == nil {
				answer.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else {
				all = append(all, listing{p, one.Timestamp, answer})
			}
		}
	}
	_ = parallel.Try(ctx, fetchTogether, all, func(ctx context.Context, l listing) error {
		at, err := l.position(ctx, l.timestamp)
		l.to.Offset, l.to.Timestamp = at.offset, at.timestamp
		if err != nil {
			l.to.Offset, l.to.Timestamp, l.to.ErrorCode = -1, -1, l.problem(err)
		}
		return nil
	})
	return response, nil
}

// position finds the offset that a request asks for.
func (p *partition) position(ctx context.Context, timestamp int64) (position, error) {
	switch {
	case timestamp == latest:
		return position{p.nextOffset(), -1}, nil
	case timestamp == earliest, timestamp == earliestLocal:
		start, err := p.firstOffset(ctx)
		return position{start, -1}, err
	case timestamp == greatestTime:
		return p.greatest(ctx)
	case timestamp == latestTiered:
		return nowhere, nil
	case timestamp < 0:
		return nowhere, kerr.UnsupportedVersion
	}
	return p.since(ctx, timestamp)
}

// problem is the error that clients are told.
func (p *partition) problem(err error) int16 {
	var known *kerr.Error
	switch {
	case errors.As(err, &known):
		return known.Code
	case lasting(err):
		p.losses.broken(p.name, -1, err)
		return kerr.TopicAuthorizationFailed.Code
	}
	p.losses.failed(p.name, -1, err)
	return kerr.KafkaStorageError.Code
}

// offsetForLeaderEpoch answers that every epoch goes on to the end. No answer, or -1,
// is a truncation for clients, and they begin again.
func (c *connection) offsetForLeaderEpoch(
	ctx context.Context, request *kmsg.OffsetForLeaderEpochRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	list := c.topics.fresh(ctx)
	for _, asked := range request.Topics {
		to := kmsg.NewOffsetForLeaderEpochResponseTopic()
		to.Topic = asked.Topic
		t, problem := c.named(list, asked.Topic)
		for _, one := range asked.Partitions {
			answer := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			answer.Partition, answer.LeaderEpoch, answer.EndOffset = one.Partition, one.LeaderEpoch, -1
			if problem != nil {
				answer.ErrorCode = problem.Code
			} else if p := t.partitions[one.Partition]; p == nil {
				answer.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else {
				answer.EndOffset = p.nextOffset()
			}
			to.Partitions = append(to.Partitions, answer)
		}
		response.Topics = append(response.Topics, to)
	}
	return response, nil
}
