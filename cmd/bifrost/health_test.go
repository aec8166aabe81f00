package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/reportpage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// wellnessOf judges rows with what ticks would have left behind if the rows were
// written just now.
func wellnessOf(now time.Time, rows ...bifrost.Progress) error {
	sights := health.Sights{Patience: time.Hour, Now: now}
	return condition.Overview{Rows: condition.JudgeRows(rows, sights), Ticks: sights}.Failure()
}

// healthCase is one thing that nobody may take for well, or that is well.
type healthCase struct {
	name  string
	row   func(p *bifrost.Progress)
	ticks func(r *bifrost.TickRecord) []bifrost.TickRecord
	word  string // in the page and in the JSON; empty: healthy
}

var healthCases = []healthCase{
	{name: "an idle partition that the last tick has seen"},
	{name: "a partition without a leader", word: "no leader", row: func(p *bifrost.Progress) {
		p.Trouble = bifrost.Trouble{Error: "list offsets: no leader", Since: p.At.Add(23 * time.Hour), At: p.At.Add(23 * time.Hour)}
	}},
	{name: "a row of a cluster that was replaced", word: "[100, 130) at least were never archived", row: func(p *bifrost.Progress) {
		p.ClusterID, p.LastStable = "old", 130
	}},
	{name: "the same, all archived", word: "the brokers are those of cluster new", row: func(p *bifrost.Progress) { p.ClusterID = "old" }},
	{name: "a row of a release that left no records, long ago", word: "no tick is on record",
		ticks: func(*bifrost.TickRecord) []bifrost.TickRecord { return nil }},
	{name: "the same, written just now", row: func(p *bifrost.Progress) { p.At = p.At.Add(24 * time.Hour) },
		ticks: func(*bifrost.TickRecord) []bifrost.TickRecord { return nil }},
	{name: "a row that says nothing of its time", word: "no tick is known to have looked at it", row: func(p *bifrost.Progress) { p.At = time.Time{} },
		ticks: func(*bifrost.TickRecord) []bifrost.TickRecord { return nil }},
	{name: "a schedule that has stopped", word: "no tick has ended since", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.StartedAt, r.EndedAt, r.CompleteAt = r.StartedAt.Add(-20*time.Hour), r.EndedAt.Add(-20*time.Hour), r.CompleteAt.Add(-20*time.Hour)
		return []bifrost.TickRecord{*r}
	}},
	{name: "a tick that failed as a whole", word: "failed: no broker", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		failed := bifrost.TickRecord{ID: "failed", StartedAt: r.StartedAt.Add(time.Second), EndedAt: r.EndedAt.Add(time.Second), Error: "no broker"}
		return []bifrost.TickRecord{*r, failed}
	}},
	{name: "a tick that failed before a good one", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		failed := bifrost.TickRecord{ID: "failed", StartedAt: r.StartedAt.Add(-time.Minute), EndedAt: r.EndedAt.Add(-time.Minute), Error: "no broker"}
		return []bifrost.TickRecord{failed, *r}
	}},
	{name: "ticks that run out of time", word: "ran out of time", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.Unfinished, r.CompleteAt = 7, r.CompleteAt.Add(-2*time.Hour)
		return []bifrost.TickRecord{*r}
	}},
	{name: "one that runs out of time", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.Unfinished, r.CompleteAt = 7, r.CompleteAt.Add(-10*time.Minute)
		return []bifrost.TickRecord{*r}
	}},
	{name: "a topic that is not selected any more", ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.Filter.Exclude = []string{"ord*"}
		return []bifrost.TickRecord{*r}
	}},
	{name: "one that had no leader when it was selected", row: func(p *bifrost.Progress) {
		p.Trouble = bifrost.Trouble{Error: "no leader", Since: p.At, At: p.At}
	}, ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.Filter.Exclude = []string{"ord*"}
		return []bifrost.TickRecord{*r}
	}},
	{name: "a cluster that has no ID", row: func(p *bifrost.Progress) { p.ClusterID = "" }, ticks: func(r *bifrost.TickRecord) []bifrost.TickRecord {
		r.ClusterID = ""
		return []bifrost.TickRecord{*r}
	}},
	{name: "one that was deleted", row: func(p *bifrost.Progress) { p.Status, p.ClusterID = bifrost.StatusClosed, "old" }},
	{name: "a branch that was left", row: func(p *bifrost.Progress) {
		p.Status, p.Error, p.ClusterID = bifrost.StatusForked, "goes on elsewhere", "old"
	}},
}

