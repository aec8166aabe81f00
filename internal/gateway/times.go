// How the offset of a time is found.

package gateway

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// timeIndex finds the range that has the first record of a time or later, whatever
// the order of the times. It has an entry for each range with records.
type timeIndex struct {
	starts []int64 // offsets at which the ranges begin
	most   []int64 // greatest timestamp of a record in this range or in an earlier one
	upTo   int64   // rows below are in it
}

// timeBytes is what an entry takes in memory, with the room that a slice grows by.
const timeBytes = 24

// add takes in the next row.
func (x *timeIndex) add(row bifrost.Row) {
	x.upTo = row.End
	if row.State != bifrost.StateArchived || row.Facts.Records == 0 {
		return
	}
	most := row.Facts.LastTimestamp
	if n := len(x.most); n > 0 {
		most = max(most, x.most[n-1])
	}
	x.starts, x.most = append(x.starts, row.Start), append(x.most, most)
}

// find is the number of the first entry that has a record of the time or later.
func (x *timeIndex) find(timestamp int64) int {
	return sort.Search(len(x.most), func(i int) bool { return x.most[i] >= timestamp })
}

// size is how many bytes the index has; 0 for none.
func (x *timeIndex) size() int64 {
	if x == nil {
		return 0
	}
	return int64(len(x.starts)) * timeBytes
}

// forgetTimes drops the index, and what it counts for. The caller has the mutex.
func (p *partition) forgetTimes() {
	p.indexed.bytes.Add(-p.times.size())
	p.times = nil
}

// indexed is how many bytes the time indexes of all partitions have.
type indexed struct{ bytes atomic.Int64 }

// timesUpToNow is the index of all that is archived now. It is read from the tables the
// first time, and grows from then on; without room for it, it is not kept.
func (p *partition) timesUpToNow(ctx context.Context) (timeIndex, error) {
	select {
	case p.indexing <- struct{}{}:
		defer func() { <-p.indexing }()
	case <-ctx.Done():
		return timeIndex{}, context.Cause(ctx)
	}
	p.mutex.Lock()
	var x timeIndex
	if p.times != nil {
		x = *p.times
	}
	end := p.end
	p.mutex.Unlock()
	if x.upTo < end {
		for row, err := range readback.Rows(ctx, p.options.Catalogue, p.name, bifrost.Range{Start: x.upTo, End: end}) {
			if err != nil {
				return timeIndex{}, err
			}
			if row.State.Done() {
				x.add(row)
			}
		}
		x.upTo = max(x.upTo, end)
	}
	p.keepTimes(x)
	return x, nil
}

func (p *partition) keepTimes(x timeIndex) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	total := p.indexed.bytes.Add(x.size() - p.times.size())
	p.times = &x
	if total > p.memory.cacheBytes/2 {
		p.forgetTimes()
	}
}

// position is an offset with the timestamp of its record; -1 for none.
type position struct{ offset, timestamp int64 }

var nowhere = position{-1, -1}

// since finds the first record, in order of offsets, whose timestamp is not below.
func (p *partition) since(ctx context.Context, timestamp int64) (position, error) {
	x, err := p.timesUpToNow(ctx)
	if err != nil {
		return nowhere, fmt.Errorf("look for a time in %s: %w", p.name, err)
	}
	for i := x.find(timestamp); i < len(x.starts); i++ {
		row, err := p.rowFrom(ctx, x.starts[i])
		if err != nil {
			return nowhere, err
		}
		if row.State != bifrost.StateArchived || row.Facts.LastTimestamp < timestamp {
			continue // only behind the first: what its row counts of the time is in another one
		}
		opened, err := p.openRow(row)
		if err != nil {
			return nowhere, err
		}
		p.metrics.reads.Inc()
		record, err := opened.Since(timestamp)
		if errors.Is(err, readback.ErrNoRecord) {
			continue
		}
		if err != nil {
			return nowhere, err
		}
		return position{record.Offset, record.Timestamp}, nil
	}
	return nowhere, nil
}

// greatest finds the first record with the greatest timestamp of all.
func (p *partition) greatest(ctx context.Context) (position, error) {
	x, err := p.timesUpToNow(ctx)
	if err != nil {
		return nowhere, fmt.Errorf("look for the greatest time in %s: %w", p.name, err)
	}
	if len(x.most) == 0 {
		return nowhere, nil
	}
	return p.since(ctx, x.most[len(x.most)-1])
}
