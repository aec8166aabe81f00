// Topics that a program can rely on.

package localservices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic makes a topic and returns when every broker of the cluster knows it and a
// leader of each partition. Kafka answers as soon as the controller has written the topic
// down; a broker that is asked at once may say that there is none. The error is Kafka's.
func CreateTopic(
	ctx context.Context, client *kgo.Client, topic string, partitions int32, replicas int16, settings map[string]*string,
) (kadm.CreateTopicResponse, error) {
	made, err := kadm.NewClient(client).CreateTopic(ctx, partitions, replicas, settings, topic)
	if err != nil {
		return made, fmt.Errorf("create topic %s: %w", topic, err)
	}
	asker, err := kgo.NewClient(client.Opts()...) // the client's own memory of topics stays as it is
	if err != nil {
		return made, err
	}
	defer asker.Close()
	brokers, err := kadm.NewClient(asker).ListBrokers(ctx)
	if err != nil {
		return made, fmt.Errorf("list brokers: %w", err)
	}
	for _, broker := range brokers {
		for {
			err := askForTopic(ctx, asker.Broker(int(broker.NodeID)), topic, partitions)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return made, fmt.Errorf("topic %s is made, and broker %d does not know it: %w", topic, broker.NodeID, err)
			case <-time.After(pollInterval):
			}
		}
	}
	return made, nil
}

// askForTopic is an error unless the broker knows the topic and a leader of each partition.
func askForTopic(ctx context.Context, broker *kgo.Broker, topic string, partitions int32) error {
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = []kmsg.MetadataRequestTopic{asked}
	answer, err := broker.Request(ctx, request)
	if err != nil {
		return err
	}
	topics := answer.(*kmsg.MetadataResponse).Topics
	if len(topics) != 1 {
		return errors.New("it says nothing of the topic")
	}
	if err := kerr.ErrorForCode(topics[0].ErrorCode); err != nil {
		return err
	}
	if n := len(topics[0].Partitions); n != int(partitions) {
		return fmt.Errorf("it knows %d of %d partitions", n, partitions)
	}
	for _, p := range topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return fmt.Errorf("partition %d: %w", p.Partition, err)
		}
	}
	return nil
}
