package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
)

// A transaction ends when one of these is reached. Committing takes some 10 ms in
// which this partition sends nothing; the time makes that little, and keeps readers
// of committed records waiting no longer. The state record, which has all runs
// of offsets, must stay below Kafka's default for the size of a batch.
const (
	maxTime = time.Second
	maxRuns = 10_000 // of some 40 bytes as JSON
)

// writer replays one source partition.
type writer struct {
	*runner
	producer  producer
	partition Partition
	shape     shape                // of batches
	choose    kgo.TopicPartitioner // of partitions by key; nil to keep them
	keyed     kgo.Record           // what it looks at
	lanes     []lane               // by partition of the target; just one when partitions are kept
	state     target               // the state topic
	ctx       context.Context      // of what is on its way
	giveUp    context.CancelFunc
	open      bool // in a transaction
	begun     time.Time
	written   int64 // records of the transaction
	next      int64 // source offset after the last record
	stretch   Stretch
	runs      []run
}

// lane is the way to one partition of the target: a batch that is filled, and at
// most one that is sent meanwhile.
type lane struct {
	target
	joined  bool // the transaction
	filling batch
	filled  *sent // what filling will be
	sending batch
	onWay   *sent // nil when nothing is
}

// sent is where a batch is written to.
type sent struct {
	partition int32
	first     int64 // source offset of its first record
	base      int64 // its own offset, when done is closed
	err       error
	done      chan struct{}
}

// run is a number of records that have consecutive offsets in the source, and are
// side by side in a batch.
type run struct {
	source int64
	to     *sent
	index  int64 // of its first record in the batch
	count  int64
}

