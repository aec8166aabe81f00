// How a cluster is asked for its topics.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Topics implements [bifrost.Cluster]. A topic whose metadata carry an error is
// left out: whoever misses it asks with [Client.Find], which tells why.
func (c *Client) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	metadata, err := c.fetchMetadata(ctx, request)
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

// Find implements [bifrost.Cluster]. A broker that one of the others lists and that
// does not answer leaves open what it knows.
func (c *Client) Find(ctx context.Context, names []string) (map[string]bifrost.TopicAnswer, error) {
	answers := make(map[string]bifrost.TopicAnswer, len(names))
	if len(names) == 0 {
		return answers, nil
	}
	first, err := c.fetchMetadata(ctx, requestFor(names...))
	if err != nil {
		return nil, fmt.Errorf("kafka: find %d topics: %w", len(names), err)
	}
	if len(first.Brokers) == 0 {
		return nil, fmt.Errorf("kafka: find %d topics: the broker that answered lists no brokers, itself included",
			len(names))
	}
	told := c.metadataOfAll(ctx, first.Brokers, names)
	for _, name := range names {
		answers[name] = answerOf(name, told)
	}
	return answers, nil
}

// metadataOf is what one broker said.
type metadataOf struct {
	broker   int32
	metadata *kmsg.MetadataResponse
	err      error
}

// metadataOfAll asks every broker of a list concurrently, and then those that only their
// answers list: a broker that is out of date may not know about a newer one.
func (c *Client) metadataOfAll(ctx context.Context, listed []kmsg.MetadataResponseBroker, names []string) []metadataOf {
	var told []metadataOf
	asked := map[int32]bool{}
	for len(listed) > 0 {
		var round []metadataOf
		for _, b := range listed {
			if !asked[b.NodeID] {
				asked[b.NodeID] = true
				round = append(round, metadataOf{broker: b.NodeID})
			}
		}
		var answers sync.WaitGroup
		for i := range round {
			answers.Go(func() {
				round[i].metadata, round[i].err = c.metadataFrom(ctx, c.kgo.Broker(int(round[i].broker)),
					requestFor(names...))
			})
		}
		answers.Wait()
		listed = nil
		for _, m := range round {
			if m.err == nil {
				listed = append(listed, m.metadata.Brokers...)
			}
		}
		told = append(told, round...)
	}
	return told
}

// answerOf puts together what brokers said about one topic.
func answerOf(name string, told []metadataOf) bifrost.TopicAnswer {
	var answer bifrost.TopicAnswer
	for _, m := range told {
		id, err := m.findTopic(name)
		switch {
		case errors.Is(err, bifrost.ErrNotFound):
		case err != nil:
			return bifrost.TopicAnswer{Err: fmt.Errorf("kafka: topic %s: broker %d: %w", name, m.broker, err)}
		case !slices.Contains(answer.IDs, id):
			answer.IDs = append(answer.IDs, id)
		}
	}
	return answer
}

// findTopic is the ID under which the broker knows the topic.
func (m metadataOf) findTopic(name string) (bifrost.TopicID, error) {
	if m.err != nil {
		return bifrost.TopicID{}, m.err
	}
	for i := range m.metadata.Topics {
		if t := &m.metadata.Topics[i]; t.Topic != nil && *t.Topic == name {
			return t.TopicID, errorOf(t.ErrorCode)
		}
	}
	return bifrost.TopicID{}, errLeftOut
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
