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

	"github.com/bifrost-archive/bifrost/baldr"
)

// A transaction ends when one of these is reached. Committing takes some 10 ms in
// which nothing is sent; the limits make that little beside the transaction. The
// time keeps a slow replay from holding up readers of committed records.
const (
	maxRecords = 200_000
	maxBytes   = 16 << 20
	maxTime    = 2 * time.Second
)

// kafkaBatchBytes is Kafka's default for max.message.bytes.
const kafkaBatchBytes = 1_048_588

// writer is the transactional producer of one source partition.
type writer struct {
	*runner
	client    *kgo.Client
	partition Partition
	open      bool // in a transaction
	begun     time.Time
	next      int64 // source offset after the last record
	stretch   Stretch
	slots     slots
	memory    memory
	produced  func(*kgo.Record, error) // answered, made a value once: a method value is an allocation
	failed    atomic.Pointer[error]    // of the first record that Kafka refused
}

// slot is a record on its way, with the offset it came from.
type slot struct {
	kgo.Record
	source int64
}

// slots are the records of one transaction. The client holds pointers to them
// until Kafka has answered, so they never move.
type slots struct {
	chunks [][]slot
	n      int
}

const chunkSlots = 4096

func (s *slots) next() *slot {
	if s.n == len(s.chunks)*chunkSlots {
		s.chunks = append(s.chunks, make([]slot, chunkSlots))
	}
	next := s.at(s.n)
	*next = slot{}
	s.n++
	return next
}

func (s *slots) at(i int) *slot { return &s.chunks[i/chunkSlots][i%chunkSlots] }

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
	w := &writer{runner: r, client: client, partition: p, next: from}
	w.produced = w.answered
	return w, nil
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

// write hands one record to Kafka, and commits when the transaction is full.
func (w *writer) write(ctx context.Context, r *baldr.Record) error {
	if err := w.keepPace(ctx, len(r.Key)+len(r.Value)); err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	s := w.slots.next()
	s.source = r.Offset
	s.Topic, s.Partition = w.partition.Target, w.partition.Number
	s.Timestamp = time.UnixMilli(r.Timestamp)
	s.Key, s.Value = w.memory.copy(r.Key), w.memory.copy(r.Value)
	s.Headers = w.memory.headers(r.Headers)
	w.stretch.Bytes += int64(len(r.Key) + len(r.Value))
	w.next = r.Offset + 1
	w.client.Produce(ctx, &s.Record, w.produced)
	if failed := w.failed.Load(); failed != nil {
		return *failed
	}
	if w.full() {
		return w.commit(ctx)
	}
	return nil
}

// recordsALook is how many records go between two looks at the clock, which would
// cost a replay two hundredths of its time if it were looked at for each. What is
// slow for the sake of --throttle looks in keepPace too.
const recordsALook = 16

func (w *writer) full() bool {
	return w.slots.n == maxRecords || w.stretch.Bytes >= maxBytes || w.slots.n%recordsALook == 0 && time.Since(w.begun) > maxTime
}

// keepPace waits until so many bytes may go. No transaction stays open meanwhile
// for longer than one may.
func (w *writer) keepPace(ctx context.Context, bytes int) error {
	pause := w.pace.take(bytes)
	if pause <= 0 {
		return nil
	}
	if w.open && time.Since(w.begun)+pause > maxTime {
		if err := w.commit(ctx); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}

func (w *writer) begin() error {
	if w.open {
		return nil
	}
	if err := w.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	w.open, w.begun = true, time.Now()
	w.stretch = Stretch{Source: w.partition.Source, Number: w.partition.Number, Start: w.next, Target: w.partition.Target}
	return nil
}

func (w *writer) answered(r *kgo.Record, err error) {
	if err != nil {
		explained := explain(r, err)
		w.failed.CompareAndSwap(nil, &explained)
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

// commit ends the transaction with the record that tells what it holds.
func (w *writer) commit(ctx context.Context) error {
	if !w.open {
		return nil
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	for i := range w.slots.n {
		s := w.slots.at(i)
		w.stretch.add(s.source, s.Partition, s.Offset)
	}
	w.stretch.End, w.stretch.Records = w.next, int64(w.slots.n)
	value, err := json.Marshal(w.stretch)
	if err != nil {
		return err
	}
	w.client.Produce(ctx, &kgo.Record{Topic: w.options.StateTopic, Key: []byte(stretchKey(w.job.ID, w.stretch)), Value: value}, w.produced)
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit source offsets [%d, %d): %w; what became of it shows when the replay is run again", w.stretch.Start, w.stretch.End, err)
	}
	w.open = false
	w.committed(w.stretch)
	w.slots.n = 0
	w.memory.reuse()
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
