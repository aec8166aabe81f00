package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// A meter shows how far a long job is: a bar on a terminal, otherwise a line now
// and then.
type meter interface {
	add(records, bytes int64)
	end()
}

// newMeter begins to show a job of so many records, of which some are done.
func (a *app) newMeter(what string, total, done int64) meter {
	if _, isTerminal := terminal(a.talk); isTerminal {
		return newBar(a.talk, what, total, done)
	}
	m := &lines{app: a, what: what, total: total, done: done, first: done, begun: a.now(), last: a.now()}
	return m
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
	b.bar = b.container.AddBar(total,
		mpb.PrependDecorators(decor.Name(what+" "), decor.Any(func(s decor.Statistics) string { return count(s.Current) + " / " + count(s.Total) + " records " })),
		mpb.AppendDecorators(decor.Percentage(), decor.AverageSpeed(0, " %.0f records/s"), decor.Any(b.speed), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")),
	)
	b.bar.SetCurrent(done)
	b.bar.DecoratorAverageAdjust(b.begun)
	return b
}

func (b *bar) speed(decor.Statistics) string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return fmt.Sprintf("  %s/s", size(int64(float64(b.bytes)/max(0.001, time.Since(b.begun).Seconds()))))
}

func (b *bar) add(records, bytes int64) {
	b.mutex.Lock()
	b.bytes += bytes
	b.mutex.Unlock()
	b.bar.IncrInt64(records)
}

func (b *bar) end() {
	b.bar.Abort(false) // a job that failed leaves its bar where it was
	b.container.Wait()
}

// lines is a meter for a file or a log.
type lines struct {
	*app
	what               string
	total, done, first int64
	bytes              int64
	begun, last        time.Time
}

// betweenLines is the least time between two lines.
const betweenLines = 5 * time.Second

func (l *lines) add(records, bytes int64) {
	l.done += records
	l.bytes += bytes
	if l.now().Sub(l.last) >= betweenLines {
		l.line()
	}
}

func (l *lines) line() {
	l.last = l.now()
	seconds := max(0.001, l.last.Sub(l.begun).Seconds())
	rate := float64(l.done-l.first) / seconds
	left := ""
	if rate > 0 && l.total > l.done {
		left = ", " + span(time.Duration(float64(l.total-l.done)/rate*float64(time.Second))) + " left"
	}
	l.say("%s  %s / %s records, %.0f records/s, %s/s%s", l.what, count(l.done), count(l.total), rate, size(int64(float64(l.bytes)/seconds)), left)
}

func (l *lines) end() { l.line() }
