// What the rows of ranges tell of the archive, over offsets, over time.

package reportpage

import (
	"context"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// columns is how finely time is cut: a column is some pixels wide on any screen.
const columns = 160

// readersAtOnce is how many partitions are read side by side.
const readersAtOnce = 16

// week is over what growth is measured; month, over what work is priced.
const (
	week  = 7 * 24 * time.Hour
	month = 30 * 24 * time.Hour
)

// Scan is what the rows of all partitions tell.
type Scan struct {
	from, to   time.Time // of the axis
	now        time.Time
	first      time.Time       // of the oldest record whose time can be believed; zero for none
	partitions []partitionScan // in the order of the progress rows
	total      tally
	rates      [columns]float64 // raw bytes, by the times of the records
	made       work             // in the last month, whatever the times of the records
	gaps       gapList
}

// tally counts what rows hold. Offsets are in one of archived, lost, apart, removed;
// those that are in none wait.
type tally struct {
	archived, lost, apart, removed int64
	objects                        int64
	outside                        int64 // objects with records before or after the axis
	growth, growthBefore           int64 // stored bytes with records of the last week, and of the week before
	growthRaw                      int64 // raw bytes with records of the last week
}

func (t *tally) addTally(other tally) {
	t.archived += other.archived
	t.lost += other.lost
	t.apart += other.apart
	t.removed += other.removed
	t.objects += other.objects
	t.outside += other.outside
	t.growth += other.growth
	t.growthBefore += other.growthBefore
	t.growthRaw += other.growthRaw
}

// partitionScan is what the rows of one partition tell.
type partitionScan struct {
	tally
	cells [columns]state
}

// work is what archiving a month's ranges took.
type work struct{ small, large, raw int64 }

// state is what a partition has in a column; the last of these counts, so that a gap which is no loss hides
// no records.
type state uint8

const (
	stateNothing  state = iota
	stateApart          // a gap that is no loss
	stateArchived       // records are in objects
	stateInFlight       // planned, or at work
	stateLost           // a gap over records that Kafka deleted first
)

// NewScan reads the rows of all partitions. Times bound the axis; zero ones are found: from
// the oldest record until now.
func NewScan(
	ctx context.Context, catalogue readback.Catalogue, rows []condition.Judged, times readback.Times, now time.Time,
) (*Scan, error) {
	s := &Scan{now: now, partitions: make([]partitionScan, len(rows))}
	if err := s.findSpan(ctx, catalogue, rows, times); err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	err := parallel.Try(ctx, readersAtOnce, parallel.NumbersBelow(len(rows)), func(ctx context.Context, n int) error {
		r := rowReader{scan: s, line: &s.partitions[n], partition: rows[n].Partition}
		if err := r.readRows(ctx, catalogue); err != nil {
			return err
		}
		mutex.Lock()
		defer mutex.Unlock()
		r.addToScan()
		return nil
	})
	return s, err
}

// firstKafka is before every record that any Kafka got: what says that it is older has a
// time of its producer's making, and would push all others to the edge.
var firstKafka = time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)

