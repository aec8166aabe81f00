// The program that reads with franz-go.

package topicreader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// RunFranz answers what is asked on standard input until that ends. Processor says how
// many core-seconds this process has used so far.
func RunFranz(processor func() float64) error {
	answers := json.NewEncoder(os.Stdout)
	for {
		var servers, topic string
		var consumers int
		switch _, err := fmt.Scan(&servers, &topic, &consumers); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		began, used := time.Now(), processor()
		did, err := readTogether(context.Background(), servers, topic, consumers)
		did.Seconds, did.Processor = time.Since(began).Seconds(), processor()-used
		if err == nil {
			err = answers.Encode(did)
		}
		if err != nil {
			return err
		}
	}
}

func readTogether(ctx context.Context, servers, topic string, consumers int) (all Reading, err error) {
	each := make([]Reading, consumers)
	numbers := make([]int, consumers)
	for i := range numbers {
		numbers[i] = i
	}
	err = parallel.Try(ctx, consumers, numbers, func(ctx context.Context, i int) (err error) {
		each[i], err = readTopic(ctx, servers, topic)
		return err
	})
	for _, one := range each {
		all.Records += one.Records
		all.Bytes += one.Bytes
	}
	return all, err
}

// readTopic reads a topic from its start to the end that it has now.
func readTopic(ctx context.Context, servers, topic string) (did Reading, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return did, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return did, err
	}
	left := int64(0)
	ends.Each(func(end kadm.ListedOffset) { left += end.Offset })
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return did, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			did.Records++
			did.Bytes += int64(len(r.Key) + len(r.Value))
			left--
		})
	}
	return did, nil
}
