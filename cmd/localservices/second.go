// A second cluster, to try a restore, a replay or a drill into.

package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// second runs an empty cluster until it is interrupted.
func second(ctx context.Context, args []string) error {
	if len(args) != 0 {
		return errUsage
	}
	return serveSecond(ctx, os.Stdout, os.Getenv("KAFKA") == "embedded")
}

func serveSecond(ctx context.Context, out io.Writer, embedded bool) (err error) {
	var brokers string
	if embedded {
		cluster, err := newEmbeddedKafka(0)
		if err != nil {
			return err
		}
		defer cluster.Close()
		brokers = cluster.ListenAddrs()[0]
	} else {
		broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
		if err != nil {
			return err
		}
		defer func() {
			if removeErr := broker.Remove(); err == nil {
				err = removeErr
			}
		}()
		brokers = broker.Addr()
	}
	fmt.Fprintf(out, `Ready: an empty cluster at %[1]s, until this is interrupted (Ctrl-C). In another shell:

  . %[2]s
  bifrost capture                                                # what a restore begins with
  bifrost restore --at latest --to-brokers %[1]s --groups --plan
  bifrost restore --at latest --to-brokers %[1]s --groups --yes
`, brokers, localservices.EnvFile)
	<-ctx.Done()
	return nil
}
