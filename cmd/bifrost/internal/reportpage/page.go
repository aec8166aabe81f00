// Package reportpage makes the HTML page of the command report: a map of every partition
// over the times of its records, tables of lag, sizes, rates and cost.
package reportpage

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/config"
)

//go:embed report.html
var pageText string

// PageTemplate is the page; it takes what NewPage returns.
var PageTemplate = template.Must(template.New("report").Parse(pageText))

// page is what the template shows. Everything is text already, so that the
// template only places it.
type page struct {
	Title, Version, Made, From, To   string
	Seen, Problem                    string // when everything was looked at, and what is wrong with the ticks
	Figures                          []figure
	Lines                            []pageLine
	MoreLines                        int
	Topics                           [][]pageCell
	Bars                             []pageBar
	MostRate                         string
	Restored                         *restoredPage // nil for none
	Width, Height, RateHeight, Price float64
}

type figure struct{ Name, Value, Class string }

type pageLine struct {
	Name, Status, Class, Lag, Records, LastRecord string
	Y                                             float64
	Runs                                          []pageRun
}

// pageRun is a stretch of columns of one state.
type pageRun struct {
	X, Width     float64
	Class, Title string
}

type pageCell struct{ Text, Class string }

type pageBar struct {
	X, Y, Width, Height float64
	Title               string
}

const (
	mapWidth   = 800.0 // units of the SVG, which scales
	lineHeight = 16.0
	rateHeight = 90.0
	mostLines  = 500 // of partitions in the map: more are more than anybody looks at
)

// NewPage puts into words what the page shows. Price is dollars for a GB in a month.
func NewPage(c config.Config, seen condition.Overview, cover *coverage, price float64, now time.Time) page {
	p := page{
		Title:      "Bifrost: " + c.Group + " in " + c.Bucket,
		Version:    app.BuildVersion(),
		Made:       human.Moment(now),
		From:       human.Moment(cover.from),
		To:         human.Moment(cover.to),
		Width:      mapWidth,
		RateHeight: rateHeight,
		Price:      price,
	}
	p.Problem, p.Seen = seen.TickProblem(), "at no time"
	if last, ok := seen.Ticks.Last(); ok && !last.CompleteAt.IsZero() {
		p.Seen = human.Moment(last.CompleteAt)
	}
	p.Figures = figures(seen, cover, price)
	for i, line := range cover.lines[:min(mostLines, len(cover.lines))] {
		p.Lines = append(p.Lines, newPageLine(line, cover, float64(i)*lineHeight, now))
	}
	p.MoreLines = len(cover.lines) - len(p.Lines)
	p.Height = float64(len(p.Lines)) * lineHeight
	for _, topic := range condition.ByTopic(seen.Rows) {
		p.Topics = append(p.Topics, topicLine(condition.SumOf(topic), len(topic), price, now))
	}
	p.drawBars(cover)
	return p
}

func figures(seen condition.Overview, cover *coverage, price float64) []figure {
	rows, sum, sick := seen.Rows, condition.Judged{}, 0
	if len(rows) > 0 {
		sum = condition.SumOf(rows)
	}
	for _, p := range rows {
		if condition.Unhealthy(p) {
			sick++
		}
	}
	state := figure{"healthy", "yes", "good"}
	switch {
	case sick > 0:
		state = figure{"unhealthy partitions", human.Count(int64(sick)), "bad"}
	case !seen.IsHealthy():
		state = figure{"healthy", "not known", "bad"}
	}
	return []figure{
		state, {"topics", human.Count(int64(len(condition.ByTopic(rows)))), ""},
		{"partitions", human.Count(int64(len(rows))), ""}, {"objects", human.Count(cover.objects), ""},
		{"records", human.Count(sum.Records), ""}, {"raw", human.Size(sum.RawBytes), ""},
		{"stored", human.Size(sum.StoredBytes), ""}, {"ratio", human.Ratio(sum.RawBytes, sum.StoredBytes), ""},
		{"lag", sum.KnownLag(), warnIf(sum.Lag() > 0 || sum.Blind > 0)},
		{"lost offsets", human.Count(sum.Lost), warnIf(sum.Lost > 0)},
		{"storage a month", dollars(sum.StoredBytes, price), ""},
	}
}

