// Batches that are on their way to brokers.

package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// onWayMost is how many bytes of batches may be on their way: what a fast partition sends
// while a far broker answers. They are kept until then.
var onWayMost = 16 << 20

// onWayTime is how long what is on its way may take, as far as can be told from the
// transaction before: a target that takes a hundred kilobytes a second must not get more
// at once than it can answer before Kafka gives the transaction up.
const onWayTime = 2 * time.Second

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
