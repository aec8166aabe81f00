package health

import (
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// sightAt has times that all differ, so that no two can stand for each other. They are those of a place
// two hours ahead, and told in UTC.
var sightAt = time.Date(2026, 3, 1, 14, 0, 0, 0, time.FixedZone("", 2*60*60))

const sightPatience = 45 * time.Minute

func minutesAgo(minutes float64) time.Time {
	return sightAt.Add(-time.Duration(minutes * float64(time.Minute)))
}

// What is wrong with the ticks is told by the time that belongs to it, and each
// limit has two sides.
func TestProblemsOfTicks(t *testing.T) {
	t.Parallel()
	good := bifrost.TickRecord{ClusterID: "c", StartedAt: minutesAgo(40), EndedAt: minutesAgo(39), CompleteAt: minutesAgo(38)}
	with := func(change func(r *bifrost.TickRecord)) bifrost.TickRecord {
		r := good
		change(&r)
		return r
	}
	for _, c := range []struct {
		name  string
		ticks []bifrost.TickRecord
		want  string
	}{
		{"none", nil, "no tick is on record"},
		{"a good one", []bifrost.TickRecord{good}, ""},
		{"the last moment of patience", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.EndedAt = minutesAgo(45) })}, ""},
		{"patience is over", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.EndedAt = minutesAgo(46) })}, "no tick has ended since 2026-03-01T11:14:00Z"},
		{"a failure", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.Error = "no broker" })}, "the last tick, at 2026-03-01T11:20:00Z, failed: no broker"},
		{"a failure of somebody else", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.By, r.Error = "bifrost run on laptop", "no broker" })},
			"the last tick, at 2026-03-01T11:20:00Z, of bifrost run on laptop, failed: no broker"},
		{"somebody else's, short of time", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) {
			r.By, r.Unfinished, r.CompleteAt = "bifrost run on laptop", 7, minutesAgo(46)
		})}, "ticks run out of time: the last one, at 2026-03-01T11:20:00Z, of bifrost run on laptop, left 7 partitions"},
		{"short of time for too long", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.Unfinished, r.CompleteAt = 7, minutesAgo(46) })},
			"ticks run out of time: the last one, at 2026-03-01T11:20:00Z, left 7 partitions"},
		{"short of time, and lately whole", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.Unfinished, r.CompleteAt = 7, minutesAgo(45) })}, ""},
		{"whole long ago, and nothing is left", []bifrost.TickRecord{with(func(r *bifrost.TickRecord) { r.CompleteAt = minutesAgo(60) })}, ""},
		{"the last is the one that began last", []bifrost.TickRecord{
			with(func(r *bifrost.TickRecord) { r.StartedAt, r.EndedAt, r.Error = minutesAgo(44), minutesAgo(1), "slow" }), good,
		}, ""},
	} {
		sights := Sights{Ticks: c.ticks, Patience: sightPatience, Now: sightAt}
		if got := sights.Problem(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A partition was seen when a complete tick of its cluster looked, or when its row
// was written, whichever is later.
func TestWhenAPartitionWasSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		row    func(p *bifrost.Progress)
		tick   func(r *bifrost.TickRecord)
		seen   time.Time
		unseen string
	}{
		{name: "by the tick", seen: minutesAgo(45)},
		{name: "by the row", row: func(p *bifrost.Progress) { p.At = minutesAgo(44) }, seen: minutesAgo(44)},
		{name: "too long ago", tick: func(r *bifrost.TickRecord) { r.CompleteAt = minutesAgo(46) }, seen: minutesAgo(46),
			unseen: "no tick has looked at it since 2026-03-01T11:14:00Z"},
		{name: "not by ticks that meet trouble", row: func(p *bifrost.Progress) { p.Trouble.Error = "no leader" }, seen: minutesAgo(50),
			unseen: "no tick has looked at it since 2026-03-01T11:10:00Z"},
		{name: "not by ticks that run out of time", tick: func(r *bifrost.TickRecord) { r.CompleteAt, r.Unfinished = minutesAgo(46), 7 }, seen: minutesAgo(46),
			unseen: "no tick has looked at it since 2026-03-01T11:14:00Z: the last tick ran out of time with 7 partitions left"},
		{name: "not since ticks have stopped", tick: func(r *bifrost.TickRecord) { r.CompleteAt, r.EndedAt = minutesAgo(47), minutesAgo(46) }, seen: minutesAgo(47),
			unseen: "no tick has looked at it since 2026-03-01T11:13:00Z: no tick has ended since"},
		{name: "not by a failed tick of somebody", tick: func(r *bifrost.TickRecord) {
			r.By, r.CompleteAt, r.Error = "bifrost run on laptop", minutesAgo(46), "no broker"
		}, seen: minutesAgo(46), unseen: "no tick has looked at it since 2026-03-01T11:14:00Z: the last tick, of bifrost run on laptop, failed: no broker"},
		{name: "not by somebody with other brokers", tick: func(r *bifrost.TickRecord) { r.ClusterID, r.By = "new", "bifrost run on laptop" }, seen: minutesAgo(50),
			unseen: "the brokers are those of cluster new now (a tick of bifrost run on laptop found them); this is of cluster c, where offsets [100, 130) at least were never archived and are in no gap"},
		{name: "not of a cluster that was archived to its end", tick: func(r *bifrost.TickRecord) { r.ClusterID = "new" },
			row: func(p *bifrost.Progress) { p.NextOffset, p.PlannedOffset = 130, 130 }, seen: minutesAgo(50),
			unseen: "the brokers are those of cluster new now; this is of cluster c, and what followed offset 130 there is not known"},
		{name: "not by a tick of another cluster", tick: func(r *bifrost.TickRecord) { r.ClusterID = "new" }, seen: minutesAgo(50),
			unseen: "the brokers are those of cluster new now; this is of cluster c, where offsets [100, 130) at least were never archived and are in no gap"},
	} {
		p := bifrost.Progress{ClusterID: "c", Status: bifrost.StatusOpen, NextOffset: 100, PlannedOffset: 120}
		p.LastStable, p.At = 130, minutesAgo(50)
		r := bifrost.TickRecord{ClusterID: "c", StartedAt: minutesAgo(43), EndedAt: minutesAgo(42), CompleteAt: minutesAgo(45)}
		if c.row != nil {
			c.row(&p)
		}
		if c.tick != nil {
			c.tick(&r)
		}
		sight := Sights{Ticks: []bifrost.TickRecord{r}, Patience: sightPatience, Now: sightAt}.Of(p)
		if !sight.SeenAt.Equal(c.seen) || sight.Unseen != c.unseen {
			t.Errorf("%s: seen at %s, %q; want %s, %q", c.name, sight.SeenAt.Format(time.TimeOnly), sight.Unseen, c.seen.Format(time.TimeOnly), c.unseen)
		}
		if strings.Contains(sight.Unseen, "0001-01-01") {
			t.Errorf("%s: %q tells a time that nobody has set", c.name, sight.Unseen)
		}
	}
}

