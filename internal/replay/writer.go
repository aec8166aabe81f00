// How one source partition is written.

package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
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
	part      *PartOutlook
	limits    recordbatch.Limits   // of batches
	choose    kgo.TopicPartitioner // of partitions by key; nil to keep them
	keyed     kgo.Record           // what it looks at
	lanes     []lane               // by partition of the target; just one when partitions are kept
	offsets   target               // where stretches go on the state topic
	position  target               // where the position goes
	told      bool                 // both are part of the transaction
	ctx       context.Context      // of what is on its way
	giveUp    context.CancelFunc
	segmentOf Segment // what is being written
	open      bool    // in a transaction
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
	joined  bool  // the transaction
	latest  *sent // of the transaction's batches, nil before the first
	filling recordbatch.Writer
	filled  *sent // what filling will be
	sending recordbatch.Writer
	onWay   *sent // nil when nothing is
}

// sent is where a batch is written to.
type sent struct {
	partition int32
	first     int64 // source offset of its first record
	base      int64 // its own offset, when done is closed
	count     int32
	sequence  int32 // of its first record
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

func (r *runner) newWriter(ctx context.Context, p *PartOutlook) (*writer, error) {
	client, err := kgo.NewClient(append(r.options.Client[:len(r.options.Client):len(r.options.Client)],
		kgo.MaxVersions(protocol),
		kgo.BrokerMaxWriteBytes(1<<30), // its most: one record may be as large as its topic takes
	)...)
	if err != nil {
		return nil, err
	}
	w := &writer{runner: r, part: p, limits: r.options.Batches[p.Target].Limits(),
		producer: producer{client, p.pair.transactionalID(), r.identities[p.pair]}}
	w.ctx, w.giveUp = context.WithCancel(ctx)
	if err := w.openTarget(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// openTarget finds out where to write.
func (w *writer) openTarget(ctx context.Context) error {
	w.position = target{topic: w.state.name, partition: w.part.pair.stateShard(), leader: -1}
	w.offsets = target{topic: w.state.name, partition: w.part.pair.mapShard(), leader: -1}
	if !w.request.Rekey {
		w.lanes = []lane{w.laneTo(w.part.Source.Number)}
		return nil
	}
	w.choose = kgo.StickyKeyPartitioner(nil).ForTopic(w.part.Target) // murmur2, as Kafka's own producers
	facts, err := w.describeTopics(ctx, w.part.Target)
	if err != nil {
		return err
	}
	for partition := range int32(len(facts[w.part.Target].leaders)) {
		w.lanes = append(w.lanes, w.laneTo(partition))
	}
	if len(w.lanes) == 0 {
		return errTopicReplaced
	}
	return nil
}

func (w *writer) laneTo(partition int32) lane {
	return lane{target: target{topic: w.part.Target, partition: partition, leader: -1}}
}

// stopSending ends what is on its way.
func (w *writer) stopSending() {
	w.giveUp()
	for i := range w.lanes {
		_ = w.lanes[i].awaitBatch() // why it is given up is known
	}
}

func (w *writer) close() {
	w.stopSending()
	if w.producer.client != w.client { // after an abort it is the run's own
		w.producer.client.Close()
	}
}

// writeSegment writes one part of what is left. What has no record up to its end is done as
// well, and the position says so: or the next run would look through it again.
func (w *writer) writeSegment(ctx context.Context, s Segment) error {
	w.segmentOf, w.next = s, s.Start
	whole := s.Whole()
	for record, err := range w.source(ctx, w.part.Part, s.Hull()) {
		if err == nil && record.Offset < 0 {
			err = errValuesOnly
		}
		if err != nil {
			return err
		}
		if !whole && !s.Wants(record.Timestamp) {
			continue
		}
		if err := w.writeRecord(ctx, &record); err != nil {
			return err
		}
	}
	if w.next < s.End {
		w.beginTransaction()
		w.next = s.End
	}
	return w.commitTransaction(ctx)
}

// writeRecord takes one record, and commits when the transaction is full.
func (w *writer) writeRecord(ctx context.Context, r *baldr.Record) error {
	size := len(r.Key) + len(r.Value)
	if err := w.keepPace(ctx, size); err != nil {
		return err
	}
	w.beginTransaction()
	l := w.laneOf(r)
	if !l.filling.Add(r, w.limits) {
		if err := w.sendLane(ctx, l); err != nil {
			return err
		}
		l.filling.Add(r, w.limits)
	}
	w.noteOffset(l, r.Offset)
	w.stretch.Bytes += int64(size)
	w.written++
	w.next = r.Offset + 1
	if len(w.runs) >= maxRuns || w.written%recordsALook == 0 && time.Since(w.begun) > maxTime {
		return w.commitTransaction(ctx)
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
	pause := w.pace.reserveBytes(bytes)
	if pause <= 0 {
		return nil
	}
	if w.open && time.Since(w.begun)+pause > maxTime {
		if err := w.commitTransaction(ctx); err != nil {
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

func (w *writer) beginTransaction() {
	if w.open {
		return
	}
	w.open, w.begun, w.written, w.runs = true, time.Now(), 0, w.runs[:0]
	w.told = false
	ask := w.part.Ask
	w.stretch = Stretch{
		Number: w.part.Position.Stretch + 1, Source: w.part.Source.Name, Part: w.part.Source.Number,
		Target: w.part.Target,
		Span:   Span{w.next, 0, ask.Since, ask.Until},
	}
	for i := range w.lanes {
		l := &w.lanes[i]
		l.joined, l.latest = false, nil
		if w.choose != nil {
			// two batches' memory for each of a thousand partitions would be too much to keep
			*l = lane{target: l.target}
		}
	}
}

// laneOf finds the way to the partition that a record goes to.
func (w *writer) laneOf(r *baldr.Record) *lane {
	if w.choose == nil {
		return &w.lanes[0]
	}
	w.keyed.Key = r.Key
	return &w.lanes[w.choose.Partition(&w.keyed, len(w.lanes))]
}

// noteOffset remembers that the record just added to a lane has this source offset.
func (w *writer) noteOffset(l *lane, source int64) {
	if l.filling.Count() == 1 {
		l.filled = &sent{partition: l.partition, first: source, done: make(chan struct{})}
	}
	if n := len(w.runs); n > 0 {
		last := &w.runs[n-1]
		if last.to == l.filled && last.source+last.count == source {
			last.count++
			return
		}
	}
	w.runs = append(w.runs, run{source: source, to: l.filled, index: int64(l.filling.Count()) - 1, count: 1})
}

// sendLane sends the batch of a lane once the one before has arrived.
func (w *writer) sendLane(ctx context.Context, l *lane) error {
	if l.filling.Count() == 0 {
		return nil
	}
	if err := l.awaitBatch(); err != nil {
		return err
	}
	if !l.joined {
		if err := w.addPartitions(ctx); err != nil {
			return err
		}
	}
	if renewed, ok := w.choose.(kgo.TopicPartitionerOnNewBatch); ok {
		renewed.OnNewBatch() // records without a key go to another partition
	}
	l.filling, l.sending = l.sending, l.filling
	l.filling.Reset()
	l.onWay, l.latest = l.filled, l.filled
	l.onWay.count, l.onWay.sequence = l.sending.Count(), l.sequence
	go func(on *sent) {
		defer close(on.done)
		on.base, on.err = w.producer.sendBatch(w.ctx, &l.target, &l.sending)
		if on.err != nil {
			on.err = fmt.Errorf("%d records from source offset %d on: %w", on.count, on.first, w.explainError(on.err))
		}
	}(l.onWay)
	return nil
}

// addPartitions makes all partitions for which there is something part of the transaction,
// in one request, and those of the state topic with the first of them.
func (w *writer) addPartitions(ctx context.Context) error {
	var partitions []int32
	for i := range w.lanes {
		if l := &w.lanes[i]; !l.joined && l.filling.Count() > 0 {
			partitions = append(partitions, l.partition)
			l.joined = true
		}
	}
	joining := map[string][]int32{}
	if len(partitions) > 0 {
		joining[w.part.Target] = partitions
	}
	if !w.told {
		joining[w.state.name] = []int32{w.position.partition, w.offsets.partition}
		w.told = true
	}
	if len(joining) == 0 {
		return nil
	}
	if err := w.producer.addPartitions(ctx, joining); err != nil {
		return w.explainError(err)
	}
	return nil
}

// awaitBatch waits for the batch that is on its way.
func (l *lane) awaitBatch() error {
	if l.onWay == nil {
		return nil
	}
	<-l.onWay.done
	err := l.onWay.err
	l.onWay = nil
	return err
}

// explainError says what an error of the target is about.
func (w *writer) explainError(err error) error {
	topic := w.part.Target
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("the target refuses a batch of that size: raise max.message.bytes of topic %s: %w", topic,
			err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("the target refuses records of that age: widen message.timestamp.before.max.ms and "+
			"message.timestamp.after.max.ms of topic %s: %w", topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return fmt.Errorf("the target refuses a record (a compacted topic takes none without a key): topic %s: %w",
			topic, err)
	case isFenced(err):
		return fmt.Errorf("produce to topic %s: %w", topic, w.shutOut(err))
	}
	return fmt.Errorf("produce to topic %s: %w", topic, err)
}
