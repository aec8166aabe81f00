// A partition of the archive as a log.

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// partition is one partition of the archive, read as a log.
type partition struct {
	*Gateway
	name    bifrost.Partition
	topicID bifrost.TopicID

	mutex               sync.Mutex
	status              bifrost.Status
	goesOn              bool          // the live log goes on where the archive ends, as far as ticks have seen
	plannedEpoch        int32         // leader epoch under which what is below end was seen in the live log; -1 unknown
	liveEnd, liveStable int64         // high watermark and last stable offset, as a leader said last
	end                 int64         // everything below is archived or a recorded gap
	seen                int64         // high watermark when a tick last looked
	windows             []window      // of the catalogue, the last used first
	start               int64         // first offset that is archived
	startAt             time.Time     // when start was read
	times               *timeIndex    // nil until somebody asks for a time
	indexing            chan struct{} // holds one token for whoever works on times
}

// window is a stretch of settled rows, without a hole between them.
type window []bifrost.Row

func (w window) start() int64 { return w[0].Start }
func (w window) end() int64   { return w[len(w)-1].End }

// windowRows is how many rows are read at once, and mostWindows how many such
// stretches of a partition are kept. They are variables because tests read in pages
// of a few.
var (
	windowRows  = 32
	mostWindows = 4
)

func newPartition(g *Gateway, row bifrost.Progress) *partition {
	return &partition{
		Gateway: g, name: row.Partition, topicID: row.TopicID, start: -1, indexing: make(chan struct{}, 1),
	}
}

// settle takes in what the progress row says. The end never goes back: a rebuild makes
// the row anew, and what was served is archived still.
func (p *partition) settle(row bifrost.Progress) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.end = max(p.end, row.NextOffset)
	p.seen = max(p.seen, row.HighWatermark)
	p.status = row.Status
	p.goesOn, p.plannedEpoch = row.Status.Workable() && row.Suspicion == "", row.PlannedEpoch
}

// nextOffset is where the archive ends.
func (p *partition) nextOffset() int64 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.end
}

// mayExist reports whether an offset at or above the end may be that of a record which
// is not archived yet, or of the one that comes next.
func (p *partition) mayExist(offset int64) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.live != nil && (p.status.Workable() || p.status == bifrost.StatusFencing) {
		return true // the leader knows, once it can be asked
	}
	return offset <= max(p.end, p.seen, p.liveEnd)
}

// leftItsLog reports whether the live log is no longer the one that was archived.
func (p *partition) leftItsLog() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.live != nil && (p.status == bifrost.StatusDiverged || p.status == bifrost.StatusForked)
}

// errNotReady says that the answer is not in memory.
var errNotReady = errors.New("not in memory")

// errNoRow says that the catalogue does not tell what became of an offset.
var errNoRow = errors.New("the catalogue has no row for it; bifrost verify tells more")

// row finds the settled row that has the offset, which is below the end. With ready
// it does not ask the tables.
func (p *partition) row(ctx context.Context, offset int64, ready bool) (bifrost.Row, error) {
	row, follows, ok := p.knownRow(offset)
	if ok {
		return row, nil
	}
	if ready {
		return row, errNotReady
	}
	from := offset
	if !follows && offset > 0 {
		below, err := p.options.Catalogue.RowsBelow(ctx, p.name, offset+1, 1)
		if err != nil {
			return row, err
		}
		if len(below) == 1 && below[0].End > offset {
			from = below[0].Start
		}
	}
	return p.readWindow(ctx, from, offset)
}

// rowFrom is row for an offset at which a row begins: one read of the tables at most.
func (p *partition) rowFrom(ctx context.Context, start int64) (bifrost.Row, error) {
	if row, _, ok := p.knownRow(start); ok {
		return row, nil
	}
	return p.readWindow(ctx, start, start)
}

// readWindow reads rows from a start on, and returns the one that has the offset.
func (p *partition) readWindow(ctx context.Context, from, offset int64) (row bifrost.Row, err error) {
	rows, err := p.options.Catalogue.Rows(ctx, p.name, from, windowRows)
	if err != nil {
		return row, err
	}
	w := settled(rows)
	if len(w) == 0 || w.start() > offset || w.end() <= offset {
		return row, fmt.Errorf("offset %d of %s: %w", offset, p.name, errNoRow)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.windows = slices.Insert(p.windows, 0, w)
	p.windows = p.windows[:min(len(p.windows), mostWindows)]
	return w.row(offset), nil
}

// knownRow looks into the windows. It follows when the offset is the end of one.
func (p *partition) knownRow(offset int64) (row bifrost.Row, follows, ok bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for i, w := range p.windows {
		if w.start() <= offset && offset < w.end() {
			p.windows = slices.Insert(slices.Delete(p.windows, i, i+1), 0, w)
			return w.row(offset), false, true
		}
		follows = follows || w.end() == offset
	}
	return row, follows, false
}

// row is the one with the offset, which is within the window.
func (w window) row(offset int64) bifrost.Row {
	return w[sort.Search(len(w), func(i int) bool { return w[i].End > offset })]
}

// settled is the part of the rows that is settled and without a hole.
func settled(rows []bifrost.Row) window {
	for i, row := range rows {
		if !row.State.Done() || i > 0 && row.Start != rows[i-1].End {
			return rows[:i]
		}
	}
	return rows
}

// forget drops what is known of the catalogue: it has changed.
func (p *partition) forget() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.windows, p.startAt = nil, time.Time{}
	p.forgetTimes()
}

