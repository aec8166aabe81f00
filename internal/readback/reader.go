// Which records a query returns.

package readback

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Objects opens objects of the bucket. bifrost.Store does.
type Objects interface {
	// Open opens an object for reads that last as long as ctx. bifrost.ErrNotFound
	// only when the store says for certain that there is none.
	Open(ctx context.Context, key string) (bifrost.Object, error)
}

// Reader reads records by the catalogue. Its methods may be called from many
// goroutines at once; each call reads for itself.
type Reader struct {
	Catalogue Catalogue
	Objects   Objects
	Workers   int // members decoded side by side; 0 or 1 is one
	// ReadAhead is the size in bytes of one read of the store; some are under way
	// ahead of what is being decoded. 0 is DefaultReadAhead.
	ReadAhead int64
	// Skipped, if set, is told of each stretch of a query that has no records to
	// read: lost, or planned and not archived yet. It is called by the goroutine
	// that reads.
	Skipped func(bifrost.Row)
}

// Times is a half-open range of timestamps [Since, Until) in milliseconds since
// the Unix epoch. Until 0 has no upper bound; the zero value is all records, also
// those without a timestamp.
type Times struct{ Since, Until int64 }

func (t Times) isAll() bool { return t == Times{} }

func (t Times) containsTimestamp(timestamp int64) bool {
	return t.isAll() || timestamp >= t.Since && (t.Until == 0 || timestamp < t.Until)
}

// Overlaps reports whether the row may have a record in the times. A row without
// records does not, unless the times are all.
func (t Times) Overlaps(row bifrost.Row) bool {
	return t.isAll() || row.Facts.Records > 0 && row.Facts.LastTimestamp >= t.Since &&
		(t.Until == 0 || row.Facts.FirstTimestamp < t.Until)
}

// Query says which records of one partition to read. The zero values of Offsets
// and Times select everything.
type Query struct {
	Partition bifrost.Partition
	Offsets   bifrost.Range
	Times     Times
	// Keys, if not nil, selects records by their keys, nil for null. Values of members
	// without such a key are not inflated. It is called from several goroutines at once.
	Keys       func(key []byte) bool
	Matches    bool // ask for baldr.Record.Matches
	ValuesOnly bool // offsets, timestamps, keys and headers are not needed, and left out where that is faster
}

func (q Query) offsetRange() bifrost.Range {
	if q.Offsets == (bifrost.Range{}) {
		return Everything
	}
	return q.Offsets
}

// Records returns the records of the query in the order of their offsets. A
// record's memory is borrowed: valid until the next one is asked for
// (baldr.Record.Clone keeps it). After an error, which comes with no record, it ends.
func (r *Reader) Records(ctx context.Context, q Query) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		for next := range r.openObjects(inner, q) {
			if next.skipped {
				if r.Skipped != nil {
					r.Skipped(next.row)
				}
				continue
			}
			if next.err != nil || !next.passRecords(q, yield) {
				if next.err != nil {
					yield(baldr.Record{}, next.err)
				}
				return
			}
		}
		if ctx.Err() != nil { // that the objects ended then means nothing
			yield(baldr.Record{}, context.Cause(ctx))
		}
	}
}

// passRecords passes the wanted records of one object on, and says whether to go on.
func (o *openObject) passRecords(q Query, yield func(baldr.Record, error) bool) bool {
	defer o.ahead.closeChunks()
	for record, err := range o.readRecords(q) {
		if err != nil {
			yield(baldr.Record{}, o.explainError(err))
			return false
		}
		if o.partial {
			if record.Offset < 0 {
				yield(baldr.Record{}, o.explainError(baldr.ErrNoEnvelope))
				return false
			}
			if record.Offset >= o.wanted.End {
				return true
			}
			if !q.Times.containsTimestamp(record.Timestamp) || q.Keys != nil && !q.Keys(record.Key) {
				continue
			}
		}
		if !yield(record, nil) {
			return false
		}
	}
	return true
}

// readRecords begins where the first wanted record may be.
func (o *openObject) readRecords(q Query) iter.Seq2[baldr.Record, error] {
	switch {
	case o.wanted.Start > o.row.Start:
		return o.file.From(o.wanted.Start)
	case q.Times.Since > 0:
		return o.file.Since(q.Times.Since)
	}
	return o.file.All()
}

func (o *openObject) explainError(err error) error {
	if errors.Is(err, baldr.ErrNoEnvelope) {
		return fmt.Errorf("read %s: it holds values only, so that nothing but all of its offsets %s can be read: %w",
			o.row.Facts.Key, o.row.Range, err)
	}
	var damage *baldr.FormatError
	if errors.As(err, &damage) {
		return fmt.Errorf("read %s (offsets %s of %s): %w; bifrost verify --deep looks at the whole archive",
			o.row.Facts.Key, o.row.Range, o.row.Partition, err)
	}
	return fmt.Errorf("read %s (offsets %s of %s): %w", o.row.Facts.Key, o.row.Range, o.row.Partition, err)
}
