// Package reportpage makes the HTML page of the command report: whether a person has to
// look, each topic over offsets and over time, gaps with their reasons, growth, captures,
// verifications, the bill.
package reportpage

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/config"
)

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// Facts are what the page tells of.
type Facts struct {
	Config   config.Config
	Seen     condition.Overview
	Scan     *Scan // of the same rows
	Checks   Checks
	Price    float64 // dollars for a GB in a month
	Restored *Restored
	Now      time.Time
}

// Page is what the template shows. Everything is text already, so that the template only
// places it.
type Page struct {
	Title, Group, Bucket, Version, Made, From, To, Seen string

	Verdict  finding
	Findings []finding
	Figures  []figure

	Ticks       []axisTick
	Topics      []pageTopic
	MoreTopics  string // which are not listed, or not with their partitions; empty for none
	Outside     string // records that the axis does not show; empty for none
	Nearest     []pageThreat
	MoreNearest string // partitions that are not listed; empty for none

	Rates rateChart

	Reasons  []pageReason
	Gaps     []pageGap
	MoreGaps int

	Captures      []captureLine
	CaptureError  string
	Verifications []verifiedLine
	VerifiedError string

	Costs                 []costLine
	CostTotal, CostGrowth string
	bill                  dollarsJSON

	Restored *Restored
}

// figure is one number of the head of the page.
type figure struct{ Name, Value, Note, Class string }

// NewPage puts the facts into words.
func NewPage(f Facts) *Page {
	s := f.Scan
	p := &Page{
		Title:    "Bifrost: " + f.Config.Group + " in " + f.Config.Bucket,
		Group:    f.Config.Group,
		Bucket:   f.Config.Bucket,
		Version:  app.BuildVersion(),
		Made:     human.Moment(f.Now),
		From:     human.Moment(s.from),
		To:       human.Moment(s.to),
		Seen:     "No tick is known to have looked at everything.",
		Ticks:    timeTicks(s.from, s.to),
		Restored: f.Restored,
	}
	if last, ok := f.Seen.Ticks.Last(); ok && !last.CompleteAt.IsZero() {
		p.Seen = fmt.Sprintf("A tick looked at everything %s, at %s.", human.Ago(last.CompleteAt, f.Now),
			human.Moment(last.CompleteAt))
	}
	var sum condition.Judged
	if len(f.Seen.Rows) > 0 {
		sum = condition.SumOf(f.Seen.Rows)
	}
	p.findingSection(f, sum)
	p.checkSection(f)
	p.costSection(s, sum.StoredBytes, len(f.Seen.Rows), f.Price)
	p.figureSection(f, sum)
	p.topicSection(f)
	p.threatSection(f)
	p.gapSection(s)
	p.Rates = newRateChart(s)
	if n := s.total.outside; n > 0 {
		p.Outside = human.InNumber(fmt.Sprintf("%s objects have records from before or after this time, by their producers' clocks; "+
			"--since and --until show another.", human.Count(n)))
	}
	return p
}

// WritePage writes the page as HTML.
func (p *Page) WritePage(w io.Writer) error { return pageTemplate.Execute(w, p) }

func (p *Page) figureSection(f Facts, sum condition.Judged) {
	t := f.Scan.total
	archived, note := share(sum, t)
	growth := figure{Name: "Growth a day", Value: f.Scan.growthADay(t.growth), Note: f.Scan.trend()}
	lost := figure{Name: "Lost", Value: human.Count(t.lost), Note: fmt.Sprintf("offsets, of %s in gaps",
		human.Count(t.lost+t.apart+t.removed))}
	if t.lost > 0 {
		lost.Class = "bad"
	}
	threat := figure{Name: "Time to loss", Value: "no threat", Note: "Kafka keeps what waits"}
	if sum.Blind > 0 {
		threat.Value, threat.Note = "unknown", "no tick has looked at "+human.Some(int64(sum.Blind), "partition")
	}
	if !sum.Threat.IsZero() {
		threat.Value, threat.Class = untilLoss(sum, f.Now), threatClass(sum, f)
		threat.Note = "until Kafka may delete what waits"
	}
	topics := len(condition.ByTopic(f.Seen.Rows))
	p.Figures = []figure{
		{"Archived", archived, note, ""},
		{"Lag", sum.KnownLag(), "offsets that wait", warnIf(sum.Blind > 0)},
		threat,
		lost,
		{"Records", human.Count(sum.Records), fmt.Sprintf("%s, %s", human.Some(int64(topics), "topic"),
			human.Some(int64(len(f.Seen.Rows)), "partition")), ""},
		{"Stored", human.Size(sum.StoredBytes), fmt.Sprintf("of %s raw, %s", human.Size(sum.RawBytes),
			human.Some(t.objects, "object")), ""},
		growth,
		{"A month costs", p.CostTotal, "at list prices", ""},
	}
}

// share is how much of the offsets that were to be archived is archived, and of how many.
func share(sum condition.Judged, t tally) (text, note string) {
	whole := t.archived + t.lost + t.removed + waitingOf(sum, t)
	switch {
	case whole == 0 && sum.Blind > 0:
		return "unknown", "no tick has looked"
	case whole == 0:
		return "-", "nothing to archive"
	case sum.Blind > 0:
		return "unknown", "of " + human.Count(whole) + " offsets or more"
	}
	return percent(t.archived, whole), "of " + human.Count(whole) + " offsets"
}

// waitingOf is how many offsets are in no object and no gap. Of a sum of partitions the
// offsets are sums too.
func waitingOf(sum condition.Judged, t tally) int64 {
	return max(0, max(sum.LastStable, sum.NextOffset)-t.archived-t.lost-t.apart-t.removed)
}

// trend compares a week with the one before, and says how much of a week there is.
func (s *Scan) trend() string {
	week, before, span := s.total.growth, s.total.growthBefore, s.grownFor()
	switch {
	case span > 0 && span < leastGrown:
		return "the records are of the last " + human.Span(span)
	case week == 0 && before == 0:
		return "nothing in two weeks"
	case span < 7*24*time.Hour:
		return "stored, over the last " + human.Span(span)
	case before == 0:
		return "stored, over a week; nothing in the week before"
	}
	change := 100 * (float64(week) - float64(before)) / float64(before)
	if change > 999 {
		return "stored, over a week; more than ten times the week before"
	}
	return fmt.Sprintf("stored, over a week; %+.0f %% to the week before", change)
}

func warnIf(yes bool) string {
	if yes {
		return "warn"
	}
	return ""
}
