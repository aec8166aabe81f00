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

// A transaction ends when one of these is reached. Committing takes five round trips in
// which this partition sends nothing; the time makes that little, and keeps readers of
// committed records waiting no longer. Where round trips are long, it is longer. The
// state record, which has all runs of offsets, must stay below Kafka's default for the
// size of a batch.
const (
	maxTime    = time.Second
	maxFarTime = 5 * time.Second
	commits    = 40     // times as long as its last two round trips is a transaction at least
	maxRuns    = 10_000 // of some 40 bytes as JSON
)

// onWayMost is how many bytes of batches may be on their way: what a fast partition sends
// while a far broker answers. They are kept until then.
var onWayMost = 16 << 20

// onWayTime is how long what is on its way may take, as far as can be told from the
// transaction before: a target that takes a hundred kilobytes a second must not get more
// at once than it can answer before Kafka gives the transaction up.
const onWayTime = 2 * time.Second

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
	ctx       context.Context      // of what is on its way, which outlives the run's
	giveUp    context.CancelFunc
	onWay     []*sent               // in the order in which they were sent
	bytes     int                   // of what is on its way
	window    int                   // a batch is sent when less than so many bytes are on their way
	taken     int                   // bytes of the transaction that were answered
	unclear   bool                  // no broker has said what became of a batch
	free      []*recordbatch.Writer // to be filled
	segmentOf Segment               // what is being written
	open      bool                  // in a transaction
	begun     time.Time
	longest   time.Duration // that a transaction takes
	most      int           // batches that one may have, after an interruption; 0 for any number
	batches   int           // of the transaction
	written   int64         // records of the transaction
	next      int64         // source offset after the last record
	stretch   Stretch
	runs      []run
}

// lane is the way to one partition of the target.
type lane struct {
	target
	joined  bool  // the transaction
	latest  *sent // of the transaction's batches, nil before the first
	filling *recordbatch.Writer
	filled  *sent // what filling will be
}

