package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaBatchBytes is Kafka's default for max.message.bytes.
const kafkaBatchBytes = 1_048_588

// writer is the transactional producer of one source partition.
type writer struct {
	*runner
	client    *kgo.Client
	partition Partition
	position  int64                 // source offset after what is committed
	open      bool                  // in a transaction
	failed    atomic.Pointer[error] // of the first record that Kafka refused
}

func (r *runner) newWriter(p Partition, from int64) (*writer, error) {
	partitioner := kgo.ManualPartitioner()
	if r.job.Rekey {
		partitioner = kgo.StickyKeyPartitioner(nil) // murmur2, as Kafka's own producers
	}
	batch := max(r.options.BatchBytes, kafkaBatchBytes)
	client, err := kgo.NewClient(append(r.options.Client[:len(r.options.Client):len(r.options.Client)],
		kgo.TransactionalID(transactionalID(r.job.ID, p)),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(byTopic{state: r.options.StateTopic, others: partitioner}),
		kgo.ProducerBatchMaxBytes(batch),
		kgo.BrokerMaxWriteBytes(max(100<<20, 2*batch)),
		kgo.MaxBufferedRecords(maxRecords),
		kgo.ProducerLinger(5*time.Millisecond),
	)...)
	if err != nil {
		return nil, err
	}
	return &writer{runner: r, client: client, partition: p, position: from}, nil
}

// byTopic puts state records into the one partition there is, whatever the
// partitioner of the others.
type byTopic struct {
	state  string
	others kgo.Partitioner
}

// ForTopic implements kgo.Partitioner.
func (b byTopic) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == b.state {
		return kgo.ManualPartitioner().ForTopic(topic)
	}
	return b.others.ForTopic(topic)
}

func (w *writer) produced(r *kgo.Record, err error) {
	if err != nil {
		err = explain(r, err)
		w.failed.CompareAndSwap(nil, &err)
	}
}

func explain(r *kgo.Record, err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("the target refuses a record of %d bytes: raise max.message.bytes of topic %s: %w", len(r.Key)+len(r.Value), r.Topic, err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("the target refuses a record of %s: widen message.timestamp.before.max.ms and message.timestamp.after.max.ms of topic %s: %w",
			r.Timestamp.UTC().Format(time.RFC3339), r.Topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return fmt.Errorf("the target refuses a record (a compacted topic takes none without a key): topic %s: %w", r.Topic, err)
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		return fmt.Errorf("another run of this replay has taken over: %w", err)
	}
	return fmt.Errorf("produce to topic %s: %w", r.Topic, err)
}

// flush returns when Kafka has answered for every record.
func (w *writer) flush(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return err
	}
	if failed := w.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// commit writes a batch in one transaction, with the record that tells what it holds.
func (w *writer) commit(ctx context.Context, b *batch) error {
	if err := w.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	w.open = true
	for i := range b.slots.n {
		w.client.Produce(ctx, &b.slots.at(i).Record, w.produced)
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	done := Stretch{Source: w.partition.Source, Number: w.partition.Number, Start: w.position, End: b.end, Records: int64(b.slots.n), Bytes: b.bytes, Target: w.partition.Target}
	for i := range b.slots.n {
		s := b.slots.at(i)
		done.add(s.source, s.Partition, s.Offset)
	}
	value, err := json.Marshal(done)
	if err != nil {
		return err
	}
	w.client.Produce(ctx, &kgo.Record{Topic: w.options.StateTopic, Key: []byte(stretchKey(w.job.ID, done)), Value: value}, w.produced)
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit source offsets [%d, %d): %w; what became of it shows when the replay is run again", done.Start, done.End, err)
	}
	w.open, w.position = false, done.End
	w.committed(done)
	return nil
}

// abort gives up what is not committed. What cannot be aborted now, Kafka aborts
// when the transaction's time is over or the replay is run again.
func (w *writer) abort(ctx context.Context) error {
	if !w.open {
		return nil
	}
	w.open = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	if err := w.client.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("give up the records under way: %w", err)
	}
	if err := w.client.EndTransaction(ctx, kgo.TryAbort); err != nil && !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("abort the transaction: %w", err)
	}
	return nil
}

// abortPatience bounds the end of a replay that failed or was interrupted.
const abortPatience = 10 * time.Second
