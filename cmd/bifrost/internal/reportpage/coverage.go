// The map of partitions over time.

package reportpage

import (
	"context"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// coverage is a map of partitions over time, in columns of equal length.
type coverage struct {
	from, to time.Time
	lines    []coverageLine
	bytes    [columns]float64 // raw bytes of all partitions, by the times of the records
	objects  int64
}

// columns is how finely time is cut: about as many pixels as a screen is wide,
// over eight.
const columns = 160

// coverageLine is one partition.
type coverageLine struct {
	partition condition.Judged
	cells     [columns]state
}

// state is what a partition has in a column; the worst one counts.
type state uint8

const (
	stateNothing state = iota
	stateArchived
	stateInFlight
	stateGap
)

// NewCoverage reads the catalogue of the partitions twice: the first time for
// the span of time, which decides the columns.
func NewCoverage(
	ctx context.Context, catalogue readback.Catalogue, rows []condition.Judged, times readback.Times, now time.Time,
) (*coverage, error) {
	c := &coverage{}
	if err := c.findSpan(ctx, catalogue, rows, times, now); err != nil {
		return nil, err
	}
	for _, p := range rows {
		line := coverageLine{partition: p}
		if err := c.fillLine(ctx, catalogue, &line); err != nil {
			return nil, err
		}
		c.lines = append(c.lines, line)
	}
	return c, nil
}

func (c *coverage) findSpan(
	ctx context.Context, catalogue readback.Catalogue, rows []condition.Judged, times readback.Times, now time.Time,
) error {
	for _, p := range rows {
		for row, err := range readback.Rows(ctx, catalogue, p.Partition, readback.Everything) {
			if err != nil {
				return err
			}
			if row.State != bifrost.StateArchived || row.Facts.FirstTimestamp < 0 {
				continue
			}
			if first := human.Millis(row.Facts.FirstTimestamp); c.from.IsZero() || first.Before(c.from) {
				c.from = first
			}
			if last := human.Millis(row.Facts.LastTimestamp); last.After(c.to) {
				c.to = last
			}
		}
	}
	if c.from.IsZero() {
		c.from, c.to = now.Add(-time.Hour), now
	}
	if times.Since > 0 {
		c.from = human.Millis(times.Since)
	}
	if times.Until > 0 {
		c.to = human.Millis(times.Until)
	}
	if !c.to.After(c.from) {
		c.to = c.from.Add(time.Minute)
	}
	return nil
}

// columnOf is the one that a time falls into; times outside fall into the first or last.
func (c *coverage) columnOf(t time.Time) int {
	n := int(float64(t.Sub(c.from)) / float64(c.to.Sub(c.from)) * columns)
	return min(max(n, 0), columns-1)
}

// fillLine paints one partition. A gap and a range at work have no times of their
// own: they lie between those of their neighbours.
func (c *coverage) fillLine(ctx context.Context, catalogue readback.Catalogue, line *coverageLine) error {
	last, pending := c.from, stateNothing
	for row, err := range readback.Rows(ctx, catalogue, line.partition.Partition, readback.Everything) {
		if err != nil {
			return err
		}
		switch row.State {
		case bifrost.StateLost:
			pending = stateGap
		case bifrost.StatePlanned:
			pending = max(pending, stateInFlight)
		case bifrost.StateArchived:
			c.objects++
			if row.Facts.FirstTimestamp < 0 {
				continue
			}
			first := human.Millis(row.Facts.FirstTimestamp)
			line.paintColumns(c.columnOf(last), c.columnOf(first), pending)
			last, pending = human.Millis(row.Facts.LastTimestamp), stateNothing
			if last.Before(c.from) || first.After(c.to) {
				continue
			}
			line.paintColumns(c.columnOf(first), c.columnOf(last), stateArchived)
			c.spreadBytes(c.columnOf(first), c.columnOf(last), row.Facts.RawBytes)
		}
	}
	line.paintColumns(c.columnOf(last), columns-1, pending)
	return nil
}

func (l *coverageLine) paintColumns(first, last int, s state) {
	for n := first; n <= last; n++ {
		l.cells[n] = max(l.cells[n], s)
	}
}

// spreadBytes shares an object's bytes evenly among its columns.
func (c *coverage) spreadBytes(first, last int, bytes int64) {
	for n := first; n <= last; n++ {
		c.bytes[n] += float64(bytes) / float64(last-first+1)
	}
}
