//go:build real

package main

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// services are what sandboxes use: here the real parts, which all tests share.
func services(t testing.TB) (brokers string, db, store localservices.Endpoint) {
	return localservices.Kafka(t), localservices.DynamoDB(t), localservices.S3(t)
}

func (s *sandbox) download(ctx context.Context, key, file string) error {
	object, err := s.store.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return err
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// settledEnd is end once no transaction is open: a broker answers that one is
// committed before it has written the marker to the partition.
func (s *sandbox) settledEnd(t testing.TB, topic string) int64 {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		highWatermark := int64(0)
		ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
		must(t, err)
		ends.Each(func(o kadm.ListedOffset) { highWatermark += max(0, o.Offset) })
		if end := s.end(t, topic); end == highWatermark || time.Since(began) > 30*time.Second {
			return end
		}
	}
}

// tools are programs beside bifrost that tests without real parts run.
var tools = map[string]func(){}
