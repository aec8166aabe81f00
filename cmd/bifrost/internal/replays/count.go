// How many records a replay has left to write.

package replays

import (
	"context"
	"iter"
	"math"
	"runtime"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/replayplan"
)

// readSource reads the archive for the replay. Partitions side by side keep the cores
// busy already.
func (r *replayer) readSource(ctx context.Context, p replay.Part, span replay.Span) iter.Seq2[baldr.Record, error] {
	return settings.NewReader(r.parts, max(1, runtime.GOMAXPROCS(0)/r.parallel)).Records(ctx,
		replayplan.QueryOf(p, span))
}

// counted is how many records are left to write, by part.
type counted []int64

func (c counted) totalRecords() (n int64) {
	for _, of := range c {
		n += of
	}
	return n
}

// counter adds up what the catalogue says of what is left. Of an object of which only a
// part is wanted, the records are counted in the object if it has to be exact, and otherwise
// are its share of offsets and of time.
type counter struct {
	catalogue readback.Catalogue
	records   replay.Source
	exact     bool
}

func (r *replayer) newCounter(exact bool) counter {
	return counter{r.parts.Ledger, r.readSource, exact}
}

func (c counter) countLeft(ctx context.Context, outlook *replay.Outlook) (counted, error) {
	left := make(counted, len(outlook.Parts))
	for i, p := range outlook.Parts {
		for _, segment := range p.Todo {
			n, err := c.countSegment(ctx, p.Part, segment)
			if err != nil {
				return nil, err
			}
			left[i] += n
		}
	}
	return left, nil
}

func (c counter) countSegment(ctx context.Context, p replay.Part, s replay.Segment) (n int64, err error) {
	for row, err := range readback.Rows(ctx, c.catalogue, p.Source, bifrost.Range{Start: s.Start, End: s.End}) {
		if err != nil {
			return 0, err
		}
		if row.State != bifrost.StateArchived || row.Facts.Records == 0 {
			continue
		}
		within := s
		within.Start, within.End = max(s.Start, row.Start), min(s.End, row.End)
		all, none := s.Times(row.Facts.FirstTimestamp, row.Facts.LastTimestamp)
		switch {
		case none && !s.Whole():
		case within.Start == row.Start && within.End == row.End && (all || s.Whole()):
			n += row.Facts.Records
		case !c.exact:
			share := float64(within.End-within.Start) / float64(row.Len())
			if !s.Whole() {
				share *= s.Share(row.Facts.FirstTimestamp, row.Facts.LastTimestamp)
			}
			n += int64(math.Ceil(share * float64(row.Facts.Records)))
		default:
			for record, err := range c.records(ctx, p, within.Hull()) {
				if err != nil {
					return 0, err
				}
				if within.Wants(record.Timestamp) {
					n++
				}
			}
		}
	}
	return n, nil
}
