package bifrost

import (
	"testing"
	"time"
)

func TestWaitingSince(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.UnixMilli(0).Add(time.Duration(minute) * time.Minute) }
	behind := Progress{NextOffset: 10, Observation: Observation{LastStable: 20, At: at(50)}, LastPlannedAt: at(40)}
	caughtUp := Progress{NextOffset: 20, Observation: Observation{LastStable: 20, At: at(50)}, LastPlannedAt: at(40)}
	with := func(p Progress, record, archived int) Progress {
		p.LastRecordAt, p.LastArchivedAt = at(record), at(archived)
		return p
	}
	for name, c := range map[string]struct {
		p        Progress
		remember time.Time
		want     time.Time
	}{
		"nothing archived yet":                  {behind, time.Time{}, at(40)},
		"the record before it":                  {with(behind, 30, 45), time.Time{}, at(30)},
		"a producer's clock is ahead":           {with(behind, 99, 45), time.Time{}, at(45)},
		"nothing waited when it was observed":   {with(caughtUp, 30, 45), time.Time{}, at(50)},
		"an idle one that was caught up lately": {with(caughtUp, 30, 45), at(70), at(70)},
		"caught up once and behind again":       {with(behind, 60, 65), at(55), at(60)},
	} {
		if got := waitingSince(c.p, c.remember); !got.Equal(c.want) {
			t.Errorf("%s: since minute %v, want %v", name, got.Sub(at(0)).Minutes(), c.want.Sub(at(0)).Minutes())
		}
	}
}

// What a tick sees of a partition that was idle for an hour and has a new record
// is that record's time, not the hour.
func TestLagSecondsOfAnIdlePartition(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(0).Add(time.Hour)
	memory := new(CaughtUp)
	look := func(lastStable int64) time.Duration {
		p := &Progress{Partition: Partition{Name: "orders"}, NextOffset: 10, LastRecordAt: time.UnixMilli(1), LastArchivedAt: time.UnixMilli(1),
			Observation: Observation{LastStable: 10, At: time.UnixMilli(1)}}
		seen := Observation{LastStable: lastStable, At: now}
		v := &view{partitions: []*sighting{{seen: seen, progress: p}}}
		return memory.longestWait(v.partitions, Settings{}.SizingOf, now)
	}
	for _, step := range []struct {
		minute     int
		lastStable int64
		want       time.Duration
	}{{0, 10, 0}, {1, 11, time.Minute}, {3, 12, 3 * time.Minute}, {4, 10, 0}, {5, 11, time.Minute}} {
		now = time.UnixMilli(0).Add(time.Hour + time.Duration(step.minute)*time.Minute)
		if got := look(step.lastStable); got != step.want {
			t.Errorf("minute %d: waits for %v, want %v", step.minute, got, step.want)
		}
	}
}

// What is remembered of partitions that are gone goes with them: a cluster that makes
// and deletes topics all day long must not fill a warm function.
func TestNothingIsRememberedOfWhatIsGone(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(0).Add(time.Hour)
	memory, from := new(CaughtUp), &countedRetention{}
	kept := RememberRetention(from, time.Minute, func() time.Time { return now })
	for n := range int32(50) {
		p := &Progress{Partition: Partition{Name: "orders", Number: n}, Observation: Observation{At: now}}
		v := &view{partitions: []*sighting{{seen: Observation{At: now}, progress: p}}}
		memory.longestWait(v.partitions, Settings{}.SizingOf, now)
		if _, err := kept.Retention(t.Context(), []string{p.String()}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
	}
	if n := len(memory.at); n != 1 {
		t.Errorf("%d partitions are remembered, want the one that is there", n)
	}
	if n := len(kept.(*rememberedRetention).topics); n > 6 {
		t.Errorf("the retention of %d topics is remembered, want that of the last minute", n)
	}
}

func TestSinceArchived(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.UnixMilli(0).Add(time.Duration(minute) * time.Minute) }
	some := func(archived ...time.Time) *view {
		v := &view{partitions: []*sighting{{}}, planned: map[Partition][]Row{{Name: "a"}: {{PlannedAt: at(40)}, {PlannedAt: at(30)}}}}
		for _, a := range archived {
			v.partitions = append(v.partitions, &sighting{progress: &Progress{LastArchivedAt: a}})
		}
		return v
	}
	for _, c := range []struct {
		v    *view
		want time.Duration
	}{
		{some(at(10), at(50), time.Time{}), 10 * time.Minute},
		{some(time.Time{}), 30 * time.Minute}, // nothing ever was
		{&view{}, 0},
	} {
		if got := c.v.sinceArchived(at(60)); got != c.want {
			t.Errorf("%+v: %v, want %v", c.v, got, c.want)
		}
	}
}
