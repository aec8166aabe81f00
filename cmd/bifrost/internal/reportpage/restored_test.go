package reportpage

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/restore"
)

// section is the part of a page with the id.
func section(t *testing.T, page, id string) string {
	t.Helper()
	_, from, found := strings.Cut(page, `<section id="`+id+`"`)
	text, _, closed := strings.Cut(from, "</section>")
	if !found || !closed {
		t.Fatalf("the page has no section %s", id)
	}
	return text
}

// A restore has its groups on the page, each position with what stands against it, and a
// group of which no position is known.
func TestARestoreListsGroups(t *testing.T) {
	t.Parallel()
	committed := int64(1234)
	facts := newArchive().facts(t)
	facts.Restored = newRestoredPage(restore.Report{
		Capture: "c", Topics: []restore.TopicReport{{Topic: "orders", Partitions: 3, Records: 7, Bytes: 99}},
		Groups: []restore.GroupReport{
			{Group: "billing", State: "Stable", Stands: true, Positions: []restore.PositionReport{
				{Topic: "orders", Partition: 2, Source: 5678, Target: 1234, Committed: &committed, Stands: true},
			}},
			{Group: "mail", State: "Empty", Positions: []restore.PositionReport{
				{Topic: "orders", Partition: 1, Source: 90, Target: -1, Reason: "it was ahead of what is restored"},
			}},
			{Group: "shared", Reason: "not captured: a share group"},
			{Group: "idle", State: "Dead"},
		},
	})
	page := write(t, facts)
	checkMarkup(t, page)
	got := section(t, page, "restore")
	at := -1
	for _, line := range []string{
		`mail|Empty|orders/1|90|–|–|it was ahead of what is restored`, `shared||–|–|–|–|not captured: a share group`,
		`billing|Stable|orders/2|5,678|1,234|1,234|nothing`,
		`idle|Dead|–|–|–|–|nothing`,
	} {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(line), `\|`, `<td class="[^"]*">`)
		found := regexp.MustCompile(pattern).FindStringIndex(got)
		if found == nil || found[0] < at {
			t.Fatalf("%s is not there, or not in order, in %s", line, got)
		}
		at = found[0]
	}
}

// What a restore --finish would put back is not called a restore, nor what is lifted.
func TestARestoreIsCalledWhatItIs(t *testing.T) {
	t.Parallel()
	for words, r := range map[string]restore.Report{
		"restored into cluster t: 7 records, 99 B (keys and values).|Keys and values|Settings lifted":                                    {},
		"planned for cluster t: 7 records, 99 B (raw).|Raw|Settings lifted":                                                              {Plan: true},
		"whose topics' settings would be put back in cluster t: 7 records, 99 B (keys and values).|Keys and values|Settings to put back": {Plan: true, Finish: true},
		"whose topics' settings were put back in cluster t: 7 records, 99 B (keys and values).|Keys and values|Settings still lifted":    {Finish: true},
	} {
		r.Cluster, r.At, r.Target, r.Capture, r.Records, r.Bytes = "c", "now", "t", "k", 7, 99
		p := newRestoredPage(r)
		said, of, _ := strings.Cut(words, "|")
		if got := p.Size + "|" + p.Lifted; !strings.HasSuffix(p.Summary, said) || got != of {
			t.Errorf("%q, %q; want %q", p.Summary, got, words)
		}
		facts := newArchive().facts(t)
		facts.Restored = p
		if !strings.Contains(section(t, write(t, facts), "restore"), `class="r">`+p.Lifted+`<th`) {
			t.Errorf("the table does not say %s", p.Lifted)
		}
	}
}

func TestARestoreOfManyGroupsIsCounted(t *testing.T) {
	t.Parallel()
	positions := make([]restore.PositionReport, mostPositions+2)
	positions[mostPositions+1].Reason = "the needle"
	p := newRestoredPage(restore.Report{Groups: []restore.GroupReport{{Group: "g", Positions: positions}}})
	if len(p.Groups) != mostPositions || p.MoreGroups != "2 more positions" || p.Groups[0][6].Text != "the needle" {
		t.Errorf("%d positions, %q, the first %v", len(p.Groups), p.MoreGroups, p.Groups[0])
	}
}

// Numbers of a restore stand under their headers: both on the right, or both on the left.
func TestNumbersOfARestoreStandUnderTheirHeaders(t *testing.T) {
	t.Parallel()
	facts := newArchive().facts(t)
	facts.Restored = newRestoredPage(restore.Report{
		Topics: []restore.TopicReport{{Topic: "orders", Lifted: []restore.Setting{{Name: "retention.ms"}}}},
		Groups: []restore.GroupReport{{Group: "g", Positions: []restore.PositionReport{{Topic: "orders"}}},
			{Group: "h", Reason: "not captured"}},
		Differences: []restore.Difference{{Kind: "group", Name: "h", Reason: "not captured"}},
	})
	sides := func(cells [][]string) (all string) {
		for _, cell := range cells {
			side := "l"
			if strings.HasPrefix(cell[1], "r") {
				side = "r"
			}
			all += side
		}
		return all
	}
	tables := strings.Split(section(t, write(t, facts), "restore"), "<table ")[1:]
	if len(tables) != 3 {
		t.Fatalf("%d tables", len(tables))
	}
	for _, table := range tables {
		head, body, _ := strings.Cut(table, "<tbody>")
		want := sides(regexp.MustCompile(`<th scope="col"(?: class="([^"]*)")?>`).FindAllStringSubmatch(head, -1))
		for _, row := range strings.Split(body, "<tr>")[1:] {
			if got := sides(regexp.MustCompile(`<td class="([^"]*)">`).FindAllStringSubmatch(row, -1)); got != want {
				t.Errorf("headers stand %s, values %s: %s", want, got, row)
			}
		}
	}
}
