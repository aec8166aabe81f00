package gateway

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// An answer has the bytes that kmsg makes of it, in every version that is offered,
// whether its batches are copied or sent from where they lie.
func TestFetchAnswersAreThoseOfKmsg(t *testing.T) {
	t.Parallel()
	offered := offers[int16(kmsg.Fetch)]
	rapid.Check(t, func(t *rapid.T) {
		r := kmsg.NewPtrFetchResponse()
		r.Version = rapid.Int16Range(offered.least, offered.most).Draw(t, "version")
		r.ThrottleMillis = rapid.Int32().Draw(t, "throttle")
		r.ErrorCode = rapid.Int16().Draw(t, "error")
		r.SessionID = rapid.Int32().Draw(t, "session")
		r.Topics = rapid.SliceOfN(fetchTopics, 0, 3).Draw(t, "topics")
		want := r.AppendTo([]byte("before"))
		parts := fetchParts([]byte("before"), r)
		if got := bytes.Join(parts, nil); !bytes.Equal(got, want) {
			t.Fatalf("version %d: %x, want %x", r.Version, got, want)
		}
	})
}

var fetchTopics = rapid.Custom(func(t *rapid.T) kmsg.FetchResponseTopic {
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = rapid.StringN(0, 200, 200).Draw(t, "topic")
	topic.TopicID = [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	topic.Partitions = rapid.SliceOfN(fetchPartitions, 0, 3).Draw(t, "partitions")
	return topic
})

var fetchPartitions = rapid.Custom(func(t *rapid.T) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition = rapid.Int32().Draw(t, "partition")
	p.ErrorCode = rapid.Int16().Draw(t, "error")
	p.HighWatermark = rapid.Int64().Draw(t, "high watermark")
	p.LastStableOffset = rapid.Int64().Draw(t, "last stable offset")
	p.LogStartOffset = rapid.Int64().Draw(t, "log start")
	p.PreferredReadReplica = rapid.Int32().Draw(t, "replica")
	p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	for range rapid.IntRange(0, 3).Draw(t, "aborted") {
		aborted := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		aborted.ProducerID, aborted.FirstOffset = rapid.Int64().Draw(t, "producer"), rapid.Int64().Draw(t, "first")
		p.AbortedTransactions = append(p.AbortedTransactions, aborted)
	}
	size := rapid.SampledFrom([]int{0, 1, 126, 127, 128, inPlace - 1, inPlace, inPlace + 1, 20_000}).Draw(t, "bytes")
	p.RecordBatches = bytes.Repeat([]byte{7}, size)
	return p
})
