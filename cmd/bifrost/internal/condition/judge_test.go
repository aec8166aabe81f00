package condition

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// ofDeleted is the suspicion of a partition whose topic is deleted.
const ofDeleted = "the topic is deleted"

// A partition of a topic that is deleted and of which all is archived needs nobody, unless a tick cannot close it.
func TestWhoNeedsAPerson(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change    func(*Judged)
		unhealthy bool
	}{
		"open":                         {func(*Judged) {}, false},
		"an error":                     {func(p *Judged) { p.Error = "x" }, true},
		"unseen":                       {func(p *Judged) { p.Unseen = "x" }, true},
		"its topic is deleted":         {func(p *Judged) { p.Suspicion = ofDeleted }, false},
		"and a tick meets an error":    {func(p *Judged) { p.Suspicion, p.Trouble.Error = ofDeleted, "x" }, true},
		"and nobody has seen it":       {func(p *Judged) { p.Suspicion, p.Unseen = ofDeleted, "x" }, true},
		"and records are not archived": {func(p *Judged) { p.Suspicion, p.HighWatermark = ofDeleted, 11 }, true},
		"and ranges are planned":       {func(p *Judged) { p.Suspicion, p.PlannedOffset = ofDeleted, 11 }, true},
		"left for another branch":      {func(p *Judged) { p.Status, p.Error = bifrost.StatusForked, "x" }, false},
		"blocked":                      {func(p *Judged) { p.Status = bifrost.StatusBlocked }, true},
	} {
		p := Judged{Progress: bifrost.Progress{Status: bifrost.StatusOpen, NextOffset: 10, PlannedOffset: 10}}
		p.LastStable, p.HighWatermark = 10, 10
		if c.change(&p); Unhealthy(p) != c.unhealthy {
			t.Errorf("%s: unhealthy %v", name, !c.unhealthy)
		}
	}
}

// Since when ticks meet an error is said of that error, and of no other one, which has no such time.
func TestSinceWhenAnErrorIs(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	trouble := bifrost.Trouble{Error: "no leader", Since: since}
	for want, p := range map[string]Judged{
		"no leader (since 2026-03-01 12:00:00Z)": {Progress: bifrost.Progress{Trouble: trouble, Error: "of an attempt"}},
		"of an attempt":                          {Progress: bifrost.Progress{Error: "of an attempt"}},
		"no tick looked":                         {Sight: health.Sight{Unseen: "no tick looked"}},
		notSelected:                              {Sight: health.Sight{Excluded: true}},
		"":                                       {},
	} {
		if got := ErrorCell(p).Text; got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}

// What a tick met that looked before the topic was left out is over: no tick will take it away.
func TestWhatIsLeftOutHasNoTrouble(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	trouble := bifrost.Trouble{Error: "no leader", Since: now, At: now}
	rows := []bifrost.Progress{{Partition: bifrost.Partition{Name: "orders"}, ClusterID: "c", Status: bifrost.StatusOpen,
		Observation: bifrost.Observation{At: now}, Trouble: trouble}}
	for exclude, want := range map[string]string{"orders": "", "payments": trouble.Error} {
		tick := bifrost.TickRecord{ClusterID: "c", CompleteAt: now, Filter: bifrost.TopicFilter{Exclude: []string{exclude}}}
		sights := health.Sights{Ticks: []bifrost.TickRecord{tick}, Patience: time.Hour, Now: now}
		if got := JudgeRows(rows, sights)[0].Trouble.Error; got != want {
			t.Errorf("without %s: trouble %q, want %q", exclude, got, want)
		}
	}
}

// noRanges is a catalogue without ranges.
type noRanges struct{ readback.Catalogue }

func (noRanges) RowsBelow(context.Context, bifrost.Partition, int64, int) ([]bifrost.Row, error) {
	return nil, nil
}

func (noRanges) Rows(context.Context, bifrost.Partition, int64, int) ([]bifrost.Row, error) {
	return nil, nil
}

// A partition whose row is gone stands where it would with its row, and Kafka does not say how far it is archived.
func TestARowThatIsGoneHasItsPlace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var rows []bifrost.Progress
	for _, p := range []bifrost.Partition{{Name: "orders", Number: 1}, {Name: "payments", Number: 0}} {
		rows = append(rows, bifrost.Progress{Partition: p, ClusterID: "here", TopicID: bifrost.TopicID{1}, Status: bifrost.StatusOpen})
	}
	all, err := AddGone(t.Context(), noRanges{}, Unjudged(rows))
	if err != nil || len(all) != 3 || all[0].Partition.String() != "orders/0" || all[0].Status != StatusUnknown {
		t.Fatalf("%+v, error %v", all, err)
	}
	if err := DescribeGone(all); !errors.Is(err, readback.ErrRowGone) || !strings.Contains(err.Error(), "orders/0") {
		t.Errorf("error %v", err)
	}
	cluster := answering{topics: []bifrost.Topic{{Name: "orders", ID: bifrost.TopicID{1}}},
		offsets: map[bifrost.TopicPartition]bifrost.OffsetAnswer{{Topic: "orders"}: {Observation: bifrost.Observation{LastStable: 9, At: now}}}}
	live := Overview{Rows: all}.Progress()
	if err := ObserveLive(t.Context(), cluster, live, now); err != nil || live[0].LastStable != 0 || live[0].Trouble.Error != "" {
		t.Errorf("looked at: %+v, error %v", live[0], err)
	}
}
