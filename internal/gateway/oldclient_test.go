package gateway

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A client that is older than zstd is told so, also of the first batch of a new leader, for which
// the gateway has another question, too.
func TestAnOldClientBehindANewLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Fetch), 9)
	client := s.client(t, kgo.MaxVersions(versions))
	fetch := func(offset int64) kmsg.FetchResponseTopicPartition {
		t.Helper()
		request := kmsg.NewPtrFetchRequest()
		request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 300, 1, 50<<20
		topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		topic.Topic, partition.FetchOffset, partition.PartitionMaxBytes = "orders", offset, 1<<20
		topic.Partitions = append(topic.Partitions, partition)
		request.Topics = append(request.Topics, topic)
		answer, err := client.Broker(nodeID).Request(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	}
	for next := int64(10); next < 20; {
		answer := fetch(next)
		span, err := spanOf(answer.RecordBatches)
		if err != nil || answer.ErrorCode != 0 {
			t.Fatalf("error %d, %v", answer.ErrorCode, err)
		}
		next = max(next, span.next)
	}
	if err := c.fake.MoveTopicPartition("orders", 0, 1-c.fake.LeaderFor("orders", 0)); err != nil {
		t.Fatal(err)
	}
	producer := c.direct(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	record := &kgo.Record{Topic: "orders", Value: bytes.Repeat([]byte("x"), 10_000)}
	if err := producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		answer := fetch(20)
		if answer.ErrorCode == kerr.UnsupportedCompressionType.Code {
			break
		}
		if answer.ErrorCode != 0 || len(answer.RecordBatches) > 0 || time.Since(began) > 20*time.Second {
			t.Fatalf("error %d, %d bytes; the log:\n%s", answer.ErrorCode, len(answer.RecordBatches), s.said)
		}
	}
}
