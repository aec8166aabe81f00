// Package topicwriter fills the topics that benchmarks read from a broker, with the records
// that the archive beside it has: in memory of the broker and on its disk, or in tiered
// storage alone.
package topicwriter

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// A Topic is what a benchmark reads from a broker.
type Topic struct {
	Name       string
	Partitions int32
	Times      int  // how often each partition has the records
	Tiered     bool // all but perhaps the last record of each partition are in tiered storage alone
}

// Write creates the topic and writes the records into every partition, not compressed, which
// is what costs the broker and its readers the least.
func (t Topic) Write(ctx context.Context, brokers string, records []baldr.Record) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	settings := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	if t.Tiered {
		settings["remote.storage.enable"] = kadm.StringPtr("true")
		settings["local.retention.ms"] = kadm.StringPtr("1")
		settings["segment.bytes"] = kadm.StringPtr(strconv.Itoa(tieredSegment))
	}
	if _, err := localservices.CreateTopic(ctx, client, t.Name, t.Partitions, 1, settings); err != nil {
		return err
	}
	promise := kgo.AbortingFirstErrPromise(client)
	produce := func(records []baldr.Record) {
		for i := range records {
			for p := range t.Partitions {
				client.Produce(ctx, t.record(&records[i], p), promise.Promise())
			}
		}
	}
	for range t.Times - 1 {
		produce(records)
	}
	last := len(records) - 1
	produce(records[:last])
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if t.Tiered { // the last record begins another segment
		roll := []kadm.AlterConfig{{Name: "segment.ms", Value: kadm.StringPtr("1")}}
		if _, err := admin.AlterTopicConfigs(ctx, roll, t.Name); err != nil {
			return err
		}
	}
	produce(records[last:])
	if err := promise.Err(); err != nil || !t.Tiered {
		return err
	}
	return t.awaitTiered(ctx, admin, int64(t.Times*len(records)-1))
}

// tieredSegment is the size in bytes of the segments of a tiered topic.
const tieredSegment = 64 << 20

// awaitTiered waits until the broker has nothing but tiered storage of what is below an
// offset in each partition.
func (t Topic) awaitTiered(ctx context.Context, admin *kadm.Client, below int64) error {
	var local kadm.ListedOffsets
	for range 600 {
		var err error
		if local, err = admin.ListLocalLogStartOffsets(ctx, t.Name); err != nil {
			return err
		}
		moved := 0
		local.Each(func(o kadm.ListedOffset) {
			if o.Offset >= below { // a segment that was begun may be moved, too
				moved++
			}
		})
		if moved == int(t.Partitions) {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("after two minutes the broker still has segments below offset %d: %v", below, local)
}

func (t Topic) record(r *baldr.Record, partition int32) *kgo.Record {
	return &kgo.Record{Topic: t.Name, Partition: partition, Timestamp: time.UnixMilli(r.Timestamp),
		Key: r.Key, Value: r.Value}
}