// Of several records the one counts that is about the partition's own cluster, wherever it stands.
func TestOneRecordOfMany(t *testing.T) {
	t.Parallel()
	own := bifrost.TickRecord{ClusterID: "c", StartedAt: minutesAgo(10), EndedAt: minutesAgo(9), CompleteAt: minutesAgo(8)}
	nobody := bifrost.TickRecord{StartedAt: minutesAgo(2), EndedAt: minutesAgo(1), Error: "no broker"}
	older := bifrost.TickRecord{ClusterID: "b", StartedAt: minutesAgo(300), EndedAt: minutesAgo(299), CompleteAt: minutesAgo(298)}
	for _, ticks := range [][]bifrost.TickRecord{{own, nobody, older}, {older, nobody, own}, {nobody, older, own}} {
		sights := Sights{Ticks: ticks, Patience: sightPatience, Now: sightAt}
		row := func(status bifrost.Status, topic string) bifrost.Progress {
			p := bifrost.Progress{Partition: bifrost.Partition{Name: topic}, ClusterID: "c", Status: status, NextOffset: 100, PlannedOffset: 150}
			p.At, p.LastStable = minutesAgo(90), 130
			return p
		}
		if sight := sights.Of(row(bifrost.StatusOpen, "orders")); sight != (Sight{SeenAt: minutesAgo(8)}) {
			t.Errorf("a partition of c: %+v", sight)
		}
		for _, status := range []bifrost.Status{bifrost.StatusClosed, bifrost.StatusForked} {
			if sight := sights.Of(row(status, "orders")); sight != (Sight{SeenAt: minutesAgo(90)}) {
				t.Errorf("one that is %s for good: %+v", status, sight)
			}
		}
		if sight := sights.Of(row(bifrost.StatusOpen, bifrost.ReplayStateTopic)); !sight.Excluded || sight.Unseen != "" {
			t.Errorf("positions of replays, which no tick looks at unless it is told to: %+v", sight)
		}
		other := row(bifrost.StatusOpen, "orders")
		other.ClusterID = "b"
		if sight := sights.Of(other); !strings.Contains(sight.Unseen, "where offsets [100, 150) at least") {
			t.Errorf("a partition of the cluster before: %+v, want all that was seen or planned", sight)
		}
	}
}

// A topic's filter is of Kafka's names: a later life of a topic is selected with it,
// and one that the archive calls by its ID is no other topic.
func TestFiltersAreOfKafkasNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter   bifrost.TopicFilter
		excluded bool
	}{
		{bifrost.TopicFilter{}, false},
		{bifrost.TopicFilter{Include: []string{"orders"}}, false},
		{bifrost.TopicFilter{Include: []string{"ord*"}}, false},
		{bifrost.TopicFilter{Include: []string{"order"}}, true},
		{bifrost.TopicFilter{Include: []string{"payments"}}, true},
		{bifrost.TopicFilter{Exclude: []string{"orders"}}, true},
		{bifrost.TopicFilter{Exclude: []string{"orders?*"}}, false},
		{bifrost.TopicFilter{Exclude: []string{"*@*"}}, false},
		{bifrost.TopicFilter{Include: []string{"orders@*"}}, true},
		{bifrost.TopicFilter{Include: []string{"orders"}, Exclude: []string{"o*"}}, true},
	} {
		for _, name := range []string{"orders", "orders@AAAAAAAAAAAAAAAAAAAABg"} {
			p := bifrost.Progress{Partition: bifrost.Partition{Name: name}, ClusterID: "c", Status: bifrost.StatusOpen}
			p.At = minutesAgo(90)
			tick := bifrost.TickRecord{ClusterID: "c", StartedAt: minutesAgo(3), EndedAt: minutesAgo(2), Filter: c.filter}
			tick.CompleteAt = tick.EndedAt
			sight := Sights{Ticks: []bifrost.TickRecord{tick}, Patience: sightPatience, Now: sightAt}.Of(p)
			if sight.Excluded != c.excluded || sight.Unseen != "" || sight.SeenAt.Equal(p.At) != c.excluded {
				t.Errorf("%s with %+v: %+v, want excluded %v", name, c.filter, sight, c.excluded)
			}
		}
	}
}
