// How what is archived is compared with what Kafka has.

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// An archivedObject is an object of a partition as a listing shows it.
type archivedObject struct {
	key   string
	start int64
	size  int64 // bytes
}

// listObjects lists the objects of a partition in the order of their offsets.
func listObjects(ctx context.Context, s *localservices.Stack, topic string, partition int32) ([]archivedObject, error) {
	prefix := fmt.Sprintf("%s/%s/partition=%d/", s.Group, topic, partition)
	pages := s3.NewListObjectsV2Paginator(s3.NewFromConfig(s.AWS.Config()), &s3.ListObjectsV2Input{
		Bucket: aws.String(s.Outputs["Bucket"]), Prefix: aws.String(prefix),
	})
	var objects []archivedObject
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, o := range page.Contents {
			name, isObject := strings.CutSuffix(strings.TrimPrefix(*o.Key, prefix), ".baldr.gz")
			if !isObject {
				continue // the partition's birth object
			}
			start, err := strconv.ParseInt(name, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("list %s: key %s: %w", prefix, *o.Key, err)
			}
			objects = append(objects, archivedObject{*o.Key, start, aws.ToInt64(o.Size)})
		}
	}
	slices.SortFunc(objects, func(a, b archivedObject) int { return cmp.Compare(a.start, b.start) })
	return objects, nil
}

// archived returns the records of a partition as its objects hold them.
func archived(
	ctx context.Context, s *localservices.Stack, topic string, partition int32,
) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		objects, err := listObjects(ctx, s, topic, partition)
		if err != nil {
			yield(baldr.Record{}, err)
			return
		}
		for _, o := range objects {
			for record, err := range readObject(ctx, s, o.key) {
				if !yield(record, err) || err != nil {
					return
				}
			}
		}
	}
}

// readObject returns the records of one object.
func readObject(ctx context.Context, s *localservices.Stack, key string) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		object, err := s3.NewFromConfig(s.AWS.Config()).GetObject(ctx, &s3.GetObjectInput{
			Bucket: aws.String(s.Outputs["Bucket"]), Key: aws.String(key),
		})
		if err != nil {
			yield(baldr.Record{}, fmt.Errorf("get %s: %w", key, err))
			return
		}
		defer object.Body.Close()
		reader := baldr.NewReader(object.Body, baldr.ReaderOptions{})
		for {
			record, err := reader.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				err = fmt.Errorf("read %s: %w", key, err)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// consumed returns the records of a partition as a read_committed consumer sees
// them, up to the last stable offset. It asks for the markers of transactions
// too: the last offset may be one, and how else would it know the end.
func consumed(ctx context.Context, brokers []string, topic string, partition int32) iter.Seq2[*kgo.Record, error] {
	return func(yield func(*kgo.Record, error) bool) {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
		if err != nil {
			yield(nil, err)
			return
		}
		defer client.Close()
		end, err := lastStable(ctx, client, topic, partition)
		for position := int64(0); err == nil && position < end; {
			fetches := client.PollFetches(ctx)
			if err = fetches.Err(); err != nil {
				break
			}
			for record := range fetches.RecordsAll() {
				position = record.Offset + 1
				if !record.Attrs.IsControl() && record.Offset < end && !yield(record, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("consume %s partition %d: %w", topic, partition, err))
		}
	}
}

func lastStable(ctx context.Context, client *kgo.Client, topic string, partition int32) (int64, error) {
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok {
		return 0, errors.New("the end of the partition is unknown to Kafka")
	}
	return end.Offset, end.Err
}

// comparePartition reads a partition from S3 and from Kafka, side by side, and
// returns how many records are the same in both, in the same order. The first
// difference is an error.
func comparePartition(
	ctx context.Context, s *localservices.Stack, topic string, partition int32,
) (same int, err error) {
	next, stop := iter.Pull2(archived(ctx, s, topic, partition))
	defer stop()
	for want, err := range consumed(ctx, strings.Split(s.Brokers, ","), topic, partition) {
		if err != nil {
			return same, err
		}
		got, err, ok := next()
		if err != nil {
			return same, err
		}
		if !ok {
			return same, fmt.Errorf("%s partition %d: S3 ends after %d records, Kafka goes on at offset %d",
				topic, partition, same, want.Offset)
		}
		if difference := differ(got, want); difference != "" {
			return same, fmt.Errorf("%s partition %d: record %d differs: %s", topic, partition, same, difference)
		}
		same++
	}
	if extra, err, ok := next(); err != nil || ok {
		return same, errors.Join(err, fmt.Errorf("%s partition %d: S3 goes on at offset %d "+
			"after all %d records of Kafka", topic, partition, extra.Offset, same))
	}
	return same, nil
}

// differ says in what the archived record is not the one that was consumed.
func differ(got baldr.Record, want *kgo.Record) string {
	switch {
	case got.Offset != want.Offset:
		return fmt.Sprintf("offset %d in S3, %d in Kafka", got.Offset, want.Offset)
	case got.Timestamp != want.Timestamp.UnixMilli():
		return fmt.Sprintf("offset %d: timestamp %d in S3, %d in Kafka",
			got.Offset, got.Timestamp, want.Timestamp.UnixMilli())
	case !sameBytes(got.Key, want.Key):
		return fmt.Sprintf("offset %d: key %q in S3, %q in Kafka", got.Offset, got.Key, want.Key)
	case !sameBytes(got.Value, want.Value):
		return fmt.Sprintf("offset %d: value %q in S3, %q in Kafka", got.Offset, got.Value, want.Value)
	case !slices.EqualFunc(got.Headers, want.Headers, func(a baldr.Header, b kgo.RecordHeader) bool {
		return string(a.Key) == b.Key && sameBytes(a.Value, b.Value)
	}):
		return fmt.Sprintf("offset %d: headers %v in S3, %v in Kafka", got.Offset, got.Headers, want.Headers)
	}
	return ""
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
