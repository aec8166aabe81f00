// How requests for positions are answered.

package gateway

import (
	"context"
	"errors"
	"fmt"

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

// listing is one partition of a ListOffsets on its way.
type listing struct {
	*partition
	timestamp int64
	to        *kmsg.ListOffsetsResponseTopicPartition
	live      bool // the live cluster has to be asked
}

// listOffsets answers for positions and times. In the archive both isolation levels end
// at the same offset: what is archived is committed.
func (c *connection) listOffsets(
	ctx context.Context, request *kmsg.ListOffsetsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
	list := c.topics.fresh(ctx)
	var all []*listing
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
				all = append(all, &listing{partition: p, timestamp: one.Timestamp, to: answer})
			}
		}
	}
	_ = parallel.Try(ctx, fetchTogether, all, func(ctx context.Context, l *listing) error {
		at, err := l.position(ctx, l.timestamp)
		l.to.Offset, l.to.Timestamp = at.offset, at.timestamp
		if err != nil {
			l.to.Offset, l.to.Timestamp, l.to.ErrorCode = -1, -1, l.problem(err)
			return nil
		}
		if l.timestamp == latest || l.timestamp == greatestTime || l.timestamp >= 0 && at == nowhere {
			_, l.live = l.leaderOf(ctx)
		}
		return nil
	})
	c.listLive(ctx, request.IsolationLevel, all)
	return response, nil
}

// listLive asks the live cluster for what is not in the archive. No answer is below the
// archive's end: a new leader's end may dip, and what is found below it by a time is no
// record of the archive.
func (c *connection) listLive(ctx context.Context, isolation int8, all []*listing) {
	asked := map[place]int64{}
	for _, l := range all {
		if l.live {
			asked[l.place()] = l.timestamp
		}
	}
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamPatience)
	defer cancel()
	answers, err := c.live.offsets(ctx, asked, isolation)
	if err != nil {
		c.live.changed()
	}
	for _, l := range all {
		if !l.live {
			continue
		}
		answer, ok := answers[l.place()]
		switch problem := kerr.ErrorForCode(answer.ErrorCode); {
		case !ok, problem != nil && kerr.IsRetriable(problem):
			c.live.changed()
			problem = errors.Join(err, problem, errors.New("the live cluster does not say where its log ends"))
			c.losses.failed(l.name, -1, problem)
			l.to.Offset, l.to.Timestamp, l.to.ErrorCode = -1, -1, kerr.LeaderNotAvailable.Code
		case problem != nil:
			l.to.Offset, l.to.Timestamp, l.to.ErrorCode = -1, -1, answer.ErrorCode
		case l.timestamp == latest:
			l.to.Offset = max(answer.Offset, l.nextOffset())
		case l.timestamp == greatestTime && answer.Timestamp <= l.to.Timestamp:
		case answer.Offset >= 0:
			l.to.Offset, l.to.Timestamp = max(answer.Offset, l.nextOffset()), answer.Timestamp
		}
	}
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
// is a truncation for clients, and they begin again; so is an end below their position.
// A new leader may know of a lower high watermark than consumers have read to, so where
// its log ends is what it says of the epoch.
func (c *connection) offsetForLeaderEpoch(
	ctx context.Context, request *kmsg.OffsetForLeaderEpochRequest, _ *hold,
) (kmsg.Response, error) {
	ends := kmsg.NewPtrListOffsetsRequest()
	ends.Version = offers[int16(kmsg.ListOffsets)].most
	for _, asked := range request.Topics {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = asked.Topic
		for _, one := range asked.Partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = one.Partition, latest
			topic.Partitions = append(topic.Partitions, p)
		}
		ends.Topics = append(ends.Topics, topic)
	}
	listed, err := c.listOffsets(ctx, ends, nil)
	if err != nil {
		return nil, err
	}
	response := request.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	list := c.topics.current()
	var all []epochAsked
	for i, t := range listed.(*kmsg.ListOffsetsResponse).Topics {
		to := kmsg.NewOffsetForLeaderEpochResponseTopic()
		to.Topic, to.Partitions = t.Topic, make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(t.Partitions))
		for k, p := range t.Partitions {
			answer := &to.Partitions[k]
			*answer = kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			answer.Partition, answer.LeaderEpoch = p.Partition, request.Topics[i].Partitions[k].LeaderEpoch
			answer.EndOffset, answer.ErrorCode = p.Offset, p.ErrorCode
			if p.ErrorCode == 0 {
				all = append(all, epochAsked{list.byName[t.Topic].partitions[p.Partition], answer})
			}
		}
		response.Topics = append(response.Topics, to)
	}
	return response, parallel.Try(ctx, fetchTogether, all, c.raiseToEpochEnd)
}

// epochAsked is one partition of an OffsetForLeaderEpoch on its way.
type epochAsked struct {
	*partition
	to *kmsg.OffsetForLeaderEpochResponseTopicPartition
}

// raiseToEpochEnd asks the live leader where its log ends for the epoch. If it has
// another one, it is for the next fetch to find out that the log was truncated.
func (c *connection) raiseToEpochEnd(ctx context.Context, asked epochAsked) error {
	node, goesOn := asked.leaderOf(ctx)
	if !goesOn || asked.to.LeaderEpoch < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamPatience)
	defer cancel()
	ofEpoch, end, err := c.live.epochEnd(ctx, node, asked.place(), asked.to.LeaderEpoch)
	switch {
	case err != nil:
		c.live.changed()
		c.losses.failed(asked.name, -1, fmt.Errorf("ask the live cluster where its log ends: %w", err))
		asked.to.EndOffset, asked.to.ErrorCode = -1, kerr.LeaderNotAvailable.Code
	case ofEpoch == asked.to.LeaderEpoch:
		asked.to.EndOffset = max(asked.to.EndOffset, end)
	}
	return nil
}
