// The object of a range, open for single members.

package readback

import (
	"context"
	"iter"
	"slices"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A RowFile is the object of an archived row, open for random access. Its methods may
// be called from many goroutines at once.
type RowFile struct{ object openObject }

// OpenRow opens the object of an archived row for reads of single members, which last
// as long as ctx.
func (r *Reader) OpenRow(ctx context.Context, row bifrost.Row) (*RowFile, error) {
	object, err := r.openRow(ctx, row)
	if err != nil {
		return nil, err
	}
	f := &RowFile{openObject{row: row}}
	if f.object.file, err = baldr.Open(object, object.Stored().Size, baldr.ReaderOptions{
		MaxRecordBytes: bifrost.LargestRecord,
	}); err != nil {
		return nil, f.object.explainError(err)
	}
	return f, f.object.isOfItsRow()
}

// Members are what the index says of the members, in order. The object may have some
// that end behind the row: another stack tiled the partition otherwise.
func (f *RowFile) Members() []baldr.MemberFacts { return slices.Collect(f.object.file.Members()) }

// Stretch returns the object with the members from first to last in memory, which one read
// of the store brings, and the memory that was used: the one given, if it is large enough.
func (f *RowFile) Stretch(first, last baldr.MemberFacts, memory []byte) (*RowFile, []byte, error) {
	file, memory, err := f.object.file.Stretch(first, last, memory)
	if err != nil {
		return nil, memory, f.object.explainError(err)
	}
	stretched := &RowFile{f.object}
	stretched.object.file = file
	return stretched, memory, nil
}

// Member returns the records of one member that are in the row: one read of the store.
// They are in the memory of by, and borrowed until it reads again.
func (f *RowFile) Member(facts baldr.MemberFacts, by *baldr.MemberReader) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		for record, err := range by.Records(f.object.file, facts) {
			if err != nil {
				yield(baldr.Record{}, f.object.explainError(err))
				return
			}
			if record.Offset >= f.object.row.End || !yield(record, nil) {
				return
			}
		}
	}
}

// Since returns the first record of the row, in order of offsets, whose timestamp is at
// or after the given one, in milliseconds since the Unix epoch. Its memory is borrowed.
// ErrNoRecord says that there is none.
func (f *RowFile) Since(timestamp int64) (baldr.Record, error) {
	for facts := range f.object.file.Members() {
		if !facts.HasEnvelope {
			return baldr.Record{}, f.object.explainError(baldr.ErrNoEnvelope)
		}
	}
	for record, err := range f.object.file.Since(timestamp) {
		switch {
		case err != nil:
			return baldr.Record{}, f.object.explainError(err)
		case record.Offset >= f.object.row.End:
			return baldr.Record{}, ErrNoRecord
		}
		return record, nil
	}
	return baldr.Record{}, ErrNoRecord
}