func warnIf(yes bool) string {
	if yes {
		return "warn"
	}
	return ""
}

// dollars is what so many bytes cost in a month.
func dollars(bytes int64, price float64) string {
	return fmt.Sprintf("$%.2f", float64(bytes)/1e9*price)
}

func topicLine(sum condition.Judged, partitions int, price float64, now time.Time) []pageCell {
	rate := "-"
	if days := now.Sub(sum.LastRecordAt).Hours() / 24; !sum.LastRecordAt.IsZero() {
		rate = fmt.Sprintf("%.1f", days)
	}
	class := "good"
	if condition.Unhealthy(sum) {
		class = "bad"
	}
	return []pageCell{
		{sum.Name, ""},
		{string(sum.Status), class},
		{human.Count(int64(partitions)), "n"},
		{sum.KnownLag(), "n " + warnIf(sum.Lag() > 0 || sum.Blind > 0)},
		{human.Count(sum.Records), "n"},
		{human.Size(sum.RawBytes), "n"},
		{human.Size(sum.StoredBytes), "n"},
		{human.Ratio(sum.RawBytes, sum.StoredBytes), "n"},
		{human.Count(sum.Lost), "n " + warnIf(sum.Lost > 0)},
		{human.Moment(sum.LastRecordAt), ""},
		{rate, "n"},
		{dollars(sum.StoredBytes, price), "n"},
		{condition.ErrorCell(sum).Text, "bad"},
	}
}

var stateWords = map[state]string{stateArchived: "archived", stateInFlight: "at work", stateGap: "gap"}

func newPageLine(line coverageLine, cover *coverage, y float64, now time.Time) pageLine {
	p := line.partition
	l := pageLine{
		Name:       p.String(),
		Status:     string(p.Status),
		Lag:        p.KnownLag(),
		Records:    human.Count(p.Records),
		LastRecord: human.Ago(p.LastRecordAt, now),
		Y:          y,
	}
	if condition.Unhealthy(p) {
		l.Class = "bad"
	}
	width := mapWidth / columns
	for first := 0; first < columns; {
		last := first
		for last+1 < columns && line.cells[last+1] == line.cells[first] {
			last++
		}
		if s := line.cells[first]; s != stateNothing {
			title := fmt.Sprintf("%s: %s, %s to %s", p, stateWords[s], human.Moment(cover.columnStart(first)),
				human.Moment(cover.columnStart(last+1)))
			l.Runs = append(l.Runs, pageRun{
				X:     float64(first) * width,
				Width: float64(last-first+1) * width,
				Class: [...]string{"", "archived", "flight", "gap"}[s],
				Title: title,
			})
		}
		first = last + 1
	}
	return l
}

// columnStart is when a column begins.
func (c *coverage) columnStart(column int) time.Time {
	return c.from.Add(time.Duration(float64(c.to.Sub(c.from)) * float64(column) / columns))
}

// drawBars draw the rate of raw bytes over time.
func (p *page) drawBars(cover *coverage) {
	seconds := cover.to.Sub(cover.from).Seconds() / columns
	most := slices.Max(cover.bytes[:])
	p.MostRate = human.Size(int64(most/seconds)) + "/s"
	for n, bytes := range cover.bytes {
		if bytes == 0 || most == 0 {
			continue
		}
		height := max(1, bytes/most*rateHeight)
		p.Bars = append(p.Bars, pageBar{
			X:      float64(n) * mapWidth / columns,
			Y:      rateHeight - height,
			Width:  mapWidth/columns - 1,
			Height: height,
			Title:  fmt.Sprintf("%s/s at %s", human.Size(int64(bytes/seconds)), human.Moment(cover.columnStart(n))),
		})
	}
}
