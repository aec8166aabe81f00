package bifrost_test

import (
	"context"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// quietDefaults are the template's ages, and the time below which a record is near to loss.
var quietDefaults = bifrost.Sizing{TargetBytes: 128 << 20, MaxAge: 15 * time.Minute, QuietMaxAge: 2 * time.Hour, NearLoss: 6 * time.Hour}

// stalledSeconds is the template's parameter.
const stalledSeconds = 2700

// A quietWeek is seven days of a stack whose partitions get a record now and then,
// with a tick a minute, judged as the template's alarms do.
type quietWeek struct {
	*watched
	memory          *bifrost.CaughtUp
	quietest, ticks int64 // the smallest StalledSeconds of this period so far, and its ticks
	alarms          []string
	objects         int
	longestLag      int64
	nearest         time.Duration
}

func newQuietWeek(t *testing.T) *quietWeek {
	w := &quietWeek{watched: newWatched(t), memory: new(bifrost.CaughtUp), nearest: bifrost.NoLoss}
	w.sizing, w.slots, w.together, w.maxRaw = quietDefaults, 8, 512, 1<<30
	return w
}

// minute is a tick and the work that it starts.
func (w *quietWeek) minute() {
	w.Helper()
	w.clock.Advance(time.Minute)
	d := w.discoverer()
	d.Retention, d.CaughtUp, d.Settings.MaxInFlight, d.Settings.Sizing = w.retention, w.memory, w.slots, w.sizing
	s, err := d.Tick(context.Background(), time.Time{})
	if err != nil || s.Failures+s.Blocked+s.Diverged > 0 {
		w.Fatalf("tick: %+v, %v", s, err)
	}
	w.objects += len(w.run(w.worker()))
	if w.quietest = min(w.quietest, s.StalledSeconds); w.ticks == 0 {
		w.quietest = s.StalledSeconds
	}
	if w.ticks++; w.ticks == stalledSeconds/60 {
		if w.quietest > stalledSeconds {
			w.alarms = append(w.alarms, "nothing archived at "+w.clock.Now().String())
		}
		w.ticks = 0
	}
	if s.StalledSeconds > s.LagSeconds {
		w.alarms = append(w.alarms, "stalled for longer than anything was due at "+w.clock.Now().String())
	}
	if w.lossIn(s) < quietDefaults.NearLoss {
		w.alarms = append(w.alarms, "near to loss at "+w.clock.Now().String())
	}
	w.nearest, w.longestLag = min(w.nearest, w.lossIn(s)), max(w.longestLag, s.LagSeconds)
}

// A week of partitions that get a record a minute, an hour and a day, which Kafka
// keeps for a week, a day and thirteen hours. What it keeps for less than twice the
// time below which a record is near to loss rings that alarm whenever it was idle,
// however long anything waits, so a record a minute is all that it gets here.
func TestAQuietWeekRingsNoAlarm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keeps   time.Duration
		minutes []int // from one record to the next, of each partition
	}{
		"a week":         {7 * 24 * time.Hour, []int{1, 60, 24 * 60}},
		"a day":          {24 * time.Hour, []int{1, 60, 24 * 60}},
		"thirteen hours": {13 * time.Hour, []int{1, 60, 24 * 60}},
		"seven hours":    {7 * time.Hour, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newQuietWeek(t)
			topic := w.kafka.CreateTopic("quiet", len(c.minutes))
			topic.Keeps = keepsFor(c.keeps)
			const week = 7 * 24 * 60
			for minute := range week {
				if minute == 60 {
					w.alarms = nil // before anything is archived nobody knows how old it is
				}
				for p, every := range c.minutes {
					if minute%every == 0 {
						topic.Logs[p].Produce("a record")
					}
				}
				w.minute()
			}
			if len(w.alarms) > 0 {
				t.Errorf("%d alarms: %q", len(w.alarms), w.alarms[:min(len(w.alarms), 5)])
			}
			if w.longestLag > 300 {
				t.Errorf("something was due for %d s", w.longestLag)
			}
			t.Logf("%d objects, at the nearest %v to loss, longest due %d s", w.objects, w.nearest, w.longestLag)
			// A record a minute for a week: with an age of 900 s it would be 672 objects.
			if c.keeps > 13*time.Hour && w.objects > 350 {
				t.Errorf("%d objects in a week: quiet tails do not wait", w.objects)
			}
		})
	}
}

// What ends the quiet wait: a burst, the age of the configuration, a topic's own age, and an age of zero.
func TestWhatDoesNotWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*quietWeek)
		minutes int
	}{
		"a burst": {func(w *quietWeek) {
			for range 10 {
				w.kafka.Topic("quiet").Logs[0].Produce("of records that were never so many")
			}
		}, 17},
		"no quiet age":        {func(w *quietWeek) { w.sizing.QuietMaxAge = 0 }, 17},
		"an age of zero":      {func(w *quietWeek) { w.sizing.MaxAge = 0 }, 2},
		"nothing of the kind": {func(*quietWeek) {}, 121},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newQuietWeek(t)
			topic := w.kafka.CreateTopic("quiet", 1)
			topic.Keeps = keepsFor(7 * 24 * time.Hour)
			topic.Logs[0].Produce("the first")
			for range 20 {
				w.minute()
			}
			if w.objects != 1 {
				t.Fatalf("%d objects of the first record", w.objects)
			}
			for range 130 {
				w.minute()
			}
			topic.Logs[0].Produce("a record")
			w.minute()
			topic.Logs[0].Produce("another") // begins to wait
			for w.objects < 2 {
				w.minute()
			}
			topic.Logs[0].Produce("the one")
			c.change(w)
			waited := 0
			for was := w.objects; w.objects == was && waited < 200; waited++ {
				w.minute()
			}
			if waited > c.minutes || (c.minutes > 60 && waited < 60) {
				t.Errorf("archived after %d minutes, want %d at most", waited, c.minutes)
			}
		})
	}
}
