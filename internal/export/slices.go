// What an export is divided into.

package export

import (
	"context"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Partitions are those of the topics that the filter selects by their name in Kafka or in
// the archive, each incarnation of a topic apart, the older ones of a topic first.
func Partitions(all []bifrost.Progress, filter bifrost.TopicFilter) (selected []bifrost.Progress) {
	for _, p := range all {
		if filter.Archives(p.Topic()) || filter.Archives(p.Name) {
			selected = append(selected, p)
		}
	}
	readback.NewLives(all).Sort(selected)
	return selected
}

// A Slice is what one worker exports at a time: the rows of a partition that start in a
// range of offsets.
type Slice struct {
	Starts bifrost.Range
	// Records and Bytes, before compression, are those of its objects.
	Records, Bytes int64
}

// Slices cuts the rows that a partition has now where the objects before have the bytes, as
// they are stored, or are as many. The end of the last slice is that of the last row.
func Slices(
	ctx context.Context, catalogue readback.Catalogue, p bifrost.Partition, bytes int64, objects int,
) (slices []Slice, err error) {
	var stored int64
	var rows int
	for row, err := range readback.Rows(ctx, catalogue, p, readback.Everything) {
		if err != nil {
			return nil, err
		}
		if len(slices) == 0 || stored >= bytes || rows >= objects {
			slices = append(slices, Slice{Starts: row.Range})
			stored, rows = 0, 0
		}
		last := &slices[len(slices)-1]
		last.Starts.End = row.End
		rows++
		if row.State == bifrost.StateArchived {
			last.Records += row.Facts.Records
			last.Bytes += row.Facts.RawBytes
			stored += row.Facts.StoredBytes
		}
	}
	return slices, nil
}