// Each is judged the same by the exit code of status, its table, its JSON and the
// report.
func TestWhatWasNotLookedAtIsNotWell(t *testing.T) {
	t.Parallel()
	for _, c := range healthCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			p := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, ClusterID: "new", Status: bifrost.StatusOpen, NextOffset: 100, PlannedOffset: 100}
			p.LastStable, p.HighWatermark, p.At = 100, 100, now.Add(-24*time.Hour)
			if c.row != nil {
				c.row(&p)
			}
			record := bifrost.TickRecord{ID: "last", ClusterID: "new", StartedAt: now.Add(-time.Minute), EndedAt: now.Add(-50 * time.Second), CompleteAt: now.Add(-55 * time.Second)}
			ticks := []bifrost.TickRecord{record}
			if c.ticks != nil {
				ticks = c.ticks(&record)
			}
			sights := condition.NewSights(config.Config{Stalled: 45 * time.Minute}, ticks, now)
			w := condition.Overview{Rows: condition.JudgeRows([]bifrost.Progress{p}, sights), Ticks: sights}
			healthy := c.word == ""
			if err := w.Failure(); (err == nil) != healthy || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("status ends with %v", err)
			}
			js := newStatusJSON(w, now)
			text, _ := json.Marshal(js)
			if js.Healthy != healthy || !strings.Contains(string(text), c.word) {
				t.Errorf("status --json says %s", text)
			}
			var table bytes.Buffer
			if err := partitionTable(w.Rows, now).WriteTable(&table, 0, false); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(table.String()+w.TickProblem(), c.word) {
				t.Errorf("status says %q\n%s", w.TickProblem(), table.String())
			}
			scan, err := reportpage.NewScan(t.Context(), bifrosttest.NewLedger(), w.Rows, readback.Times{}, now)
			if err != nil {
				t.Fatal(err)
			}
			var page bytes.Buffer
			facts := reportpage.Facts{Seen: w, Scan: scan, Now: now}
			if err := reportpage.NewPage(facts).WritePage(&page); err != nil {
				t.Fatal(err)
			}
			got := !strings.Contains(page.String(), `class="verdict bad"`)
			if got != healthy || got != strings.Contains(page.String(), `class="verdict good"`) || !strings.Contains(page.String(), c.word) {
				t.Errorf("the report calls it healthy: %v", got)
			}
		})
	}
}

// A forecast is shown while it applies: of records that are not archived, and never
// as a time that has passed.
func TestForecastsThatStillApply(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	past, ahead := now.Add(-time.Hour), now.Add(time.Hour)
	for name, c := range map[string]struct {
		next, stable, mark int64
		lossAt             time.Time
		cell               string
		json               time.Time
	}{
		"idle and archived":                {100, 100, 100, past, "", time.Time{}},
		"idle, archived, and once ahead":   {100, 100, 100, ahead, "", time.Time{}},
		"something waits":                  {90, 100, 100, ahead, "1h00m", ahead},
		"something waits, and is overdue":  {90, 100, 100, past, "now", now},
		"something waits in a transaction": {100, 100, 120, past, "now", now},
		"nothing threatens":                {90, 100, 100, time.Time{}, "", time.Time{}},
	} {
		p := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, Status: bifrost.StatusOpen, NextOffset: c.next}
		p.LastStable, p.HighWatermark, p.At, p.LossAt = c.stable, c.mark, past, c.lossAt
		rows := condition.JudgeRows([]bifrost.Progress{p}, health.Sights{Now: now})
		if got := lossCell(rows[0], now).Text; got != c.cell {
			t.Errorf("%s: to loss %q, want %q", name, got, c.cell)
		}
		if got := lossCell(condition.SumOf(rows), now).Text; got != c.cell {
			t.Errorf("%s: to loss of the topic %q, want %q", name, got, c.cell)
		}
		got, want := newStatusJSON(condition.Overview{Rows: rows}, now).Partitions[0].LossAt, human.Timestamp(c.json)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: loss_at %v, want %v", name, got, want)
		}
	}
}

// Of a stack that has archived nothing nobody knows whether it works: it is not called well, and the reason
// is the one that is known.
func TestNothingYetIsNotWell(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tick := bifrost.TickRecord{ID: "last", StartedAt: now.Add(-time.Minute), EndedAt: now, CompleteAt: now}
	failed, old := tick, tick
	failed.Error, old.EndedAt = "no broker", now.Add(-time.Hour)
	for says, ticks := range map[string][]bifrost.TickRecord{
		"no tick of discover has run on these tables":           nil,
		"at 2026-03-01 11:59:00Z, found no topic to archive":    {tick},
		"the last tick, at 2026-03-01T11:59:00Z, failed: no br": {failed},
		"no tick has ended since":                               {old},
	} {
		w := condition.Overview{Ticks: condition.NewSights(config.Config{Stalled: 45 * time.Minute}, ticks, now)}
		if err := w.Failure(); !app.IsUnhealthy(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("status ends with %v, want %q", err, says)
		}
		if newStatusJSON(w, now).Healthy {
			t.Errorf("%q is healthy", says)
		}
	}
	w := condition.Overview{Lost: "the tables are empty"}
	if err := w.Failure(); err == nil || err.Error() != w.Lost {
		t.Errorf("lost tables: %v", err)
	}
}
