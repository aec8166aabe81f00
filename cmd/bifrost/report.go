package main

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/config"
)

func newReport(a *app) *cobra.Command {
	r := &report{app: a}
	c := &cobra.Command{
		Use:     "report [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Write one HTML page: coverage, lag, sizes, rates, cost",
		Long: `Report writes one self-contained page, for all topics or those named: a map of
every partition over the times of its records (archived, at work, gap), and tables
of lag, sizes, rates and cost. The page needs no network and no script.`,
		Example:           "  bifrost report > report.html\n  bifrost report orders --since 30d --output orders.html",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTopics,
		RunE:              func(c *cobra.Command, topics []string) error { return r.run(c.Context(), topics) },
	}
	c.Flags().StringVarP(&r.output, "output", "o", "-", "file to write; - is standard output")
	c.Flags().StringVar(&r.since, "since", "", "begin of the map: a time as for cat")
	c.Flags().StringVar(&r.until, "until", "", "end of the map")
	c.Flags().StringVar(&r.restored, "restore", "", "a file with what restore --json printed, for a section about it")
	c.Flags().Float64Var(&r.price, "price", 0.023, "dollars for a GB in a month; S3 Standard's list price in us-east-1 in 2026")
	return c
}

type report struct {
	*app
	selection
	output   string
	restored string
	price    float64
}

func (r *report) run(ctx context.Context, topics []string) error {
	if err := r.selection.parse(nil, r.now()); err != nil {
		return err
	}
	parts, err := r.open(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	seen, err := look(ctx, parts, topics, r.now())
	if err != nil {
		return err
	}
	c, err := newCoverage(ctx, parts.Ledger, seen.rows, r.times, r.now())
	if err != nil {
		return err
	}
	page := newPage(parts.Config, seen, c, r.price, r.now())
	if r.restored != "" {
		if page.Restored, err = readRestored(r.restored); err != nil {
			return err
		}
	}
	if r.output == "-" {
		return pageTemplate.Execute(r.out, page)
	}
	return writeFile(r.output, func(w io.Writer) error { return pageTemplate.Execute(w, page) })
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

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

func newPage(c config.Config, seen wellbeing, cover *coverage, price float64, now time.Time) page {
	p := page{
		Title: "Bifrost: " + c.Group + " in " + c.Bucket, Version: buildVersion(), Made: moment(now),
		From: moment(cover.from), To: moment(cover.to), Width: mapWidth, RateHeight: rateHeight, Price: price,
	}
	p.Problem, p.Seen = seen.problem(), "at no time"
	if last, ok := seen.ticks.Last(); ok && !last.CompleteAt.IsZero() {
		p.Seen = moment(last.CompleteAt)
	}
	p.Figures = figures(seen, cover, price)
	for i, line := range cover.lines[:min(mostLines, len(cover.lines))] {
		p.Lines = append(p.Lines, newPageLine(line, cover, float64(i)*lineHeight, now))
	}
	p.MoreLines = len(cover.lines) - len(p.Lines)
	p.Height = float64(len(p.Lines)) * lineHeight
	for _, topic := range byTopic(seen.rows) {
		p.Topics = append(p.Topics, topicLine(sumOf(topic), len(topic), price, now))
	}
	p.bars(cover)
	return p
}

func figures(seen wellbeing, cover *coverage, price float64) []figure {
	rows, sum, sick := seen.rows, judged{}, 0
	if len(rows) > 0 {
		sum = sumOf(rows)
	}
	for _, p := range rows {
		if unhealthy(p) {
			sick++
		}
	}
	health := figure{"healthy", "yes", "good"}
	switch {
	case sick > 0:
		health = figure{"unhealthy partitions", count(int64(sick)), "bad"}
	case !seen.healthy():
		health = figure{"healthy", "not known", "bad"}
	}
	return []figure{
		health, {"topics", count(int64(len(byTopic(rows)))), ""}, {"partitions", count(int64(len(rows))), ""}, {"objects", count(cover.objects), ""},
		{"records", count(sum.Records), ""}, {"raw", size(sum.RawBytes), ""}, {"stored", size(sum.StoredBytes), ""}, {"ratio", ratio(sum.RawBytes, sum.StoredBytes), ""},
		{"lag", count(sum.Lag()), warnIf(sum.Lag() > 0)}, {"lost offsets", count(sum.Lost), warnIf(sum.Lost > 0)}, {"storage a month", dollars(sum.StoredBytes, price), ""},
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

func topicLine(sum judged, partitions int, price float64, now time.Time) []pageCell {
	rate := "-"
	if days := now.Sub(sum.LastRecordAt).Hours() / 24; !sum.LastRecordAt.IsZero() {
		rate = fmt.Sprintf("%.1f", days)
	}
	class := "good"
	if unhealthy(sum) {
		class = "bad"
	}
	return []pageCell{
		{sum.Name, ""}, {string(sum.Status), class}, {count(int64(partitions)), "n"}, {count(sum.Lag()), "n " + warnIf(sum.Lag() > 0)}, {count(sum.Records), "n"},
		{size(sum.RawBytes), "n"}, {size(sum.StoredBytes), "n"}, {ratio(sum.RawBytes, sum.StoredBytes), "n"}, {count(sum.Lost), "n " + warnIf(sum.Lost > 0)},
		{moment(sum.LastRecordAt), ""}, {rate, "n"}, {dollars(sum.StoredBytes, price), "n"}, {errorCell(sum).text, "bad"},
	}
}

var stateWords = map[state]string{stateArchived: "archived", stateInFlight: "at work", stateGap: "gap"}

func newPageLine(line coverageLine, cover *coverage, y float64, now time.Time) pageLine {
	p := line.partition
	l := pageLine{Name: p.String(), Status: string(p.Status), Lag: count(p.Lag()), Records: count(p.Records), LastRecord: ago(p.LastRecordAt, now), Y: y}
	if unhealthy(p) {
		l.Class = "bad"
	}
	width := mapWidth / columns
	for first := 0; first < columns; {
		last := first
		for last+1 < columns && line.cells[last+1] == line.cells[first] {
			last++
		}
		if s := line.cells[first]; s != stateNothing {
			title := fmt.Sprintf("%s: %s, %s to %s", p, stateWords[s], moment(cover.start(first)), moment(cover.start(last+1)))
			l.Runs = append(l.Runs, pageRun{X: float64(first) * width, Width: float64(last-first+1) * width, Class: [...]string{"", "archived", "flight", "gap"}[s], Title: title})
		}
		first = last + 1
	}
	return l
}

// start is when a column begins.
func (c *coverage) start(column int) time.Time {
	return c.from.Add(time.Duration(float64(c.to.Sub(c.from)) * float64(column) / columns))
}

// bars draw the rate of raw bytes over time.
func (p *page) bars(cover *coverage) {
	seconds := cover.to.Sub(cover.from).Seconds() / columns
	most := slices.Max(cover.bytes[:])
	p.MostRate = size(int64(most/seconds)) + "/s"
	for n, bytes := range cover.bytes {
		if bytes == 0 || most == 0 {
			continue
		}
		height := max(1, bytes/most*rateHeight)
		p.Bars = append(p.Bars, pageBar{X: float64(n) * mapWidth / columns, Y: rateHeight - height, Width: mapWidth/columns - 1, Height: height,
			Title: fmt.Sprintf("%s/s at %s", size(int64(bytes/seconds)), moment(cover.start(n)))})
	}
}
