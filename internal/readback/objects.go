// How objects are opened ahead of the reader.

package readback

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// openAhead is how many objects are opened ahead of the one being read. Opening
// takes two round trips to the store; an archive of small objects would spend
// most of its time there.
const openAhead = 2

// openObject is one row on its way to the reader: skipped, failed, or an open file.
type openObject struct {
	row     bifrost.Row
	wanted  bifrost.Range // offsets of the row that the query asks for
	partial bool          // not every record of the object is wanted, or known to be
	skipped bool
	file    *baldr.File
	ahead   *readAhead
	err     error
}

// openObjects sends the rows of the query in order. Objects are opened side by side.
func (r *Reader) openObjects(ctx context.Context, q Query) <-chan *openObject {
	free := &sync.Pool{} // of chunks
	queue := make(chan chan *openObject, openAhead)
	go func() {
		defer close(queue)
		for row, err := range Rows(ctx, r.Catalogue, q.Partition, q.offsetRange()) {
			result := make(chan *openObject, 1)
			if err != nil {
				result <- &openObject{err: err}
			} else if !r.beginRow(ctx, q, row, free, result) {
				continue
			}
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
		}
	}()
	return inOrder(ctx, queue)
}

// inOrder receives from one channel after the other.
func inOrder(ctx context.Context, queue <-chan chan *openObject) <-chan *openObject {
	out := make(chan *openObject)
	go func() {
		defer close(out)
		for result := range queue {
			select {
			case out <- <-result:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// beginRow decides what becomes of a row, and reports whether anything does.
func (r *Reader) beginRow(
	ctx context.Context, q Query, row bifrost.Row, free *sync.Pool, result chan<- *openObject,
) bool {
	o := &openObject{row: row, wanted: row.Range.Within(q.offsetRange())}
	o.partial = o.wanted != row.Range || !q.Times.isAll() || q.Keys != nil
	switch {
	case !o.wanted.Valid():
		return false
	case row.State != bifrost.StateArchived:
		o.skipped = true
		result <- o
	case row.Facts.Records == 0 || !q.Times.Overlaps(row):
		return false
	default:
		go func() {
			o.err = r.openFile(ctx, q, o, free)
			result <- o
		}()
	}
	return true
}

func (r *Reader) openFile(ctx context.Context, q Query, o *openObject, free *sync.Pool) error {
	object, err := r.openRow(ctx, o.row)
	if err != nil {
		return err
	}
	stored := object.Stored()
	ahead := newReadAhead(ctx, object, stored.Size, r.readAhead(), free)
	o.ahead = ahead
	options := baldr.ReaderOptions{
		Workers:        r.Workers,
		ValuesOnly:     q.ValuesOnly && !o.partial,
		MaxRecordBytes: bifrost.LargestRecord,
		Keys:           q.Keys,
		Matches:        q.Matches,
	}
	if o.file, err = baldr.Open(ahead, stored.Size, options); err != nil {
		return o.explainError(err)
	}
	if err := o.isOfItsRow(); err != nil {
		return err
	}
	if o.file.Summary().End > o.row.End && !o.partial { // another stack tiled the partition otherwise
		o.partial, options.ValuesOnly = true, false
		if o.file, err = baldr.Open(ahead, stored.Size, options); err != nil {
			return o.explainError(err)
		}
	}
	if o.partial {
		ahead.beginReading()
	} else {
		ahead.beginAt(0)
	}
	return nil
}

// openRow opens the object of an archived row.
func (r *Reader) openRow(ctx context.Context, row bifrost.Row) (bifrost.Object, error) {
	object, err := r.Objects.Open(ctx, row.Facts.Key)
	if errors.Is(err, bifrost.ErrNotFound) {
		return nil, fmt.Errorf("the catalogue says that offsets %s of %s are in %s: %w; "+
			"bifrost verify lists all that is missing", row.Range, row.Partition, row.Facts.Key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", row.Facts.Key, err)
	}
	return object, nil
}

// ErrNotOfRow says that the object at a row's key says that it holds something else.
var ErrNotOfRow = errors.New("an object is not what the catalogue says")

// isOfItsRow compares what the object says of itself with the row.
func (o *openObject) isOfItsRow() error {
	summary := o.file.Summary()
	if summary.Topic != o.row.Topic() || summary.Partition != o.row.Number || summary.Start != o.row.Start ||
		summary.TopicID != [16]byte(o.row.TopicID) {
		return fmt.Errorf("%w: %s holds topic %s partition %d from offset %d, the catalogue says %s %s; "+
			"bifrost verify tells more",
			ErrNotOfRow, o.row.Facts.Key, summary.Topic, summary.Partition, summary.Start, o.row.Partition, o.row.Range)
	}
	return nil
}
