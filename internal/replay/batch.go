package replay

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
)

// A batch, which becomes a transaction, ends when one of these is reached. Committing
// takes some 10 ms in which nothing is sent; the limits make that little beside the
// transaction, and bound the memory: two batches for each partition at work.
const (
	maxRecords = 200_000
	maxBytes   = 16 << 20
	maxTime    = 2 * time.Second
)

// A batch is the records of one transaction, in memory of their own.
type batch struct {
	slots  slots
	memory memory
	begun  time.Time // when its first record came
	bytes  int64     // of keys and values
	end    int64     // source offset after the last record, or after the partition
	err    error     // the source failed, and the batch is not to be written
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

func (b *batch) reset() {
	b.slots.n, b.bytes, b.begun = 0, 0, time.Time{}
	b.memory.reuse()
}

func (b *batch) full() bool {
	return b.slots.n == maxRecords || b.bytes >= maxBytes || b.slots.n > 0 && time.Since(b.begun) > maxTime
}

// add copies a record, which is lent for a moment only.
func (b *batch) add(r *baldr.Record, p Partition) {
	if b.slots.n == 0 {
		b.begun = time.Now()
	}
	s := b.slots.next()
	s.source = r.Offset
	s.Topic, s.Partition, s.Timestamp = p.Target, p.Number, time.UnixMilli(r.Timestamp)
	s.Key, s.Value = b.memory.copy(r.Key), b.memory.copy(r.Value)
	s.Headers = b.memory.headers(r.Headers)
	b.bytes += int64(len(r.Key) + len(r.Value))
	b.end = r.Offset + 1
}

// A filler reads the archive one batch ahead of what is being committed.
type filler struct {
	*runner
	partition Partition
	full      chan *batch // to be committed, in order
	free      chan *batch
	current   *batch
}

func (r *runner) newFiller(p Partition) *filler {
	f := &filler{runner: r, partition: p, full: make(chan *batch), free: make(chan *batch, 2)}
	f.free <- &batch{}
	f.free <- &batch{}
	return f
}

// fill reads the partition from an offset to its end. It ends with ctx.
func (f *filler) fill(ctx context.Context, from int64) {
	defer close(f.full)
	if !f.take(ctx) {
		return
	}
	for record, err := range f.source(ctx, f.job, f.partition, from) {
		if err == nil && record.Offset < 0 {
			err = errors.New("the archive holds values only here: no offsets, keys and timestamps to replay")
		}
		if err != nil {
			f.current.err = err
			f.send(ctx)
			return
		}
		if !f.keepPace(ctx, len(record.Key)+len(record.Value)) {
			return
		}
		f.current.add(&record, f.partition)
		if f.current.full() && !(f.send(ctx) && f.take(ctx)) {
			return
		}
	}
	f.current.end = f.partition.End // there is no record between the last one and the end
	if f.current.slots.n > 0 {
		f.send(ctx)
	}
}

func (f *filler) take(ctx context.Context) bool {
	select {
	case f.current = <-f.free:
		f.current.reset()
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *filler) send(ctx context.Context) bool {
	select {
	case f.full <- f.current:
		return true
	case <-ctx.Done():
		return false
	}
}

// keepPace waits until so many bytes may go. What is gathered does not wait long.
func (f *filler) keepPace(ctx context.Context, bytes int) bool {
	pause := f.pace.take(bytes)
	if pause <= 0 {
		return true
	}
	if f.current.slots.n > 0 && time.Since(f.current.begun)+pause > maxTime && !(f.send(ctx) && f.take(ctx)) {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}
