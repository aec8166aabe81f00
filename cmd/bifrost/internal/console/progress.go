// How far a long job is, as a bar or as lines.

package console

import (
	"fmt"
	"io"
	"math"
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
	records   int64 // of this run, as bytes
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
		mpb.AppendDecorators(decor.Percentage(), decor.Any(b.speedText),
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
	speed := speedOf(b.records, b.bytes, time.Since(b.begun))
	if speed != "" {
		speed = "  " + speed
	}
	return speed
}

// speedOf is how fast a run is; empty of one that has done nothing.
func speedOf(records, bytes int64, took time.Duration) string {
	if records == 0 && bytes == 0 {
		return ""
	}
	seconds := max(0.001, took.Seconds())
	return fmt.Sprintf("%s records/s, %s/s", human.Count(int64(math.Round(float64(records)/seconds))),
		human.Size(int64(float64(bytes)/seconds)))
}

// AddRecords implements Meter.
func (b *bar) AddRecords(records, bytes int64) {
	b.mutex.Lock()
	b.records += records
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
	took := l.last.Sub(l.begun)
	text := fmt.Sprintf("%s  %s / %s records", l.what, human.Count(l.done), human.Count(max(l.total, l.done)))
	if speed := speedOf(l.done-l.first, l.bytes, took); speed != "" {
		text += ", " + speed
	}
	if n := l.done - l.first; n > 0 && l.total > l.done {
		text += ", " + human.Seconds(float64(l.total-l.done)/float64(n)*max(0.001, took.Seconds())) + " left"
	}
	l.Say("%s", text)
}

// EndMeter implements Meter.
func (l *lines) EndMeter(complete bool) {
	if complete {
		l.total = l.done
	}
	l.sayLine()
}
