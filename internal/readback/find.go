// How a single record is found.

package readback

import (
	"context"
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ErrNoRecord says that an offset is accounted for and has no record.
var ErrNoRecord = errors.New("no record")

// Find reads one record: a look into the catalogue, one read of the object's
// tail and one of the member that holds the record. The record is the caller's.
// ErrNoRecord says that there is none at the offset and never will be;
// bifrost.ErrNotFound that it is not archived.
func (r *Reader) Find(ctx context.Context, p bifrost.Partition, offset int64) (baldr.Record, error) {
	row, err := r.rowOf(ctx, p, offset)
	if err != nil {
		return baldr.Record{}, err
	}
	object, err := r.Objects.Open(ctx, row.Facts.Key)
	if err != nil {
		return baldr.Record{}, fmt.Errorf("open %s, which holds offsets %s of %s: %w", row.Facts.Key, row.Range, p, err)
	}
	o := openObject{row: row}
	file, err := baldr.Open(object, object.Stored().Size, baldr.ReaderOptions{})
	if err != nil {
		return baldr.Record{}, o.explainError(err)
	}
	for record, err := range file.From(offset) {
		if err == nil && record.Offset < 0 {
			err = baldr.ErrNoEnvelope
		}
		if err != nil {
			return baldr.Record{}, o.explainError(err)
		}
		if record.Offset == offset {
			return record.Clone(), nil
		}
		break
	}
	return baldr.Record{}, fmt.Errorf("offset %d of %s was a transaction marker, "+
		"aborted or compacted away (%s holds %d records in %d offsets): %w",
		offset, p, row.Facts.Key, row.Facts.Records, row.Len(), ErrNoRecord)
}

// rowOf finds the archived row that holds the offset, or says why there is none.
func (r *Reader) rowOf(ctx context.Context, p bifrost.Partition, offset int64) (bifrost.Row, error) {
	rows, err := r.Catalogue.RowsBelow(ctx, p, offset+1, 1)
	if err != nil {
		return bifrost.Row{}, fmt.Errorf("look up offset %d of %s: %w", offset, p, err)
	}
	if len(rows) == 1 && rows[0].Contains(offset) {
		switch row := rows[0]; row.State {
		case bifrost.StateArchived:
			return row, nil
		case bifrost.StateLost:
			return row, fmt.Errorf("offset %d of %s, as all of %s, is %s: %w",
				offset, p, row.Range, bifrost.DescribeGap(row.GapReason), ErrNoRecord)
		default:
			return row, fmt.Errorf("offset %d of %s is planned and not archived yet: %w; "+
				"bifrost flush archives what there is now", offset, p, bifrost.ErrNotFound)
		}
	}
	progress, err := r.Catalogue.Progress(ctx, p)
	if errors.Is(err, bifrost.ErrNotFound) {
		return bifrost.Row{}, fmt.Errorf("%s is not in the archive: %w; bifrost topics lists what is", p, err)
	}
	if err != nil {
		return bifrost.Row{}, fmt.Errorf("read the progress of %s: %w", p, err)
	}
	return bifrost.Row{}, fmt.Errorf("offset %d of %s is not archived, the archive ends at %d: %w; "+
		"bifrost flush archives what there is now", offset, p, progress.NextOffset, bifrost.ErrNotFound)
}

// lastRows is how many rows are asked for at once from the end backwards; a
// variable because the tests of this package ask for fewer.
var lastRows = 50

// LastOffsets finds the offsets that hold the last n records of a partition, or
// a few more: they begin at the start of a range. The records before the last n
// in them are skip.
func (r *Reader) LastOffsets(
	ctx context.Context, p bifrost.Partition, n int64,
) (offsets bifrost.Range, skip int64, err error) {
	offsets = Everything
	below, records := offsets.End, int64(0)
	for records < n {
		rows, err := r.Catalogue.RowsBelow(ctx, p, below, lastRows)
		if err != nil {
			return offsets, 0, fmt.Errorf("look for the last %d records of %s: %w", n, p, err)
		}
		for _, row := range rows {
			if offsets.End == Everything.End {
				offsets.End = row.End // what is archived from now on is not among the last
			}
			if records < n && row.State == bifrost.StateArchived {
				records += row.Facts.Records
				offsets.Start = row.Start
			}
			below = row.Start
		}
		if len(rows) < lastRows {
			break
		}
	}
	return offsets, max(0, records-n), nil
}
