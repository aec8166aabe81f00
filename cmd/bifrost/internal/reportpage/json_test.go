package reportpage

import (
	"encoding/json"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// The JSON tells what the page tells, with numbers: what is lost is not what is in a gap.
func TestTheReportAsJSON(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 900)
	p.LastStable, p.HighWatermark, p.LossAt = 1000, 1000, now.Add(-day(1)) // it may be deleted at any moment
	a.object(p.Partition, 0, 500, day(10), 0, 5000)
	a.gap(p.Partition, 500, 600, bifrost.ReasonRetention)
	a.gap(p.Partition, 600, 800, bifrost.ReasonErased)
	a.gap(p.Partition, 800, 900, bifrost.ReasonSkipped)
	a.partition("orders@"+bifrost.TopicID{1}.String(), 0, 0)
	f := a.facts(t)
	page := NewPage(f)
	text, err := json.Marshal(page.JSON(f))
	if err != nil {
		t.Fatal(err)
	}
	var got JSON
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Verdict != page.Verdict || len(got.Findings) != len(page.Findings) || *got.At != "2026-03-30T08:00:00.000Z" {
		t.Errorf("%s; the page says %+v", text, page.Verdict)
	}
	topic := got.Topics[0]
	if len(got.Topics) != 2 || got.Topics[1].KafkaTopic != "orders" || got.Topics[1].Name == "orders" || topic.Name != "orders" ||
		topic.Archived != 500 || topic.Lost != 100 || topic.Removed != 200 || topic.Apart != 100 || *topic.Lag != 100 ||
		*topic.LossAt != *got.At || topic.Growth == nil {
		t.Errorf("topics of %s", text)
	}
	if len(got.Gaps) != 3 || !got.Gaps[0].Lost || got.Gaps[0].Start != 500 || got.Gaps[1].Lost || got.MoreGaps != 0 {
		t.Errorf("gaps of %s", text)
	}
	if len(got.Verifications) != 1 || len(got.Captures) != 1 || got.Captures[0].ClusterID != "c" || got.Dollars.Monitoring != monitoring {
		t.Errorf("checks of %s", text)
	}
}
