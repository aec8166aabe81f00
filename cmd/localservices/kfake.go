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
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		return fmt.Errorf("kfake: %w", err)
	}
	defer cluster.Close()
	<-ctx.Done()
	return nil
}
