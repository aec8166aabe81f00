// The command that writes lines of standard input as records.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newPartitions is how many partitions a topic gets that is not there yet.
const newPartitions = 4

// produceTo writes each line of standard input as a record to a topic of the
// cluster in BIFROST_BROKERS, which .local/env sets.
func produceTo(ctx context.Context, args []string) error {
	brokers := os.Getenv("BIFROST_BROKERS")
	if len(args) != 1 || brokers == "" {
		return errors.New("usage: . .local/env; localservices produce TOPIC <lines")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(args[0]),
		kgo.UnknownTopicRetries(-1)) // a broker may not have heard yet of the topic that is made here
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, newPartitions, 1, nil, args[0])
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		err = produceLines(ctx, client, os.Stdin)
	}
	if err != nil {
		return fmt.Errorf("produce to topic %s at %s: %w", args[0], brokers, err)
	}
	return nil
}

func produceLines(ctx context.Context, client *kgo.Client, lines io.Reader) error {
	promise := kgo.AbortingFirstErrPromise(client)
	scanner := bufio.NewScanner(lines)
	for n := 0; scanner.Scan(); n++ {
		client.Produce(ctx, &kgo.Record{Key: fmt.Append(nil, n), Value: slices.Clone(scanner.Bytes())},
			promise.Promise())
	}
	return errors.Join(scanner.Err(), promise.Err())
}
