package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What a gap is called is decided once, by its reason: ls shows as LOST and selects as LOST
// what the glossary calls lost, and everything else that is a gap as GAP, and so does flush.
func TestAGapIsCalledTheSameEverywhere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/glossary.md")
	must(t, err)
	entry := ""
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| lost |") {
			entry, _, _ = strings.Cut(line, "Gaps of other reasons")
		}
	}
	lost := 0
	for _, reason := range []string{bifrost.ReasonBeforeFirstSight, bifrost.ReasonSkipped, bifrost.ReasonRetention,
		bifrost.ReasonRequest, bifrost.ReasonTopicDeleted, bifrost.ReasonForked, bifrost.ReasonDiverged,
		bifrost.ReasonErased} {
		row := bifrost.Row{State: bifrost.StateLost, GapReason: reason}
		want, words := "GAP", "in a gap, "
		if strings.Contains(entry, "`"+reason+"`") {
			want, words = "LOST", "lost ("
			lost++
		}
		asked := (&ls{state: "LOST"}).isAsked(row)
		wrote := bifrost.RangeResult{Outcome: bifrost.OutcomeLost, GapReason: reason}
		var out bytes.Buffer
		f := &flush{work: work{App: app.New(nil, &out, io.Discard), results: []bifrost.RangeResult{wrote}}, json: true}
		must(t, f.showResults(true))
		var shown flushJSON
		must(t, json.Unmarshal(out.Bytes(), &shown))
		if got := shown.Ranges[0].Outcome; got != strings.ToLower(want) || outcomeWord(wrote) != got {
			t.Errorf("%s: flush shows %s, want %s", reason, got, strings.ToLower(want))
		}
		if got := stateCell(row).Text; got != want || newRangeJSON(row).State != want || asked != (want == "LOST") || newRangeJSON(row).Lost != asked ||
			bifrost.IsLoss(reason) != asked || !strings.HasPrefix(bifrost.DescribeGap(reason), words) ||
			!(&ls{state: "GAP"}).isAsked(row) {
			t.Errorf("%s: ls shows %s, want %s; selected as LOST: %v; described as %s", reason, got, want, asked,
				bifrost.DescribeGap(reason))
		}
	}
	if lost != 2 {
		t.Errorf("the glossary calls gaps of %d reasons lost: %q", lost, entry)
	}
}
