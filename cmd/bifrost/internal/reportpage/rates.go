// The chart of how much was written, over time.

package reportpage

import (
	"fmt"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// rateHeight is the height of the chart in its own units.
const rateHeight = 100.0

// rateChart is raw bytes a second over the axis of time.
type rateChart struct {
	Bars    string // path of the bars
	Cut     string // path of those that do not fit, up to the top
	Marks   string // path of the gaps in these that show it
	Lines   []rateLine
	Summary string
	Table   []rateRow
}

// rateLine is a line of the grid. At is in hundredths of the height, from above.
type rateLine struct {
	At    float64
	Label string
}

// rateRow is the same in words, for whoever does not see the chart.
type rateRow struct{ From, Rate, Bytes string }

func newRateChart(s *Scan) rateChart {
	seconds := s.to.Sub(s.from).Seconds() / columns
	top, isCut := scaleOf(s.rates[:])
	top /= seconds
	if top > 0 {
		top = roundUp(top)
	}
	var c rateChart
	var bars, cut, marks strings.Builder
	most, mostAt, cuts := 0.0, 0, 0
	for n, bytes := range s.rates {
		rate := bytes / seconds
		if rate > most {
			most, mostAt = rate, n
		}
		switch {
		case rate <= 0:
		case rate > top:
			cuts++
			fmt.Fprintf(&cut, "M%g %gV0", float64(n)+0.5, rateHeight)
			fmt.Fprintf(&marks, "M%d 14l1 -4v3l-1 4z", n)
		default:
			fmt.Fprintf(&bars, "M%g %gv-%.4g", float64(n)+0.5, rateHeight, max(0.8, rate/top*rateHeight))
		}
	}
	c.Bars, c.Cut, c.Marks = bars.String(), cut.String(), marks.String()
	if most == 0 {
		c.Summary = "No records in this time."
		return c
	}
	for _, share := range []float64{1, 0.5} {
		c.Lines = append(c.Lines, rateLine{100 - 100*share, perSecond(top * share)})
	}
	from, to := s.columnStart(mostAt), s.columnStart(mostAt+1)
	c.Summary = fmt.Sprintf("A bar is the mean of %s. The highest is %s, %s.", lengthOf(to.Sub(from)), perSecond(most),
		s.spanOf(from, to))
	if isCut && cuts > 0 {
		c.Summary += fmt.Sprintf(" It does not fit: %s cut, so that the others can be seen.", areCut(cuts))
	}
	c.fillTable(s)
	return c
}

// lengthOf writes how long a column is: what is shorter than some seconds, with its fraction.
func lengthOf(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return human.Span(d)
}

// spanOf writes a bucket of the chart with both its ends.
func (s *Scan) spanOf(from, to time.Time) string {
	unit, _ := s.fineness()
	begin, end := s.short(from), s.short(to.Add(unit-time.Nanosecond)) // a unit that has begun counts
	if day, clock, _ := strings.Cut(end, " "); strings.HasPrefix(begin, day) {
		end = clock
	}
	return "from " + begin + " to " + end
}

func areCut(n int) string {
	if n == 1 {
		return "1 bar is"
	}
	return fmt.Sprintf("%d bars are", n)
}

// rateRows is into how many rows the table puts the columns.
const rateRows = 16

func (c *rateChart) fillTable(s *Scan) {
	const each = columns / rateRows
	length := s.columnStart(each).Sub(s.from)
	for n := 0; n < columns; n += each {
		var bytes float64
		for _, v := range s.rates[n : n+each] {
			bytes += v
		}
		c.Table = append(c.Table, rateRow{s.short(s.columnStart(n)), perSecond(bytes / length.Seconds()),
			human.Size(int64(bytes))})
	}
}

// perSecond writes a rate; one below a byte a second is written by the hour or the day.
func perSecond(rate float64) string {
	switch {
	case rate >= 1 || rate == 0:
		return human.Size(int64(rate+0.5)) + "/s"
	case rate*time.Hour.Seconds() >= 1:
		return human.Size(int64(rate*time.Hour.Seconds()+0.5)) + "/h"
	}
	return human.Size(int64(rate*24*time.Hour.Seconds()+0.5)) + "/day"
}
