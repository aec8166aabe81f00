package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// testPatience is how long clients of these tests wait for brokers that do not
// answer; the tests that need it take about as long.
const testPatience = 2 * time.Second

// startCluster starts franz-go's own broker in this process, with one broker and
// the topic "orders" of two partitions unless the options say otherwise.
func startCluster(t *testing.T, options ...kfake.Opt) (*kfake.Cluster, *Client) {
	t.Helper()
	options = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, "orders")}, options...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, connect(t, Config{Brokers: cluster.ListenAddrs()})
}

func connect(t testing.TB, config Config) *Client {
	t.Helper()
	client, err := newClient(config, testPatience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.maxWait = 20 * time.Millisecond
	return client
}

// produce appends batches of the given sizes; a record's value is its offset.
func produce(t *testing.T, cluster *kfake.Cluster, topic string, partition int32, sizes ...int) {
	t.Helper()
	client := producer(t, cluster.ListenAddrs(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	next := cluster.PartitionInfo(topic, partition).HighWatermark
	for _, size := range sizes {
		var records []*kgo.Record
		for range size {
			records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Append(nil, next)})
			next++
		}
		if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func producer(t testing.TB, brokers []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.UnknownTopicRetries(-1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func topicID(cluster *kfake.Cluster, topic string) bifrost.TopicID {
	return bifrost.TopicID(cluster.TopicInfo(topic).TopicID)
}

// readAll reads a range to its end, checks every stretch, and returns copies of
// the records and what is missing.
func readAll(t testing.TB, client *Client, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) ([]baldr.Record, baldr.Missing, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reading, err := client.Read(ctx, topic, id, partition, r)
	if err != nil {
		return nil, baldr.Missing{}, err
	}
	defer reading.Close()
	var records []baldr.Record
	var missing baldr.Missing
	for position := r.Start; ; {
		stretch, err := reading.Next(ctx)
		if errors.Is(err, io.EOF) {
			if position != r.End {
				t.Fatalf("io.EOF at offset %d, want it at %d", position, r.End)
			}
			return records, missing, nil
		}
		if err != nil {
			return records, missing, err
		}
		checkStretch(t, position, r.End, stretch)
		position = stretch.Position
		for _, record := range stretch.Records {
			records = append(records, record.Clone())
		}
		missing.Control += stretch.Missing.Control
		missing.Aborted += stretch.Missing.Aborted
		missing.Compacted += stretch.Missing.Compacted
	}
}

// mustRead reads a range that holds a record at every offset, with the offset as
// its value.
func mustRead(t testing.TB, client *Client, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) {
	t.Helper()
	records, missing, err := readAll(t, client, topic, id, partition, r)
	if err != nil {
		t.Fatal(err)
	}
	if missing != (baldr.Missing{}) || int64(len(records)) != r.Len() {
		t.Fatalf("%d records of %s, missing %+v", len(records), r, missing)
	}
	for i, record := range records {
		if want := r.Start + int64(i); record.Offset != want || string(record.Value) != fmt.Sprint(want) {
			t.Fatalf("record %d has offset %d and value %q", i, record.Offset, record.Value)
		}
	}
}

// intercept answers the next requests of a kind by itself while the function
// returns a response, and lets them through when it returns nil. It must not call
// the cluster.
func intercept(cluster *kfake.Cluster, kind kmsg.Key, answer func(kmsg.Request) kmsg.Response) {
	cluster.ControlKey(int16(kind), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := answer(request)
		return response, nil, response != nil
	})
}

// fetchAnswer is an answer to a fetch of one partition.
func fetchAnswer(request kmsg.Request, fill func(*kmsg.FetchResponse, *kmsg.FetchResponseTopicPartition)) kmsg.Response {
	asked := request.(*kmsg.FetchRequest)
	response := asked.ResponseKind().(*kmsg.FetchResponse)
	t := kmsg.NewFetchResponseTopic()
	t.Topic, t.TopicID = asked.Topics[0].Topic, asked.Topics[0].TopicID
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.RecordBatches = asked.Topics[0].Partitions[0].Partition, []byte{}
	fill(response, &p)
	t.Partitions = append(t.Partitions, p)
	response.Topics = append(response.Topics, t)
	return response
}
