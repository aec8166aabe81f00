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
	if err := wellnessOf(now, fine, behind); err != nil {
		t.Errorf("lag alone is called unhealthy")
	}
	for _, p := range []bifrost.Progress{failed, blocked, row("c", 0, bifrost.StatusDiverged)} {
		if wellnessOf(now, fine, p) == nil {
			t.Errorf("%s with error %q is called healthy", p.Status, p.Error)
		}
	}
	var out strings.Builder
	if err := topicTable(condition.JudgeRows([]bifrost.Progress{fine, behind, failed, blocked}, health.Sights{Patience: time.Hour, Now: now}), now).WriteTable(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
TOPIC     PARTS  STATUS     LAG  RECORDS  RAW  STORED  LAST RECORD  TO LOSS    SEEN  ERROR
a             2  OPEN     1,500      180  0 B     0 B       1m ago    1h00m  0s ago
b             2  BLOCKED      0      180  0 B     0 B       1m ago           0s ago  the broker is away
2 topics      4           1,500      360  0 B     0 B       1m ago    1h00m  0s ago
`, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