// findSpan finds where the axis begins and ends. Records from the future do not stretch it.
func (s *Scan) findSpan(
	ctx context.Context, catalogue readback.Catalogue, rows []condition.Judged, times readback.Times,
) error {
	var mutex sync.Mutex
	var from, last time.Time
	err := parallel.Try(ctx, readersAtOnce, rows, func(ctx context.Context, p condition.Judged) error {
		ms, found, err := readback.FirstTimestamp(ctx, catalogue, p.Partition)
		if err != nil {
			return err
		}
		first := human.Millis(ms)
		mutex.Lock()
		defer mutex.Unlock()
		if found && !first.Before(firstKafka) && first.Before(s.now) && (from.IsZero() || first.Before(from)) {
			from = first
		}
		if p.LastRecordAt.After(last) && !p.LastRecordAt.After(s.now) {
			last = p.LastRecordAt
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.first = from
	to := s.now
	if from.IsZero() {
		from = to.Add(-time.Hour)
	}
	if s.now.Sub(last) > last.Sub(from) && last.After(from) {
		to = last // an archive in which nothing happens any more is shown as it was
	}
	if times.Since > 0 {
		from = human.Millis(times.Since)
	}
	if times.Until > 0 {
		to = human.Millis(times.Until)
	}
	if !to.After(from) {
		to = from.Add(time.Minute)
	}
	s.from, s.to = from, to
	return nil
}

// leastGrown is how much time growth is told from: minutes say nothing about a day.
const leastGrown = 24 * time.Hour

// grownFor is the part of the last week of which there are records: what growth is told from.
func (s *Scan) grownFor() time.Duration {
	if s.first.IsZero() {
		return 0
	}
	return min(week, s.now.Sub(s.first))
}

// aDay is how much of what a week has brought falls to a day; false while that is not known.
func (s *Scan) aDay(grown int64) (bytes float64, known bool) {
	span := s.grownFor()
	if span < leastGrown {
		return 0, false
	}
	return float64(grown) / span.Hours() * 24, true
}

// growthADay is that in words.
func (s *Scan) growthADay(grown int64) string {
	bytes, known := s.aDay(grown)
	if !known {
		return "unknown"
	}
	return human.Size(int64(bytes))
}

func hasTimes(row bifrost.Row) bool {
	return row.State == bifrost.StateArchived && row.Facts.FirstTimestamp >= 0
}

// columnOf is the one that a time falls into; times outside fall into the first or last.
func (s *Scan) columnOf(t time.Time) int {
	n := int(float64(t.Sub(s.from)) / float64(s.to.Sub(s.from)) * columns)
	return min(max(n, 0), columns-1)
}

// columnStart is when a column begins.
func (s *Scan) columnStart(column int) time.Time {
	return s.from.Add(time.Duration(float64(s.to.Sub(s.from)) * float64(column) / columns))
}

// rowReader goes through the rows of one partition.
type rowReader struct {
	scan      *Scan
	partition bifrost.Partition
	line      *partitionScan
	rates     [columns]float64
	made      work
	gaps      gapList
	open      gap       // the rows of one gap may be many
	last      time.Time // of the newest record so far; zero for none
	// What has been passed since, which has no times of its own: the worst gap, when it was recorded, and
	// whether something is planned or at work.
	gapped   state
	recorded time.Time
	inFlight bool
}

func (r *rowReader) readRows(ctx context.Context, catalogue readback.Catalogue) error {
	for row, err := range readback.Rows(ctx, catalogue, r.partition, readback.Everything) {
		if err != nil {
			return err
		}
		switch row.State {
		case bifrost.StateLost:
			r.passGap(row)
		case bifrost.StatePlanned:
			r.inFlight = true
		case bifrost.StateArchived:
			r.passObject(row)
		}
	}
	r.paintEnd()
	r.gaps.addGap(r.open)
	return nil
}

// passGap counts a row of a gap.
func (r *rowReader) passGap(row bifrost.Row) {
	switch kind := kindOf(row.GapReason); kind {
	case bifrost.GapLost:
		r.gapped, r.line.lost = stateLost, r.line.lost+row.Len()
	case bifrost.GapApart:
		r.gapped, r.line.apart = max(r.gapped, stateApart), r.line.apart+row.Len()
	default:
		r.gapped, r.line.removed = max(r.gapped, stateApart), r.line.removed+row.Len()
	}
	r.recorded = row.ArchivedAt
	if r.open.End == row.Start && r.open.reason == row.GapReason {
		r.open.End, r.open.at = row.End, row.ArchivedAt
		return
	}
	r.gaps.addGap(r.open)
	r.open = gap{r.partition, row.Range, row.GapReason, row.ArchivedAt}
}

// paintPending paints what has been passed since the newest record: it lies between that
// and the next one. What comes before every record has no beginning that is known.
func (r *rowReader) paintPending(next time.Time) {
	from, s := r.last, r.gapped
	if from.IsZero() {
		from = next.Add(-r.scan.to.Sub(r.scan.from) / columns)
	}
	if r.inFlight {
		s = max(s, stateInFlight)
	}
	if !next.Before(r.scan.from) && !from.After(r.scan.to) {
		r.paintColumns(from, next, s)
	}
	r.gapped, r.inFlight = stateNothing, false
}

// paintEnd paints what has no record behind it. What is at work goes on until now. A gap ends nobody
// knows when: it is a mark behind the newest record, or where it was recorded if there is none.
func (r *rowReader) paintEnd() {
	at, to := r.last, r.scan.to
	if at.IsZero() && r.recorded.Before(to) {
		at = r.recorded
	} else if at.IsZero() {
		at = to
	}
	if !at.Before(r.scan.from) && !at.After(to) {
		r.paintColumns(at, at, r.gapped)
	}
	r.gapped = stateNothing
	r.paintPending(to)
}

func (r *rowReader) passObject(row bifrost.Row) {
	r.line.objects++
	r.line.archived += row.Len()
	if r.scan.now.Sub(row.ArchivedAt) < month {
		r.made.raw += row.Facts.RawBytes
		if row.Facts.RawBytes <= bifrost.SmallRange {
			r.made.small++
		} else {
			r.made.large++
		}
	}
	if !hasTimes(row) {
		return
	}
	first, last := human.Millis(row.Facts.FirstTimestamp), human.Millis(row.Facts.LastTimestamp)
	r.paintPending(first)
	r.last = last
	if first.Before(r.scan.from) || last.After(r.scan.to) {
		r.line.outside++
	}
	now := r.scan.now
	stored, raw := float64(row.Facts.StoredBytes), float64(row.Facts.RawBytes)
	r.line.growth += int64(stored * shareWithin(first, last, now.Add(-week), now))
	r.line.growthBefore += int64(stored * shareWithin(first, last, now.Add(-2*week), now.Add(-week)))
	r.line.growthRaw += int64(raw * shareWithin(first, last, now.Add(-week), now))
	if last.Before(r.scan.from) || first.After(r.scan.to) {
		return
	}
	r.paintColumns(first, last, stateArchived)
	r.spreadBytes(first, last, raw)
}

// shareWithin is which part of the time from first to last lies in [from, to).
func shareWithin(first, last, from, to time.Time) float64 {
	if !last.After(first) {
		if first.Before(from) || !first.Before(to) {
			return 0
		}
		return 1
	}
	begin, end := first, last
	if from.After(begin) {
		begin = from
	}
	if to.Before(end) {
		end = to
	}
	if !end.After(begin) {
		return 0
	}
	return float64(end.Sub(begin)) / float64(last.Sub(first))
}

func (r *rowReader) paintColumns(from, to time.Time, s state) {
	if s == stateNothing {
		return
	}
	for n := r.scan.columnOf(from); n <= r.scan.columnOf(to); n++ {
		r.line.cells[n] = max(r.line.cells[n], s)
	}
}

// spreadBytes shares an object's bytes evenly among the columns of its time.
func (r *rowReader) spreadBytes(first, last time.Time, raw float64) {
	for n := r.scan.columnOf(first); n <= r.scan.columnOf(last); n++ {
		share := shareWithin(first, last, r.scan.columnStart(n), r.scan.columnStart(n+1))
		if !last.After(first) {
			share = 1
		}
		r.rates[n] += raw * share
	}
}

// addToScan adds what the partition has to what all have.
func (r *rowReader) addToScan() {
	s := r.scan
	s.total.addTally(r.line.tally)
	for n, bytes := range r.rates {
		s.rates[n] += bytes
	}
	s.made.small += r.made.small
	s.made.large += r.made.large
	s.made.raw += r.made.raw
	s.gaps.mergeGaps(r.gaps)
}