func (r *runner) newWriter(ctx context.Context, p Partition, from int64) (*writer, error) {
	client, err := kgo.NewClient(append(r.options.Client[:len(r.options.Client):len(r.options.Client)],
		kgo.MaxVersions(protocol),
		kgo.BrokerMaxWriteBytes(1<<30), // its most: one record may be as large as its topic takes
	)...)
	if err != nil {
		return nil, err
	}
	w := &writer{runner: r, partition: p, shape: r.options.Batches[p.Target].shape(), next: from, producer: producer{client, transactionalID(r.job.ID, p), r.identities[p.Key()]}}
	w.ctx, w.giveUp = context.WithCancel(ctx)
	if err := w.prepare(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// prepare finds out where to write.
func (w *writer) prepare(ctx context.Context) error {
	w.state = target{topic: w.options.StateTopic, leader: -1}
	if !w.job.Rekey {
		w.lanes = []lane{w.laneTo(w.partition.Number)}
		return nil
	}
	w.choose = kgo.StickyKeyPartitioner(nil).ForTopic(w.partition.Target) // murmur2, as Kafka's own producers
	var leaders map[int32]int32
	err := insist(ctx, func(ctx context.Context) (err error) {
		leaders, err = w.producer.leaders(ctx, w.partition.Target)
		return err
	})
	if err != nil {
		return fmt.Errorf("list the partitions of topic %s: %w", w.partition.Target, err)
	}
	for partition := range int32(len(leaders)) {
		w.lanes = append(w.lanes, w.laneTo(partition))
	}
	return nil
}

func (w *writer) laneTo(partition int32) lane {
	return lane{target: target{topic: w.partition.Target, partition: partition, leader: -1}}
}

// stop ends what is on its way.
func (w *writer) stop() {
	w.giveUp()
	for i := range w.lanes {
		_ = w.lanes[i].arrived() // why it is given up is known
	}
}

func (w *writer) close() {
	w.stop()
	w.producer.client.Close()
}

// write takes one record, and commits when the transaction is full.
func (w *writer) write(ctx context.Context, r *baldr.Record) error {
	size := len(r.Key) + len(r.Value)
	if err := w.keepPace(ctx, size); err != nil {
		return err
	}
	w.begin()
	l := w.lane(r)
	if !l.filling.add(r, w.shape) {
		if err := w.send(ctx, l); err != nil {
			return err
		}
		l.filling.add(r, w.shape)
	}
	w.note(l, r.Offset)
	w.stretch.Bytes += int64(size)
	w.written++
	w.next = r.Offset + 1
	if len(w.runs) >= maxRuns || w.written%recordsALook == 0 && time.Since(w.begun) > maxTime {
		return w.commit(ctx)
	}
	return nil
}

// recordsALook is how many records go between two looks at the clock, which would
// cost a replay two hundredths of its time if it were looked at for each. What is
// slow for the sake of --throttle looks in keepPace too.
const recordsALook = 16

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

func (w *writer) begin() {
	if w.open {
		return
	}
	w.open, w.begun, w.written, w.runs = true, time.Now(), 0, w.runs[:0]
	w.stretch = Stretch{Source: w.partition.Source, Number: w.partition.Number, Start: w.next, Target: w.partition.Target}
	for i := range w.lanes {
		l := &w.lanes[i]
		l.joined = false
		if w.choose != nil {
			*l = lane{target: l.target} // two batches' memory for each of a thousand partitions would be too much to keep
		}
	}
}

// lane finds the way to the partition that a record goes to.
func (w *writer) lane(r *baldr.Record) *lane {
	if w.choose == nil {
		return &w.lanes[0]
	}
	w.keyed.Key = r.Key
	return &w.lanes[w.choose.Partition(&w.keyed, len(w.lanes))]
}

// note remembers that the record just added to a lane has this source offset.
func (w *writer) note(l *lane, source int64) {
	if l.filling.count == 1 {
		l.filled = &sent{partition: l.partition, first: source, done: make(chan struct{})}
	}
	if n := len(w.runs); n > 0 {
		last := &w.runs[n-1]
		if last.to == l.filled && last.source+last.count == source {
			last.count++
			return
		}
	}
	w.runs = append(w.runs, run{source: source, to: l.filled, index: int64(l.filling.count) - 1, count: 1})
}

// send sends the batch of a lane once the one before has arrived.
func (w *writer) send(ctx context.Context, l *lane) error {
	if l.filling.count == 0 {
		return nil
	}
	if err := l.arrived(); err != nil {
		return err
	}
	if !l.joined {
		if err := w.join(ctx); err != nil {
			return err
		}
	}
	if renewed, ok := w.choose.(kgo.TopicPartitionerOnNewBatch); ok {
		renewed.OnNewBatch() // records without a key go to another partition
	}
	l.filling, l.sending = l.sending, l.filling
	l.filling.count = 0
	l.onWay = l.filled
	go func(on *sent) {
		defer close(on.done)
		on.base, on.err = w.producer.send(w.ctx, &l.target, &l.sending)
		if on.err != nil {
			on.err = fmt.Errorf("%d records from source offset %d on: %w", l.sending.count, on.first, explain(l.topic, on.err))
		}
	}(l.onWay)
	return nil
}

// join makes all partitions for which there is something part of the transaction,
// in one request.
func (w *writer) join(ctx context.Context) error {
	var partitions []int32
	for i := range w.lanes {
		if l := &w.lanes[i]; !l.joined && l.filling.count > 0 {
			partitions = append(partitions, l.partition)
			l.joined = true
		}
	}
	if err := w.producer.join(ctx, w.partition.Target, partitions...); err != nil {
		return explain(w.partition.Target, err)
	}
	return nil
}

// arrived waits for the batch that is on its way.
func (l *lane) arrived() error {
	if l.onWay == nil {
		return nil
	}
	<-l.onWay.done
	err := l.onWay.err
	l.onWay = nil
	return err
}

func explain(topic string, err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("the target refuses a batch of that size: raise max.message.bytes of topic %s: %w", topic, err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("the target refuses records of that age: widen message.timestamp.before.max.ms and message.timestamp.after.max.ms of topic %s: %w", topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return fmt.Errorf("the target refuses a record (a compacted topic takes none without a key): topic %s: %w", topic, err)
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		return fmt.Errorf("another run of this replay has taken over: %w", err)
	}
	return fmt.Errorf("produce to topic %s: %w", topic, err)
}

// commit ends the transaction with the record that tells what it holds.
func (w *writer) commit(ctx context.Context) error {
	if !w.open {
		return nil
	}
	for i := range w.lanes {
		if err := w.send(ctx, &w.lanes[i]); err != nil {
			return err
		}
	}
	for i := range w.lanes {
		if err := w.lanes[i].arrived(); err != nil {
			return err
		}
	}
	for _, r := range w.runs {
		w.stretch.add(Mapping{r.source, r.to.partition, r.to.base + r.index, r.count})
	}
	w.stretch.End, w.stretch.Records = w.next, w.written
	if err := w.writeState(ctx); err != nil {
		return fmt.Errorf("write the position to topic %s: %w", w.options.StateTopic, err)
	}
	if err := w.producer.end(ctx, true); err != nil {
		return fmt.Errorf("commit source offsets [%d, %d): %w; what became of it shows when the replay is run again", w.stretch.Start, w.stretch.End, err)
	}
	w.open = false
	w.committed(w.stretch)
	return nil
}

func (w *writer) writeState(ctx context.Context) error {
	value, err := json.Marshal(w.stretch)
	if err != nil {
		return err
	}
	var b batch
	b.add(&baldr.Record{Key: []byte(stretchKey(w.job.ID, w.stretch)), Value: value, Timestamp: time.Now().UnixMilli()}, shape{codec: DefaultCodec})
	if err := w.producer.join(ctx, w.state.topic, w.state.partition); err != nil {
		return err
	}
	_, err = w.producer.send(ctx, &w.state, &b)
	return err
}

// abort gives up what is not committed. What cannot be aborted now, Kafka aborts
// when the transaction's time is over or the replay is run again.
func (w *writer) abort(ctx context.Context) error {
	if !w.open {
		return nil
	}
	w.open = false
	w.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	err := w.producer.end(ctx, false)
	if err != nil && !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.InvalidTxnState) {
		return fmt.Errorf("abort the transaction: %w", err)
	}
	return nil
}

// abortPatience bounds the end of a replay that failed or was interrupted.
const abortPatience = 10 * time.Second
