package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
)

// TestTheClockBehindAFailure: a broker takes longer for a batch than a transaction may
// take, so that the clock waits to commit it when the run gets an error, of this batch or of
// one that the commit needs. Nothing of it counts: the clock does not commit what is left.
func TestTheClockBehindAFailure(t *testing.T) {
	t.Parallel()
	const commit = "no answer to the commit"
	for _, c := range []struct {
		name  string
		slow  int64       // number of the batch that takes long
		topic string      // whose next batch fails; commit if it is the commit that is not answered
		with  *kerr.Error // which the batch is answered with
		final bool        // it ends the run
	}{
		{"the first batch is refused", 1, "target", kerr.MessageTooLarge, true},
		{"a later batch is refused", 6, "target", kerr.MessageTooLarge, true},
		{"the first batch has too few replicas", 1, "target", kerr.NotEnoughReplicas, false},
		{"a later batch has too few replicas", 6, "target", kerr.NotEnoughReplicas, false},
		{"the position is refused", 1, stateTopic, kerr.UnknownServerError, true},
		{"the position has too few replicas", 1, stateTopic, kerr.NotEnoughReplicas, false},
		{commit, 1, commit, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			request, options := requestOf(50, 1), inSmallBatches(cluster)
			options.silence = 10 * time.Millisecond
			var batches, wrong atomic.Int64
			failed, late := int16(-1), false // epoch, and whether the slow batch came: of the brokers' one goroutine
			cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				switch r := r.(type) {
				case *kmsg.ProduceRequest:
					topic, batch := r.Topics[0].Topic, r.Topics[0].Partitions[0].Records
					if topic == "target" && batches.Add(1) == c.slow {
						cluster.SleepControl(func() { time.Sleep(maxTime + 200*time.Millisecond) })
						late = true
					}
					if late && failed < 0 && topic == c.topic {
						failed = int16(binary.BigEndian.Uint16(batch[51:])) // the producer's epoch
						return refuseBatch(r, c.with), nil, true
					}
				case *kmsg.EndTxnRequest:
					if r.Commit && r.ProducerEpoch == failed {
						wrong.Add(1)
					}
					if late && failed < 0 && c.topic == commit {
						failed = r.ProducerEpoch
						return nil, errors.New("the connection is cut"), true
					}
				}
				return nil, nil, false
			})
			source := largeAt(archived(50, 600), 5)
			outlook, err := Start(t.Context(), request, source, options)
			if c.final && !errors.Is(err, c.with) || !c.final && err != nil {
				t.Errorf("the run ended with %v", err)
			}
			if wrong.Load() > 0 {
				t.Errorf("%d commits behind what had failed", wrong.Load())
			}
			if c.final {
				outlook = replayAll(t, request, source, optionsOf(cluster))
			}
			mustHoldAll(t, cluster, request, source, outlook)
		})
	}
}

// refuseBatch answers a request with one batch.
func refuseBatch(r *kmsg.ProduceRequest, with *kerr.Error) kmsg.Response {
	response := r.ResponseKind().(*kmsg.ProduceResponse)
	partition := kmsg.NewProduceResponseTopicPartition()
	partition.Partition, partition.ErrorCode = r.Topics[0].Partitions[0].Partition, with.Code
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic, topic.Partitions = r.Topics[0].Topic, append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

// largeAt makes a record so large that nothing else is on its way beside it.
func largeAt(source Source, offset int64) Source {
	return func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			for r, err := range source(ctx, p, span) {
				if r.Offset == offset {
					r.Value = append(r.Value, strings.Repeat("x", 100_000)...)
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}
