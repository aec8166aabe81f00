package reportpage

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

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
		if got := spanOf(now, now.Add(to)); got != want {
			t.Errorf("%s, want %s", got, want)
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
