// How far a long job is, as a bar or as lines.

package console

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// A Meter shows how far a long job is: a bar on a terminal, otherwise a line now
// and then.
type Meter interface {
	// AddRecords tells of more records that are done.
	AddRecords(records, bytes int64)
	// EndMeter shows the last state. The total was an estimate: of a job that is complete it is what
	// was done.
	EndMeter(complete bool)
}

// NewMeter begins to show a job of so many records, of which some are done.
func (c *Console) NewMeter(what string, total, done int64) Meter {
	if _, isTerminal := Terminal(c.Talk); isTerminal {
		return newBar(c.Talk, what, total, done)
	}
	return &lines{Console: c, what: what, total: total, done: done, first: done, begun: c.Now(), last: c.Now()}
}

// bar is a meter on a terminal.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	bytes     int64
	begun     time.Time
	mutex     sync.Mutex
}

func newBar(to io.Writer, what string, total, done int64) *bar {
	b := &bar{container: mpb.New(mpb.WithOutput(to), mpb.WithWidth(48)), begun: time.Now()}
	b.bar = b.container.AddBar(0, // with a total it would end by itself, on an estimate
		mpb.PrependDecorators(decor.Name(what+" "), decor.Any(func(s decor.Statistics) string {
			return human.Count(s.Current) + " / " + human.Count(s.Total) + " records "
		})),
		mpb.AppendDecorators(decor.Percentage(), decor.AverageSpeed(0, " %.0f records/s"), decor.Any(b.speedText),
			decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")),
	)
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(done)
	b.bar.DecoratorAverageAdjust(b.begun)
	return b
}

func (b *bar) speedText(decor.Statistics) string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return fmt.Sprintf("  %s/s", human.Size(int64(float64(b.bytes)/max(0.001, time.Since(b.begun).Seconds()))))
}

// AddRecords implements Meter.
func (b *bar) AddRecords(records, bytes int64) {
	b.mutex.Lock()
	b.bytes += bytes
	b.mutex.Unlock()
	b.bar.IncrInt64(records)
}

// EndMeter implements Meter.
func (b *bar) EndMeter(complete bool) {
	if complete {
		b.bar.SetTotal(-1, true) // what is done
	} else {
		b.bar.Abort(false) // a job that failed leaves its bar where it was
	}
	b.container.Wait()
}

// lines is a meter for a file or a log.
type lines struct {
	*Console
	what               string
	total, done, first int64
	bytes              int64
	begun, last        time.Time
}

// betweenLines is the least time between two lines.
const betweenLines = 5 * time.Second

// AddRecords implements Meter.
func (l *lines) AddRecords(records, bytes int64) {
	l.done += records
	l.bytes += bytes
	if l.Now().Sub(l.last) >= betweenLines {
		l.sayLine()
	}
}

func (l *lines) sayLine() {
	l.last = l.Now()
	seconds := max(0.001, l.last.Sub(l.begun).Seconds())
	rate := float64(l.done-l.first) / seconds
	left := ""
	if rate > 0 && l.total > l.done {
		left = ", " + human.Seconds(float64(l.total-l.done)/rate) + " left"
	}
	l.Say("%s  %s / %s records, %.0f records/s, %s/s%s",
		l.what, human.Count(l.done), human.Count(max(l.total, l.done)), rate, human.Size(int64(float64(l.bytes)/seconds)), left)
}

// EndMeter implements Meter.
func (l *lines) EndMeter(complete bool) {
	if complete {
		l.total = l.done
	}
	l.sayLine()
}
