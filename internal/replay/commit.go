// The end of a transaction: what it holds is written beside it, then it is committed, or it
// is aborted.

package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// commitTransaction ends the transaction with the records that tell what it holds.
func (w *writer) commitTransaction(ctx context.Context) error {
	if !w.open {
		return nil
	}
	for i := range w.lanes {
		if err := w.sendLane(ctx, &w.lanes[i]); err != nil {
			return err
		}
	}
	if err := w.collectBatches(ctx, 0); err != nil {
		return err
	}
	w.limitWindow()
	begun := time.Now()
	w.finishStretch()
	position := w.part.Position.withStretch(w.stretch)
	if err := w.writeState(ctx, position); err != nil {
		return err
	}
	if err := w.producer.endTransaction(ctx, true); err != nil {
		return fmt.Errorf("commit source offsets [%d, %d): %w; what became of it shows when the replay is run again",
			w.stretch.Span.Start, w.stretch.Span.End, w.shutOut(err))
	}
	w.open = false
	w.longest = min(max(maxTime, commits*time.Since(begun)), maxFarTime)
	if w.most *= 2; w.most > mostWorth {
		w.most = 0
	}
	w.part.Position = position
	w.countCommitted(w.stretch)
	return nil
}

// mostWorth is a number of batches that a transaction hardly reaches.
const mostWorth = 1000

// finishStretch completes the stretch once all offsets are known.
func (w *writer) finishStretch() {
	s := &w.stretch
	for _, r := range w.runs {
		s.addMapping(Mapping{r.source, r.to.partition, r.to.base + r.index, r.count})
	}
	s.Span.End, s.Records = w.next, w.written
	if again := w.part.Position.Again; again != nil && s.Span.Start < again.End && again.Start < s.Span.End {
		s.Again = true
	}
	if w.request.Rekey {
		s.Partitions = int32(len(w.lanes))
	}
	for i := range w.lanes {
		l := w.lanes[i].latest
		if l == nil {
			continue
		}
		mark := Mark{
			Partition: l.partition, Base: l.base, Count: l.count, Sequence: l.sequence,
			ProducerID: w.producer.identity.id, Epoch: w.producer.identity.epoch,
		}
		for _, m := range s.Map {
			if m.Partition == l.partition {
				mark.First = m.Target
				break
			}
		}
		if first, some := w.part.foreign[l.partition]; some {
			mark.Foreign = &first
		}
		s.Marks = append(s.Marks, mark)
	}
}

// writeState writes the stretch and the position to the state topic, and asks meanwhile
// whether the target is still the topic that it was: records are sent by its name.
func (w *writer) writeState(ctx context.Context, position Position) error {
	if err := w.addPartitions(ctx); err != nil {
		return err
	}
	if err := w.writeStateRecord(ctx, &w.offsets, w.part.pair.stretchKey(w.stretch.Number), w.stretch); err != nil {
		return err
	}
	if err := w.writeStateRecord(ctx, &w.position, w.part.pair.positionKey(), position); err != nil {
		return err
	}
	if err := w.sameTarget(ctx); err != nil {
		return err
	}
	return w.collectBatches(ctx, 0)
}

func (w *writer) writeStateRecord(ctx context.Context, to *target, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	s := &sent{partition: to.partition, batch: w.takeBatch(), done: make(chan struct{})}
	s.explain = func(err error) error {
		return fmt.Errorf("write the position to topic %s: %w", w.state.name, w.shutOut(err))
	}
	s.batch.Add(&baldr.Record{Key: []byte(key), Value: text, Timestamp: time.Now().UnixMilli()},
		recordbatch.Limits{Codec: recordbatch.DefaultCodec})
	return w.startBatch(ctx, to, s)
}

// sameTarget asks the brokers that have taken the batches of the transaction. One that
// has a topic of this name and another ID may have put them there.
func (w *writer) sameTarget(ctx context.Context) error {
	want := w.part.pair.targetID
	asked := map[int32]bool{}
	for i := range w.lanes {
		l := &w.lanes[i]
		if l.latest == nil || l.leader < 0 || asked[l.leader] {
			continue
		}
		asked[l.leader] = true
		broker := w.producer.client.Broker(int(l.leader))
		err := insist(ctx, func(ctx context.Context) error {
			facts, err := askTopics(ctx, broker, []string{l.topic})
			if err != nil {
				return err
			}
			if now, exists := facts[l.topic]; !exists || now.identity() != want {
				return errTopicReplaced
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrShutOut says that another run writes the same records to the same topic now.
var ErrShutOut = errors.New("another run of this replay has taken over, and writes the same records to the same " +
	"topic: let it finish")

// isFenced reports whether the producer, or its transaction, is no more.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) ||
		errors.Is(err, kerr.InvalidTxnState)
}

// shutOut says why the producer may write no more, if that is the error. A transaction
// that stands open for too long is ended by Kafka in the same way as by another run.
func (w *writer) shutOut(err error) error {
	open := time.Since(w.begun)
	timedOut := w.open && open >= w.options.transactionTimeout
	switch {
	case !isFenced(err), errors.Is(err, kerr.InvalidTxnState) && !timedOut:
		return err
	case !timedOut:
		return fmt.Errorf("%w (%w)", ErrShutOut, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), w.options.abortPatience)
	defer cancel()
	if now, askErr := w.producer.describeTransaction(ctx); askErr == nil && !now.timedOut(w.producer.identity) {
		return fmt.Errorf("%w (%w)", ErrShutOut, err)
	}
	return fmt.Errorf("%w for %s, and Kafka gives up one that does so for %s; nothing of it counts. The archive, this "+
		"machine or the target is slow: %w", errStoodOpen, open.Round(time.Second), w.options.transactionTimeout, err)
}

// errStoodOpen says that it is Kafka, and not another run, that has ended a transaction.
var errStoodOpen = errors.New("a transaction stood open")

// abortTransaction gives up what is not committed. What cannot be aborted now, Kafka aborts
// when the transaction's time is over or the replay is run again. That is with a new
// epoch, so that a batch which comes later is refused. The epoch of an abort from here
// is that of the batches: it comes when all of them are answered, or not at all.
func (w *writer) abortTransaction(ctx context.Context) error {
	if !w.open {
		return nil
	}
	w.open = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.abortPatience)
	defer cancel()
	for len(w.onWay) > 0 {
		select {
		case <-w.onWay[0].done:
			_ = w.collectBatch() // why it is given up is known
		case <-ctx.Done():
			return nil
		}
	}
	if w.unclear {
		return nil
	}
	err := w.producer.endTransaction(ctx, false)
	if err != nil && !isFenced(err) {
		return fmt.Errorf("abort the transaction: %w", err)
	}
	return nil
}

// abortPatience bounds the end of a replay that failed or was interrupted.
const abortPatience = 10 * time.Second
