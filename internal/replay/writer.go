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

// writer replays one source partition.
type writer struct {
	*runner
	producer    producer
	part        *PartOutlook
	limits      recordbatch.Limits   // of batches
	choose      kgo.TopicPartitioner // of partitions by key; nil to keep them
	keyed       kgo.Record           // what it looks at
	lanes       []lane               // by partition of the target; just one when partitions are kept
	offsets     target               // where stretches go on the state topic
	position    target               // where the position goes
	stateJoined bool                 // the state topic is part of the transaction
	ctx         context.Context      // of what is on its way, which outlives the run's
	giveUp      context.CancelFunc
	onWay       []*sent               // in the order in which they were sent
	bytes       int                   // of what is on its way
	window      int                   // a batch is sent when less than so many bytes are on their way
	taken       int                   // bytes of the transaction that were answered
	unclear     bool                  // no broker has said what became of a batch
	free        []*recordbatch.Writer // to be filled
	open        bool                  // in a transaction
	begun       time.Time
	longest     time.Duration // that a transaction takes
	most        int           // batches that one may have, after an interruption; 0 for any number
	batches     int           // of the transaction
	written     int64         // records of the transaction
	next        int64         // source offset after the last record
	stretch     Stretch
	runs        []run
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
	w := &writer{
		runner:   r,
		producer: producer{client, p.pair.transactionalID(), r.identityOf(p.pair)},
		part:     p,
		limits:   r.options.Batches[p.Target].Limits(),
		window:   1,
		longest:  maxTime,
		most:     most,
	}
	w.ctx, w.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	if err := w.openTarget(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
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
	w.next = s.Start
	inner, silence := w.commitInSilence(ctx)
	err := w.writeRecords(inner, s, silence)
	if failure := silence.end(); failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	if w.next < s.End {
		w.beginTransaction()
		w.next = s.End
	}
	return w.commitTransaction(ctx)
}

// writeRecords writes the records of a segment. No other record of the archive counts.
func (w *writer) writeRecords(ctx context.Context, s Segment, silence *silence) error {
	whole := s.Whole()
	for record, err := range w.source(ctx, w.part.Part, s.Hull()) {
		if err == nil && record.Offset < 0 {
			err = errValuesOnly
		}
		if err != nil {
			return sourceError{err}
		}
		if !whole && !s.Wants(record.Timestamp) {
			continue
		}
		if err := silence.takeTurn(func() error { return w.writeRecord(ctx, &record) }); err != nil {
			return err
		}
	}
	return nil
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
// sake of --throttle looks in keepPace too, and where no record comes silence looks.
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
	w.stateJoined, w.batches, w.taken = false, 0, 0
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
