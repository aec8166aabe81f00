// The axes: where their ticks are, what these are called.

package reportpage

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// axisTick is a mark on the axis of time. At is in hundredths of its length. Class is end
// or begin for a label that would stick out there.
type axisTick struct {
	At           float64
	Label, Class string
}

func newTick(at float64, label string) axisTick {
	t := axisTick{At: at, Label: label}
	switch {
	case at > 94:
		t.Class = "end"
	case at < 6:
		t.Class = "begin"
	}
	return t
}

// mostTicks is how many labels fit on the axis of a phone.
const mostTicks = 5

// tickSteps are the distances between ticks that people read without counting, with how a
// tick is written. Months and years differ in length.
var tickSteps = []struct {
	step   time.Duration
	months int
	form   string
}{
	{time.Second, 0, "15:04:05"},
	{5 * time.Second, 0, "15:04:05"},
	{15 * time.Second, 0, "15:04:05"},
	{30 * time.Second, 0, "15:04:05"},
	{time.Minute, 0, "15:04"},
	{5 * time.Minute, 0, "15:04"},
	{15 * time.Minute, 0, "15:04"},
	{30 * time.Minute, 0, "15:04"},
	{time.Hour, 0, "15:04"},
	{2 * time.Hour, 0, "15:04"},
	{6 * time.Hour, 0, "2 Jan 15h"},
	{12 * time.Hour, 0, "2 Jan 15h"},
	{24 * time.Hour, 0, "2 Jan"},
	{2 * 24 * time.Hour, 0, "2 Jan"},
	{7 * 24 * time.Hour, 0, "2 Jan"},
	{14 * 24 * time.Hour, 0, "2 Jan"},
	{0, 1, "Jan 2006"},
	{0, 2, "Jan 2006"},
	{0, 3, "Jan 2006"},
	{0, 6, "Jan 2006"},
	{0, 12, "2006"},
	{0, 24, "2006"},
	{0, 60, "2006"},
	{0, 120, "2006"},
}

// timeTicks are the ticks of the axis between two times, in UTC.
func timeTicks(from, to time.Time) []axisTick {
	for _, s := range tickSteps {
		ticks := []axisTick{}
		at := firstTick(from, s.step, s.months)
		for ; at.Before(to) && len(ticks) <= mostTicks; at = nextTick(at, s.step, s.months) {
			ticks = append(ticks, newTick(100*float64(at.Sub(from))/float64(to.Sub(from)), at.Format(s.form)))
		}
		if len(ticks) <= mostTicks {
			return ticks
		}
	}
	return nil
}

// firstTick is the first one at or after the time. Weeks begin on Monday.
func firstTick(from time.Time, step time.Duration, months int) time.Time {
	from = from.UTC()
	if months == 0 {
		at := from.Truncate(step) // since the year 1, which began on a Monday
		if at.Before(from) {
			at = at.Add(step)
		}
		return at
	}
	since := from.Year()*12 + int(from.Month()) - 1
	at := time.Date(0, time.Month(since-since%months+1), 1, 0, 0, 0, 0, time.UTC)
	if at.Before(from) {
		at = at.AddDate(0, months, 0)
	}
	return at
}

func nextTick(at time.Time, step time.Duration, months int) time.Time {
	if months == 0 {
		return at.Add(step)
	}
	return at.AddDate(0, months, 0)
}

// fineness is how finely times are told, so that no two columns have the same one.
func (s *Scan) fineness() (unit time.Duration, form string) {
	switch width := s.to.Sub(s.from) / columns; {
	case width < time.Second:
		return time.Millisecond, "2006-01-02 15:04:05.000"
	case width < time.Minute:
		return time.Second, "2006-01-02 15:04:05"
	}
	return time.Minute, "2006-01-02 15:04"
}

// short is a time in UTC, as fine as the columns are wide.
func (s *Scan) short(t time.Time) string {
	_, form := s.fineness()
	return t.UTC().Format(form)
}

// spike is how many times what is usual a value may be before it is cut.
const spike = 4

// scaleOf is the top of the axis of the values. One value far above the others does not
// flatten these: it is cut. What is usual is what four of five values are below.
func scaleOf(values []float64) (top float64, cut bool) {
	var some []float64
	for _, v := range values {
		if v > 0 {
			some = append(some, v)
		}
	}
	if len(some) == 0 {
		return 0, false
	}
	slices.Sort(some)
	usual, most := some[(len(some)-1)*4/5], some[len(some)-1]
	if most > spike*usual {
		return roundUp(1.5 * usual), true
	}
	return roundUp(most), false
}

// roundUp is the next number that people like on an axis.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 4, 6, 8, 10} {
		if v <= step*power*(1+1e-9) {
			return step * power
		}
	}
	return 10 * power
}

// percent writes a share of a whole. It says 100 % of the whole alone, and 0 % of nothing
// alone.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "-"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case part >= whole:
		return "100 %"
	case part <= 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p >= 99.99:
		return "> 99.99 %"
	case p >= 99:
		return fmt.Sprintf("%.2f %%", math.Floor(p*100)/100)
	case p < 1:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.1f %%", math.Floor(p*10)/10)
}