// sent is a batch, and where it is written to.
type sent struct {
	partition int32
	first     int64 // source offset of its first record
	base      int64 // its own offset, when done is closed
	count     int32
	sequence  int32 // of its first record
	bytes     int
	to        *target
	batch     *recordbatch.Writer
	explain   func(error) error
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

func (r *runner) newWriter(ctx context.Context, p *PartOutlook, most int) (*writer, error) {
	client, err := kgo.NewClient(append(r.options.Client[:len(r.options.Client):len(r.options.Client)],
		kgo.MaxVersions(protocol),
		kgo.BrokerMaxWriteBytes(1<<30), // its most: one record may be as large as its topic takes
	)...)
	if err != nil {
		return nil, err
	}
	w := &writer{runner: r, part: p, limits: r.options.Batches[p.Target].Limits(), longest: maxTime, window: 1, most: most,
		producer: producer{client, p.pair.transactionalID(), r.identityOf(p.pair)}}
	w.ctx, w.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	if err := w.openTarget(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// openTarget finds out where to write.
func (w *writer) openTarget(ctx context.Context) error {
	facts, err := cluster{w.producer.client}.describeTopics(ctx, w.part.Target, w.state.name)
	if err != nil {
		return err
	}
	to := func(topic string, partition int32) target {
		leader, known := facts[topic].leaders[partition]
		if !known {
			leader = -1
		}
		return target{topic: topic, partition: partition, leader: leader}
	}
	w.position = to(w.state.name, w.part.pair.stateShard())
	w.offsets = to(w.state.name, w.part.pair.mapShard())
	if !w.request.Rekey {
		w.lanes = []lane{{target: to(w.part.Target, w.part.Source.Number)}}
		return nil
	}
	w.choose = kgo.StickyKeyPartitioner(nil).ForTopic(w.part.Target) // murmur2, as Kafka's own producers
	for partition := range int32(len(facts[w.part.Target].leaders)) {
		w.lanes = append(w.lanes, lane{target: to(w.part.Target, partition)})
	}
	if len(w.lanes) == 0 {
		return errTopicReplaced
	}
	return nil
}

// close ends what is on its way, and its connections.
func (w *writer) close() {
	w.giveUp()
	for _, s := range w.onWay {
		<-s.done
	}
	w.producer.client.Close()
}

// writeSegment writes one part of what is left. What has no record up to its end is done as
// well, and the position says so: or the next run would look through it again.
func (w *writer) writeSegment(ctx context.Context, s Segment) error {
	w.segmentOf, w.next = s, s.Start
	whole, skipped := s.Whole(), 0
	for record, err := range w.source(ctx, w.part.Part, s.Hull()) {
		if err == nil && record.Offset < 0 {
			err = errValuesOnly
		}
		if err != nil {
			return sourceError{err}
		}
		if !whole && !s.Wants(record.Timestamp) {
			if skipped++; skipped%recordsALook == 0 && w.open && time.Since(w.begun) > w.longest {
				if err := w.commitTransaction(ctx); err != nil {
					return err
				}
			}
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

// sourceError is an error of the archive: what is written again meets it again.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// writeRecord takes one record, and commits when the transaction is full.
func (w *writer) writeRecord(ctx context.Context, r *baldr.Record) error {
	size := len(r.Key) + len(r.Value)
	if err := w.keepPace(ctx, size); err != nil {
		return err
	}
	w.beginTransaction()
	l := w.laneOf(r)
	if l.filling == nil {
		l.filling = w.takeBatch()
	}
	sends := !l.filling.Add(r, w.limits)
	if sends {
		if err := w.sendLane(ctx, l); err != nil {
			return err
		}
		l.filling = w.takeBatch()
		l.filling.Add(r, w.limits)
	}
	w.noteOffset(l, r.Offset)
	w.stretch.Bytes += int64(size)
	w.written++
	w.next = r.Offset + 1
	if len(w.runs) >= maxRuns || w.most > 0 && w.batches >= w.most ||
		(sends || w.written%recordsALook == 0) && time.Since(w.begun) > w.longest {
		return w.commitTransaction(ctx)
	}
	return nil
}

// recordsALook is how many records go between two looks at the clock, which would
// cost a replay two hundredths of its time if it were looked at for each. Behind each batch
// it is looked at as well: records may be large, and the target slow. What is slow for the
// sake of --throttle looks in keepPace too.
const recordsALook = 16

// keepPace waits until so many bytes may go. No transaction stays open meanwhile
// for longer than one may.
func (w *writer) keepPace(ctx context.Context, bytes int) error {
	pause := w.pace.reserveBytes(bytes)
	if pause <= 0 {
		return nil
	}
	if w.open && time.Since(w.begun)+pause > w.longest {
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
	w.told, w.batches, w.taken = false, 0, 0
	ask := w.part.Ask
	w.stretch = Stretch{
		Number: w.part.Position.Stretch + 1, Source: w.part.Source.Name, Part: w.part.Source.Number,
		Target: w.part.Target,
		Span:   Span{w.next, 0, ask.Since, ask.Until},
	}
	for i := range w.lanes {
		w.lanes[i].joined, w.lanes[i].latest = false, nil
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

// sendLane sends the batch of a lane, behind those that are on their way.
func (w *writer) sendLane(ctx context.Context, l *lane) error {
	if l.filling == nil || l.filling.Count() == 0 {
		return nil
	}
	if !l.joined {
		if err := w.addPartitions(ctx); err != nil {
			return err
		}
	}
	if renewed, ok := w.choose.(kgo.TopicPartitionerOnNewBatch); ok {
		renewed.OnNewBatch() // records without a key go to another partition
	}
	s := l.filled
	s.batch, l.filling = l.filling, nil
	s.explain = func(err error) error {
		return fmt.Errorf("%d records from source offset %d on: %w", s.count, s.first, w.explainError(err))
	}
	l.latest = s
	return w.startBatch(ctx, &l.target, s)
}

// startBatch puts a batch on its way once there is room for it.
func (w *writer) startBatch(ctx context.Context, to *target, s *sent) error {
	if err := w.collectBatches(ctx, w.window); err != nil {
		return err
	}
	if to.leader < 0 {
		err := insist(ctx, func(ctx context.Context) (err error) {
			to.leader, err = w.producer.findLeader(ctx, to.topic, to.partition)
			return err
		})
		if err != nil {
			return s.explain(err)
		}
	}
	s.count, s.sequence, s.to = s.batch.Count(), to.sequence, to
	raw := s.batch.Seal(recordbatch.Producer{ID: w.producer.identity.id, Epoch: w.producer.identity.epoch}, s.sequence)
	to.sequence = sequenceAfter(to.sequence, s.count)
	s.bytes = len(raw)
	w.onWay = append(w.onWay, s)
	w.bytes += s.bytes
	w.batches++
	turn := w.producer.startBatch(w.ctx, to, raw, func(offset int64, err error) {
		s.base, s.err = offset, err
		close(s.done)
	})
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// collectBatches takes the answers to batches in the order in which they were sent: those
// that are there, and as many more as leave less than so many bytes on their way. The
// first that is not answered as it should be is why those behind it are not either.
func (w *writer) collectBatches(ctx context.Context, bytes int) error {
	for len(w.onWay) > 0 {
		s := w.onWay[0]
		select {
		case <-s.done:
		default:
			if w.bytes < bytes {
				return nil
			}
			select {
			case <-s.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := w.collectBatch(); err != nil {
			return s.explain(err)
		}
	}
	return nil
}

// collectBatch takes the answer to the first batch that is on its way, which is there.
func (w *writer) collectBatch() error {
	s := w.onWay[0]
	w.onWay = w.onWay[1:]
	w.bytes -= s.bytes
	if len(w.free) < freeMost {
		w.free = append(w.free, s.batch)
	}
	s.batch = nil
	var said *kerr.Error
	w.unclear = w.unclear || s.err != nil && !errors.As(s.err, &said)
	if s.err != nil {
		return s.err
	}
	if s.base < s.to.end {
		return fmt.Errorf("%w: offset %d behind %d", errOrder, s.base, s.to.end)
	}
	s.to.end = s.base + int64(s.count)
	w.taken += s.bytes
	w.window = min(w.window+s.bytes, onWayMost)
	return nil
}

// limitWindow lets no more be on its way than was answered in onWayTime. It grows from
// there with each answer.
func (w *writer) limitWindow() {
	speed := float64(w.taken) / max(time.Since(w.begun), time.Millisecond).Seconds()
	w.window = min(int(speed*onWayTime.Seconds())+1, onWayMost)
}

// errOrder says that a partition has batches in another order than they were sent in.
var errOrder = errors.New("batches came in another order")

// freeMost is how many batches' memory is kept: as many as are on their way to one
// partition. Two for each of a thousand partitions would be too much.
const freeMost = 32

// takeBatch is an empty batch.
func (w *writer) takeBatch() *recordbatch.Writer {
	n := len(w.free)
	if n == 0 {
		return &recordbatch.Writer{}
	}
	b := w.free[n-1]
	w.free = w.free[:n-1]
	b.Reset()
	return b
}

// addPartitions makes all partitions for which there is something part of the transaction,
// in one request, and those of the state topic with the first of them.
func (w *writer) addPartitions(ctx context.Context) error {
	var partitions []int32
	for i := range w.lanes {
		if l := &w.lanes[i]; !l.joined && l.filling != nil && l.filling.Count() > 0 {
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
