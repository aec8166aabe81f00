package reportpage

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// The most is told with both ends of its bucket, which may be long.
func TestTheMostHasASpan(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 20).Partition
	a.object(p, 0, 10, day(10), day(10)-time.Minute, 10)
	a.object(p, 10, 20, 58*time.Minute, 57*time.Minute, 1_000_000)
	a.rows[0].LastRecordAt = now
	c := newRateChart(a.scan(t, readback.Times{}))
	if want := "from 2026-03-30 06:30 to 08:00."; !strings.Contains(c.Summary, want) {
		t.Errorf("%q, want %q in it", c.Summary, want)
	}
	for want, to := range map[string]time.Duration{
		"from 2026-03-30 08:00 to 08:01": 20 * time.Second, "from 2026-03-30 08:00 to 2026-03-31 08:00": day(1),
	} {
		if got := (&Scan{from: now, to: now.Add(day(1))}).spanOf(now, now.Add(to)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Times are told as finely as columns are wide, so that no two of them have the same; and a rate is told
// with what it is the mean of.
func TestTimesAreAsFineAsColumns(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{
		20 * time.Minute:  "A bar is the mean of 7.5s. The highest is 10 MB/s, from 2026-03-30 07:50:00 to 07:50:08.",
		16 * time.Second:  "A bar is the mean of 100ms. The highest is 750 MB/s, from 2026-03-30 07:59:52.000 to 07:59:52.100.",
		160 * time.Hour:   "A bar is the mean of 1h00m. The highest is 21 kB/s, from 2026-03-27 00:00 to 01:00.",
		160 * time.Minute: "A bar is the mean of 1m. The highest is 1.2 MB/s, from 2026-03-30 06:40 to 06:41.",
	} {
		a := newArchive()
		p := a.partition("orders", 0, 30).Partition
		a.object(p, 0, 10, length, length, 1)
		a.object(p, 10, 20, length/2, length/2, 75_000_000)
		a.gap(p, 20, 25, bifrost.ReasonRetention)
		a.object(p, 25, 30, 0, 0, 1)
		s := a.scan(t, readback.Times{})
		c := newRateChart(s)
		if !strings.HasPrefix(c.Summary, want) {
			t.Errorf("%s: %q, want %q", length, c.Summary, want)
		}
		seen := map[string]bool{}
		for _, row := range c.Table {
			if seen[row.From] {
				t.Errorf("%s: two rows from %s", length, row.From)
			}
			seen[row.From] = true
		}
		middle := s.short(now.Add(-length / 2))
		if spans := spansOf(&s.partitions[0].cells, s); !strings.Contains(spans, "lost "+middle+" to ") {
			t.Errorf("%s: %q, want lost from %s", length, spans, middle)
		}
	}
}

// A loss takes the time between the records around it; where no record follows, it is a mark, and what
// is at work behind it goes on until now.
func TestALossTakesTheTimeThatIsKnown(t *testing.T) {
	t.Parallel()
	object := func(a *archive, p bifrost.Partition, start int64, first, last time.Duration) {
		a.object(p, start, start+10, first, last, 1000)
	}
	for name, c := range map[string]struct {
		fill func(a *archive, p bifrost.Partition)
		want string // every 16th column, which is ten minutes of 100
	}{
		"records around it": {func(a *archive, p bifrost.Partition) {
			object(a, p, 0, 100*time.Minute, 70*time.Minute)
			a.gap(p, 10, 20, bifrost.ReasonRetention)
			object(a, p, 20, 60*time.Minute, 0)
		}, "aaalaaaaaa"},
		"in a moment": {func(a *archive, p bifrost.Partition) {
			object(a, p, 0, 100*time.Minute, 74*time.Minute)
			a.gap(p, 10, 20, bifrost.ReasonRetention)
			object(a, p, 20, 74*time.Minute, 0)
		}, "aaaaaaaaaa 1"},
		"none behind it": {func(a *archive, p bifrost.Partition) {
			object(a, p, 0, 100*time.Minute, 74*time.Minute)
			a.gap(p, 10, 20, bifrost.ReasonRetention)
		}, "aaa------- 1"},
		"work behind it": {func(a *archive, p bifrost.Partition) {
			object(a, p, 0, 100*time.Minute, 74*time.Minute)
			a.gap(p, 10, 20, bifrost.ReasonRetention)
			a.planned(p, 20, 30)
		}, "aaafffffff 1"},
		"no record": {func(a *archive, p bifrost.Partition) { // it was recorded an hour ago
			a.gap(p, 0, 10, bifrost.ReasonRetention)
		}, "---------- 1"},
	} {
		a := newArchive()
		object(a, a.partition("other", 0, 10).Partition, 0, 100*time.Minute, 0)
		p := a.partition("orders", 0, 30).Partition
		c.fill(a, p)
		s := a.scan(t, readback.Times{})
		cells, got, marks := s.partitions[1].cells, "", 0
		for n := 8; n < columns; n += columns / 10 {
			got += string("-gafl"[cells[n]])
		}
		for _, cell := range cells {
			if cell == stateLost {
				marks++
			}
		}
		if marks == 1 {
			got += " 1"
		}
		if got != c.want {
			t.Errorf("%s: %s with %d columns lost, want %s", name, got, marks, c.want)
		}
		if name == "no record" && cells[s.columnOf(now.Add(-time.Hour))] != stateLost {
			t.Error("a loss in a partition without a record is not where it was recorded")
		}
	}
}

// rule is what the style sheet says of a selector, all of it.
func rule(selector string) (all string) {
	pattern := regexp.MustCompile(`(?:^|[}\n,]) ?` + regexp.QuoteMeta(selector) + ` \{([^}]*)\}`)
	for _, found := range pattern.FindAllStringSubmatch(pageText, -1) {
		all += found[1]
	}
	return all
}

// Labels of the chart stand beside the bars, in a margin that the axis below has as well.
func TestLabelsOfTheChartStandBesideIt(t *testing.T) {
	t.Parallel()
	if label := rule(".chart div span"); !strings.Contains(label, "left: 100%") {
		t.Errorf("a label is at %q", label)
	}
	if !strings.Contains(pageText, ".chart, .chart + .axis { margin-right: 5rem; }") {
		t.Error("chart and axis have no margin for labels")
	}
}

// Tables that stand side by side fit onto a phone: their cells break, and none asks for more
// than its part of 335 pixels.
func TestTablesSideBySideFitOntoAPhone(t *testing.T) {
	t.Parallel()
	if !strings.Contains(rule(".two .scroll td"), "white-space: normal") {
		t.Error("cells do not break")
	}
	var rem float64
	_, err := fmt.Sscanf(strings.TrimSpace(rule(".two .scroll td.w")), "min-width: %frem;", &rem)
	if err != nil || rem > 4 {
		t.Errorf("cells ask for %v rem: %v", rem, err)
	}
	if !strings.Contains(pageText, `{{range .Captures}}<tr><td class="w">`) {
		t.Error("the ID of a cluster does not break")
	}
}

// On a phone a table is a list, in which each cell says what its column is called: nothing has to
// be pushed sideways.
func TestTablesAreListsOnAPhone(t *testing.T) {
	t.Parallel()
	_, phone, found := strings.Cut(pageText, "@media (max-width: 40rem) {\n.scroll table")
	phone, _, _ = strings.Cut(phone, "\n}\n")
	if !found {
		t.Fatal("there is no style for phones")
	}
	headings := regexp.MustCompile(`<th scope="col"[^>]*>(\{\{[^}]*\}\}|[^<]*)`)
	tables := regexp.MustCompile(`<div class="(scroll|parts)"[^>]*><table(?: class="([^"]*)")?>`).FindAllStringSubmatchIndex(pageText, -1)
	if len(tables) < 11 {
		t.Fatalf("%d tables", len(tables))
	}
	for _, at := range tables {
		of := ".parts"
		if pageText[at[2]:at[3]] == "scroll" {
			if at[4] < 0 {
				t.Errorf("a table without a class: %s", pageText[at[0]:at[1]])
				continue
			}
			of = "." + pageText[at[4]:at[5]]
		}
		head, _, _ := strings.Cut(pageText[at[0]:], "</thead>")
		for n, name := range headings.FindAllStringSubmatch(head, -1) {
			want := fmt.Sprintf(`%s td:nth-child(%d)::before { content: "%s"; }`, of, n+1, name[1])
			if n > 0 && !strings.HasPrefix(name[1], "{{") && !strings.Contains(phone, want) {
				t.Errorf("the style for phones lacks %s", want)
			}
		}
	}
}
