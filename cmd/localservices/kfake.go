// The in-memory cluster that stands in for Kafka with KAFKA=embedded.

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// serveKfake serves franz-go's in-memory cluster on one port until it is stopped.
// It is not for people: up and demo start it when KAFKA=embedded.
func serveKfake(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("kfake: port %q: %w", args[0], err)
	}
	cluster, err := newEmbeddedKafka(port)
	if err != nil {
		return err
	}
	defer cluster.Close()
	<-ctx.Done()
	return nil
}

// newEmbeddedKafka makes the one broker. Kafka's defaults are for three: a replay would refuse it
// for a transaction log that cannot be made.
func newEmbeddedKafka(port int) (*kfake.Cluster, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.BrokerConfigs(map[string]string{
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
	}))
	if err != nil {
		return nil, fmt.Errorf("kfake: %w", err)
	}
	return cluster, nil
}
