// The table of topics, with their partitions on request.

package reportpage

import (
	"cmp"
	"fmt"
	"html/template"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// mostPageBytes bounds what topics and partitions take of the page, about: what is larger
// is opened by nobody on a phone. It is a variable because tests make it small.
var mostPageBytes = 2_700_000

// What a line takes of the page beside its names, errors and strip.
const (
	topicBytes     = 442
	partitionBytes = 227
	openedBytes    = 900
)

// htmlLength is how long a text is once it is escaped.
func htmlLength(text string) int { return len(template.HTMLEscapeString(text)) }

// pageLine is what a topic and a partition have in common.
type pageLine struct {
	Name, Status, StatusClass      string
	Strip                          strip
	Archived, Lag, LagClass        string
	ToLoss, ToLossClass            string
	Lost, Records, Stored, Last    string
	Error, ErrorClass, End, Offset string
}

// pageTopic is one topic.
type pageTopic struct {
	pageLine
	Count, Raw, Growth, Month string
	Spans                     string // in words, what the strip shows
	Partitions                []pageLine
	Opened                    string // the words that open its partitions; empty for a single one
	MorePartitions            string // which are not listed; empty for none
}

// strip is a stretch of time as paths of an SVG, one for each state.
type strip struct{ Archived, Flight, Apart, Lost string }

// stretches are the columns between which the state stays the same: where each begins, and
// where the next one does.
func stretches(cells *[columns]state) iter.Seq2[int, int] {
	return func(yield func(first, end int) bool) {
		for first, end := 0, 1; first < columns; first, end = end, end+1 {
			for end < columns && cells[end] == cells[first] {
				end++
			}
			if !yield(first, end) {
				return
			}
		}
	}
}

// newStrip draws the cells: each stretch of one state is a line as thick as the strip.
func newStrip(cells *[columns]state) strip {
	var paths [stateLost + 1]strings.Builder
	for first, end := range stretches(cells) {
		fmt.Fprintf(&paths[cells[first]], "M%d 5h%d", first, end-first)
	}
	return strip{paths[stateArchived].String(), paths[stateInFlight].String(), paths[stateApart].String(),
		paths[stateLost].String()}
}

func (s strip) size() int { return len(s.Archived) + len(s.Flight) + len(s.Apart) + len(s.Lost) }

// group is a topic with what its rows tell.
type group struct {
	rows  []condition.Judged
	scans []partitionScan
	sum   condition.Judged
	tally tally
}

// groupsOf puts partitions into topics: those that need a person first, then those that
// lost something, each in order of names.
func groupsOf(f Facts) []group {
	var all []group
	n := 0
	for _, rows := range condition.ByTopic(f.Seen.Rows) {
		g := group{rows: rows, scans: f.Scan.partitions[n : n+len(rows)], sum: condition.SumOf(rows)}
		for _, s := range g.scans {
			g.tally.addTally(s.tally)
		}
		all = append(all, g)
		n += len(rows)
	}
	slices.SortStableFunc(all, func(a, b group) int {
		return cmp.Or(boolFirst(slices.ContainsFunc(a.rows, condition.Unhealthy),
			slices.ContainsFunc(b.rows, condition.Unhealthy)), boolFirst(a.tally.lost > 0, b.tally.lost > 0))
	})
	return all
}

func (p *Page) topicSection(f Facts) {
	groups := groupsOf(f)
	left := mostPageBytes
	for n, g := range groups {
		topic := newTopic(g, f)
		left -= topicBytes + htmlLength(topic.Name) + htmlLength(topic.Error) + topic.Strip.size() + len(topic.Spans)
		if left < 0 && n > 0 {
			p.MoreTopics = fmt.Sprintf("%s more are not listed, none of which is worse than those that are: "+
				"bifrost report TOPIC ... shows those that are named.", human.Some(int64(len(groups)-n), "topic"))
			return
		}
		p.Topics = append(p.Topics, topic)
	}
	// Topics come first; their partitions take what is left.
	closed := 0
	for n, g := range groups {
		left = p.Topics[n].addPartitions(g, f, left)
		if p.Topics[n].Opened == "" && len(g.rows) > 1 {
			closed++
		}
	}
	if closed > 0 {
		p.MoreTopics = fmt.Sprintf("The partitions of %s are not listed, for want of room: bifrost report TOPIC ... "+
			"lists those of the topics that are named.", human.Some(int64(closed), "topic"))
	}
}

func newTopic(g group, f Facts) pageTopic {
	var cells [columns]state
	for _, s := range g.scans {
		for n, c := range s.cells {
			cells[n] = max(cells[n], c)
		}
	}
	t := pageTopic{
		pageLine: newLine(g.sum, g.tally, &cells, f),
		Count:    human.Some(int64(len(g.rows)), "partition"),
		Raw:      human.Size(g.sum.RawBytes),
		Growth:   f.Scan.growthADay(g.tally.growth),
		Month:    dollars(storageCost(g.sum.StoredBytes, f.Price)),
		Spans:    spansOf(&cells, f.Scan),
	}
	t.Name = g.sum.Name
	return t
}

// addPartitions lists the partitions, those that need a person first, as far as there is
// room, and answers what is left of it.
func (t *pageTopic) addPartitions(g group, f Facts, left int) int {
	opened := openedBytes + 2*htmlLength(t.Name)
	if len(g.rows) == 1 || left < opened+partitionBytes {
		return left
	}
	order := make([]int, len(g.rows))
	sick := 0
	for i := range order {
		order[i] = i
		if condition.Unhealthy(g.rows[i]) {
			sick++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return boolFirst(condition.Unhealthy(g.rows[a]), condition.Unhealthy(g.rows[b]))
	})
	left -= opened
	t.Opened = t.Count
	if sick > 0 {
		t.Opened += fmt.Sprintf(", %s unhealthy", human.Count(int64(sick)))
	}
	for n, i := range order {
		line := newLine(g.rows[i], g.scans[i].tally, &g.scans[i].cells, f)
		line.Name = fmt.Sprint(g.rows[i].Number)
		if line.StatusClass == "good" {
			line.StatusClass = "" // said of ten thousand partitions, it takes room and tells nothing
		}
		left -= partitionBytes + htmlLength(line.Error) + line.Strip.size()
		if left < 0 {
			t.MorePartitions = human.Some(int64(len(order)-n), "partition") + " more: bifrost status --partitions lists all."
			return 0
		}
		t.Partitions = append(t.Partitions, line)
	}
	return left
}

func newLine(p condition.Judged, t tally, cells *[columns]state, f Facts) pageLine {
	archived, _ := share(p, t)
	l := pageLine{
		Status:      string(p.Status),
		StatusClass: statusClass(p),
		Strip:       newStrip(cells),
		Archived:    archived,
		Lag:         p.KnownLag(),
		LagClass:    warnIf(p.Blind > 0),
		ToLoss:      untilLoss(p, f.Now),
		ToLossClass: threatClass(p, f),
		Records:     human.Count(p.Records),
		Stored:      human.Size(p.StoredBytes),
		Last:        human.Ago(p.LastRecordAt, f.Now),
		End:         p.KnownEnd(),
		Offset:      human.Count(p.NextOffset),
	}
	if t.lost > 0 {
		l.Lost = human.Count(t.lost)
	}
	if cell := condition.ErrorCell(p); cell.Text != "" {
		l.Error, l.ErrorClass = cell.Text, warnIf(!condition.Unhealthy(p))
	}
	return l
}

func statusClass(p condition.Judged) string {
	switch {
	case condition.Unhealthy(p):
		return "bad"
	case p.Status == bifrost.StatusOpen:
		return "good"
	}
	return ""
}

// untilLoss is how long until Kafka may delete what is not archived; empty for no threat.
func untilLoss(p condition.Judged, now time.Time) string {
	switch {
	case p.Threat.IsZero() && p.Blind > 0:
		return "unknown"
	case p.Threat.IsZero():
		return ""
	case !p.Threat.After(now):
		return "now"
	}
	return human.Span(p.Threat.Sub(now))
}

// threatClass tells what is near from what is far: the alarm rings at the same time.
func threatClass(p condition.Judged, f Facts) string {
	switch {
	case p.Threat.IsZero():
		return warnIf(p.Blind > 0)
	case p.Threat.Sub(f.Now) < f.Config.TimeToLoss:
		return "bad"
	}
	return ""
}

// stateWords are the words for a strip.
var stateWords = [...]string{"", "gap, no loss", "archived", "planned or at work", "lost"}

// spansOf says in words what a strip shows, for whoever does not see it.
func spansOf(cells *[columns]state, s *Scan) string {
	var spans []string
	for first, end := range stretches(cells) {
		if word := stateWords[cells[first]]; word != "" {
			spans = append(spans, fmt.Sprintf("%s %s to %s", word, s.short(s.columnStart(first)),
				s.short(s.columnStart(end))))
		}
	}
	const most = 4
	if len(spans) > most {
		spans = append(spans[:most], human.InNumber(fmt.Sprintf("and %d more stretches", len(spans)-most)))
	}
	if len(spans) == 0 {
		return "no records in this time"
	}
	return strings.Join(spans, "; ")
}

// pageThreat is a partition in which something waits that Kafka may delete.
type pageThreat struct{ Partition, ToLoss, Class, Lag, At, Status string }

// mostNearest is how many of them are listed.
const mostNearest = 10

// threatSection lists what is nearest to loss, then what is furthest behind.
func (p *Page) threatSection(f Facts) {
	var waiting []condition.Judged
	for _, row := range f.Seen.Rows {
		if !row.Threat.IsZero() || row.Lag() > 0 {
			waiting = append(waiting, row)
		}
	}
	slices.SortStableFunc(waiting, func(a, b condition.Judged) int {
		if a.Threat.IsZero() != b.Threat.IsZero() {
			return boolFirst(!a.Threat.IsZero(), !b.Threat.IsZero())
		}
		return cmp.Or(a.Threat.Compare(b.Threat), cmp.Compare(b.Lag(), a.Lag()))
	})
	for _, row := range waiting[:min(mostNearest, len(waiting))] {
		p.Nearest = append(p.Nearest, pageThreat{
			Partition: row.String(),
			ToLoss:    cmp.Or(untilLoss(row, f.Now), "no threat"),
			Class:     threatClass(row, f),
			Lag:       row.KnownLag(),
			At:        human.Ago(row.At, f.Now),
			Status:    string(row.Status),
		})
	}
	if more := len(waiting) - len(p.Nearest); more > 0 {
		p.MoreNearest = human.Some(int64(more), "more partition")
	}
}
