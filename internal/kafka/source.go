// A range of records while it is read.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Read implements [bifrost.Source]. The context is that of the whole reading;
// one goroutine fetches ahead until the range ends or Close is called.
func (c *Client) Read(
	ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range,
) (bifrost.Records, error) {
	if !r.Valid() {
		return nil, fmt.Errorf("kafka: read %s/%d: no such range as %s", topic, partition, r)
	}
	ctx, cancel := context.WithCancel(ctx)
	deliveries := make(chan delivery)
	f := &fetcher{
		client: c, topic: topic, id: id, partition: partition, position: r.Start, end: r.End,
		leader: -1, epoch: -1, replica: -1, rack: c.rack,
	}
	go f.runFetches(ctx, deliveries)
	return &records{
		name:       fmt.Sprintf("%s/%d", topic, partition),
		cancel:     cancel,
		deliveries: deliveries,
		walker:     newWalker(r, c.largest),
	}, nil
}

// records is a range while it is read.
type records struct {
	name       string // topic/partition
	cancel     context.CancelFunc
	deliveries <-chan delivery
	walker     walker
	err        error // the last word, io.EOF included
}

// Next implements [bifrost.Records].
func (r *records) Next(ctx context.Context) (bifrost.Batch, error) {
	if r.err != nil {
		return bifrost.Batch{}, r.err
	}
	batch, err := r.next(ctx)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("kafka: read %s at offset %d: %w", r.name, r.walker.position, notTheEnd(err))
	}
	if ctx.Err() == nil {
		r.err = err
	}
	return batch, err
}

// notTheEnd cuts an error off from io.EOF, with which a broker that closes a
// connection would look like the end of the range.
func notTheEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New(err.Error())
	}
	return err
}

func (r *records) next(ctx context.Context) (bifrost.Batch, error) {
	if r.walker.position >= r.walker.end {
		return bifrost.Batch{}, io.EOF
	}
	if r.walker.isUsedUp() {
		select {
		case d, open := <-r.deliveries:
			if !open {
				return bifrost.Batch{}, context.Canceled
			}
			if d.err != nil {
				return bifrost.Batch{}, d.err
			}
			r.walker.loadResponse(d.response)
		case <-ctx.Done():
			return bifrost.Batch{}, context.Cause(ctx)
		}
	}
	return r.walker.stepBatch()
}

// Close implements [bifrost.Records]. It ends a fetch that is under way.
func (r *records) Close() {
	r.cancel()
	for range r.deliveries { // until the goroutine has ended
	}
	r.walker.decompressor.Close()
}
