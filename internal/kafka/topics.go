package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Topics implements [bifrost.Cluster]. A topic whose metadata carry an error is
// left out: whoever misses it asks with [Client.Find], which tells why.
func (c *Client) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	metadata, err := c.metadata(ctx, request)
	if err != nil {
		return "", nil, fmt.Errorf("kafka: list topics: %w", err)
	}
	topics := make([]bifrost.Topic, 0, len(metadata.Topics))
	for i := range metadata.Topics {
		t := &metadata.Topics[i]
		if t.Topic == nil || t.IsInternal || t.ErrorCode != 0 {
			continue
		}
		topics = append(topics, topicOf(t))
	}
	return clusterID(metadata), topics, nil
}

// Find implements [bifrost.Cluster].
func (c *Client) Find(ctx context.Context, names []string) (map[string]bifrost.TopicAnswer, error) {
	answers := make(map[string]bifrost.TopicAnswer, len(names))
	if len(names) == 0 {
		return answers, nil
	}
	metadata, err := c.metadata(ctx, requestFor(names...))
	if err != nil {
		return nil, fmt.Errorf("kafka: find %d topics: %w", len(names), err)
	}
	for _, name := range names {
		answers[name] = bifrost.TopicAnswer{Err: fmt.Errorf("kafka: topic %s: %w", name, errLeftOut)}
	}
	for i := range metadata.Topics {
		t := &metadata.Topics[i]
		if t.Topic == nil {
			continue
		}
		answers[*t.Topic] = answerOf(t)
	}
	return answers, nil
}

func answerOf(t *kmsg.MetadataResponseTopic) bifrost.TopicAnswer {
	if err := errorOf(t.ErrorCode); err != nil {
		return bifrost.TopicAnswer{Err: fmt.Errorf("kafka: topic %s: %w", *t.Topic, err)}
	}
	return bifrost.TopicAnswer{Topic: topicOf(t)}
}

// errLeftOut says that a broker did not answer for something it was asked.
var errLeftOut = errors.New("the broker's answer does not mention it")

// requestFor asks for topics by name.
func requestFor(names ...string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = make([]kmsg.MetadataRequestTopic, len(names))
	for i, name := range names {
		request.Topics[i] = kmsg.NewMetadataRequestTopic()
		request.Topics[i].Topic = kmsg.StringPtr(name)
	}
	return request
}

func topicOf(t *kmsg.MetadataResponseTopic) bifrost.Topic {
	partitions := make([]int32, len(t.Partitions))
	for i := range t.Partitions {
		partitions[i] = t.Partitions[i].Partition
	}
	slices.Sort(partitions)
	return bifrost.Topic{Name: *t.Topic, ID: t.TopicID, Partitions: partitions}
}

// errorOf is the error that stands for one of Kafka's codes, nil for none.
func errorOf(code int16) error { return known(kerr.ErrorForCode(code)) }

// known marks the one error of Kafka that says that something does not exist. A
// topic hidden by an ACL has another one.
func known(err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("%w: %w", bifrost.ErrNotFound, err)
	}
	return err
}
