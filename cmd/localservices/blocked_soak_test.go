//go:build real && soak

package main

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestBlocked keeps a transaction open on a real broker until its partition counts
// as blocked, and does what docs/operations.md says about the alarm "Partition
// blocked". It takes the quarter of an hour that a transaction is given.
func TestBlocked(t *testing.T) {
	const quarter = 15 * time.Minute
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{
		Properties: map[string]string{"transaction.max.timeout.ms": "3600000"}, // or it ends the transaction first
	})
	o := newOperations(t, broker.Addr())
	o.create(o.topic("blocked"), nil)
	o.produceMore(50 * partitionsEach)
	o.startPlainStack(map[string]string{})
	o.archive()

	o.openTransaction()
	o.produceMore(10 * partitionsEach)
	opened := time.Now()
	for blocked := 0; blocked == 0; {
		answer, err := tick(t.Context(), o.stack)
		o.check(err)
		if blocked = answer.Blocked; blocked > 0 && time.Since(opened) < quarter {
			t.Fatalf("blocked after %v", time.Since(opened))
		}
		if time.Since(opened) > quarter+2*time.Minute {
			t.Fatalf("not blocked after %v: %s", time.Since(opened), answer.text)
		}
		time.Sleep(10 * time.Second) // a schedule of six ticks a minute
	}
	o.eventually("nothing is counted for the alarm", func() bool { return o.metric("DiscoverFunction", "Blocked") > 0 })

	o.abortTransaction()
	o.archive()
	o.verify()
	o.comparePartitions()
}

// openTransaction leaves a record on the first partition in a transaction that nobody ends.
func (o *operations) openTransaction() {
	o.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(o.brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID("nobody-ends-it"), kgo.TransactionTimeout(time.Hour))
	o.check(err)
	o.Cleanup(client.Close)
	o.check(client.BeginTransaction())
	o.check(client.ProduceSync(o.Context(), &kgo.Record{Topic: o.topics[0], Value: []byte("never committed")}).FirstErr())
}

// abortTransaction does what kafka-transactions.sh does: describe-producers, and abort.
func (o *operations) abortTransaction() {
	o.Helper()
	first := kadm.TopicsSet{}
	first.Add(o.topics[0], 0)
	described, err := o.admin.DescribeProducers(o.Context(), first)
	o.check(err)
	aborted := 0
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset < 0 {
			return
		}
		_, err := o.admin.WriteTxnMarkers(o.Context(), kadm.TxnMarkers{
			ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: p.CoordinatorEpoch, Topics: first,
		})
		o.check(err)
		aborted++
	})
	if aborted != 1 {
		o.Fatalf("%d transactions were open, want 1", aborted)
	}
}