// startKept is how long the first offset is believed: objects can be erased.
const startKept = time.Minute

// firstOffset is the first offset that is archived, or the end if none is. What was
// lost before it is below the log's start, as what retention deletes is in Kafka.
func (p *partition) firstOffset(ctx context.Context) (int64, error) {
	p.mutex.Lock()
	start, at, end := p.start, p.startAt, p.end
	p.mutex.Unlock()
	if start >= 0 && p.now().Sub(at) < startKept {
		return start, nil
	}
	from := int64(0)
	for start = -1; start < 0; {
		rows, err := p.options.Catalogue.Rows(ctx, p.name, from, windowRows)
		if err != nil {
			return 0, fmt.Errorf("read where the archive of %s begins: %w", p.name, err)
		}
		for _, row := range rows {
			if row.State == bifrost.StateLost && row.Start < end {
				from = row.End
				continue
			}
			start = min(row.Start, end)
			break
		}
		if start < 0 && len(rows) < windowRows {
			start = end
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.start, p.startAt = max(start, p.start), p.now()
	return p.start, nil
}

// lost says that an offset is in a recorded gap.
type lost struct{ row bifrost.Row }

// Error implements error.
func (l lost) Error() string {
	return fmt.Sprintf("offsets %s of %s are %s", l.row.Range, l.row.Partition, bifrost.DescribeGap(l.row.GapReason))
}

// mostHoles bounds how many rows without a record are gone through for one answer.
const mostHoles = 256

// locate finds the segment that has the first record at or after the offset. Instead of
// one there may be a hole behind which no record is, or not yet, or not to be looked
// for any further: all offsets below its end are known to have none. Neither is at
// the end of the archive. A loss is an error of the type lost.
func (p *partition) locate(ctx context.Context, offset int64, ready bool) (at ref, holeEnd int64, err error) {
	end := p.nextOffset()
	next := offset
	for range mostHoles {
		if next >= end {
			break
		}
		row, err := p.row(ctx, next, ready)
		if err != nil {
			return ref{}, 0, err
		}
		if row.State == bifrost.StateLost {
			if p.options.SkipLost {
				p.losses.skipped(row)
			} else if next > offset {
				return ref{}, row.Start, nil
			} else {
				return ref{}, 0, lost{row}
			}
		} else if row.Facts.Records > 0 {
			kept, inMemory := p.cache.files.ready(row.Facts.Key)
			if !inMemory && ready {
				return ref{}, 0, errNotReady
			}
			opened := kept.value
			if !inMemory {
				if opened, err = p.openRow(row); err != nil {
					return ref{}, 0, err
				}
			}
			i := slices.IndexFunc(opened.members, func(m baldr.MemberFacts) bool { return m.LastOffset >= next })
			if i >= 0 && opened.members[i].FirstOffset < row.End {
				return ref{row, opened, i}, 0, nil
			}
		}
		next = row.End
	}
	if next > offset {
		return ref{}, min(next, end), nil
	}
	return ref{}, 0, nil
}

// next returns batches with records from the offset on, or a marker that takes clients
// over a hole, or nothing at the end of the archive. All of them are of one segment.
// With ready, what is not in memory is errNotReady. The batches are lent.
func (p *partition) next(ctx context.Context, offset int64, ready bool) (lending[[]batch], error) {
	var none lending[[]batch]
	for at := offset; ; {
		found, holeEnd, err := p.locate(ctx, at, ready)
		nothing := err == nil && found.file == nil && holeEnd == 0
		switch {
		case at > offset && (nothing || errors.As(err, &lost{})):
			holeEnd = at
		case err != nil:
			return none, err
		}
		if holeEnd > 0 {
			marker := batch{holeEnd - 1, holeEnd - 1, recordbatch.CommitMarker(holeEnd - 1)}
			return lending[[]batch]{[]batch{marker}, func() {}}, nil
		}
		if found.file == nil {
			return none, nil
		}
		s, ok := p.cache.segments.ready(found.key())
		if ok {
			p.metrics.hits.Inc()
		} else if ready {
			return none, errNotReady
		} else if s, err = p.load(found); err != nil {
			return none, err
		}
		if batches := s.value.from(at); len(batches) > 0 {
			return lending[[]batch]{batches, s.giveBack}, nil
		}
		s.giveBack()
		at = found.end() // its last records are behind the row
	}
}
