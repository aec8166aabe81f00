package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

func TestStatusShowsWhatIsWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	row := func(name string, number int32, status bifrost.Status) bifrost.Progress {
		p := bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}, Status: status, NextOffset: 100, LastRecordAt: now.Add(-time.Minute)}
		p.LastStable, p.Records, p.At = 100, 90, now
		return p
	}
	fine := row("a", 0, bifrost.StatusOpen)
	behind := row("a", 1, bifrost.StatusOpen)
	behind.LastStable, behind.LossAt = 1600, now.Add(time.Hour)
	failed := row("b", 0, bifrost.StatusOpen)
	failed.Error = "the broker is away"
	blocked := row("b", 1, bifrost.StatusBlocked)
	deleted := row("d", 0, bifrost.StatusOpen)
	deleted.LastStable, deleted.HighWatermark, deleted.LossAt = 107, 107, now.Add(7*24*time.Hour)
	deleted.Suspicion, deleted.Error = "the topic is deleted", "the topic is deleted"
	archived := row("e", 0, bifrost.StatusOpen) // all of it
	archived.Suspicion, archived.Error = deleted.Suspicion, deleted.Error
	closed := row("f", 0, bifrost.StatusClosed) // with a transaction that was open
	closed.HighWatermark, closed.LossAt = 103, now.Add(time.Minute)
	// What is left of a topic that is deleted is no reason to look once all of it is archived, and only then.
	if err := wellnessOf(now, fine, archived, closed); err != nil {
		t.Errorf("a topic that was archived and is deleted is called unhealthy: %v", err)
	}
	planned, open, away := archived, archived, archived
	planned.PlannedOffset, open.HighWatermark, away.Trouble.Error = 101, 101, "no leader"
	if err := wellnessOf(now, fine, behind); err != nil {
		t.Errorf("lag alone is called unhealthy")
	}
	for _, p := range []bifrost.Progress{failed, blocked, row("c", 0, bifrost.StatusDiverged), deleted, planned, open, away} {
		if wellnessOf(now, fine, p) == nil {
			t.Errorf("%s with error %q is called healthy", p.Status, p.Error)
		}
	}
	for _, p := range []bifrost.Progress{deleted, archived, closed} {
		if !p.Threat().IsZero() {
			t.Errorf("%s, of which no log is left, is threatened at %s", p.Name, p.Threat())
		}
	}
	var out strings.Builder
	if err := topicTable(condition.JudgeRows([]bifrost.Progress{fine, behind, failed, blocked, deleted, archived, closed}, health.Sights{Patience: time.Hour, Now: now}), now).WriteTable(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
TOPIC     PARTS  STATUS     LAG  RECORDS  RAW  STORED  LAST RECORD  TO LOSS    SEEN  ERROR
a             2  OPEN     1,500      180  0 B     0 B       1m ago    1h00m  0s ago
b             2  BLOCKED      0      180  0 B     0 B       1m ago           0s ago  the broker is away
d             1  OPEN         7       90  0 B     0 B       1m ago     lost  0s ago  the topic is deleted: 7 offsets were not archived, and the next ticks record them as lost
e             1  OPEN         0       90  0 B     0 B       1m ago           0s ago  the topic is deleted
f             1  CLOSED       0       90  0 B     0 B       1m ago                -
5 topics      7           1,507      630  0 B     0 B       1m ago     lost  0s ago
`, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
