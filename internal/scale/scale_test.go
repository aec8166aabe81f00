package scale

import (
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// small is a play of a blink: a thousand partitions, a busy hour.
func small() Scenario {
	return Scenario{
		Name: "small", Partitions: 1000, Skew: 0.9, BytesPerHour: 50e9, Length: 3 * time.Hour, Slots: 8,
		Sizing: bifrost.Sizing{TargetBytes: 128 << 20, MaxAge: 15 * time.Minute}, Timeout: 870 * time.Second,
		Speed: Speed{
			BytesPerSecond: 80e6, PerObject: 200 * time.Millisecond, Start: 300 * time.Millisecond,
			PlansPerSecond: 500, PerPartition: 60 * time.Microsecond,
		},
	}
}

func draw(t *rapid.T) Scenario {
	s := small()
	s.Partitions = rapid.IntRange(1, 300).Draw(t, "partitions")
	s.Skew = rapid.Float64Range(0, 1.5).Draw(t, "skew")
	s.BytesPerHour = rapid.Float64Range(1e6, 2e12).Draw(t, "rate")
	s.Backlog = time.Duration(rapid.IntRange(0, 10).Draw(t, "backlog")) * time.Hour
	s.Retention = time.Duration(rapid.IntRange(0, 5).Draw(t, "retention")) * time.Hour
	s.Slots = rapid.IntRange(1, 20).Draw(t, "slots")
	s.Brokers = rapid.SampledFrom([]float64{0, 100e6}).Draw(t, "brokers")
	if rapid.Bool().Draw(t, "outage") {
		s.Outage = Outage{From: 30 * time.Minute, To: time.Hour, Share: 0.3}
	}
	return s
}

// Every byte that was written is archived, lost or waiting, and the ranges that
// were planned are as many as the objects and what is unfinished.
func TestEveryByteIsSomewhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(draw(t))
		p.runTicks()
		written := 0.0
		for i := range p.partitions {
			written += float64(p.offsetAt(int32(i), len(p.due)-1)) * recordBytes
		}
		if found := p.result.ArchivedBytes + p.result.LostBytes + p.result.WaitingBytes; math.Abs(found-written) > 1 {
			t.Fatalf("%v bytes written, %v found: %v archived, %v lost, %v waiting", written, found, p.result.ArchivedBytes, p.result.LostBytes, p.result.WaitingBytes)
		}
		if p.result.Ranges != p.result.Objects+int64(p.open) || p.open != p.waiting.length+p.retries.Len()+p.running.Len() {
			t.Fatalf("%d ranges planned, %d objects, %d open: %d wait, %d pause, %d run",
				p.result.Ranges, p.result.Objects, p.open, p.waiting.length, p.retries.Len(), p.running.Len())
		}
		if p.busy != p.running.Len() || p.busy > p.Slots {
			t.Fatalf("%d slots busy, %d ranges run, %d slots", p.busy, p.running.Len(), p.Slots)
		}
	})
}

// Asking the planner only about partitions that are due gives the very same play
// as asking it about all.
func TestDueLeavesNothingOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		s.Speed.PlansPerSecond = 1e6 // with too little time the order of equals decides
		some, all := newPlay(s), newPlay(s)
		all.everyone = true
		some.runTicks()
		all.runTicks()
		if some.result.Objects != all.result.Objects || some.result.Ranges != all.result.Ranges || some.result.ArchivedBytes != all.result.ArchivedBytes {
			t.Fatalf("%d objects of %d ranges with %v bytes, asking everyone %d of %d with %v",
				some.result.Objects, some.result.Ranges, some.result.ArchivedBytes, all.result.Objects, all.result.Ranges, all.result.ArchivedBytes)
		}
	})
}

func TestPlaysAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	if a, b := Run(small()), Run(small()); !reflect.DeepEqual(a, b) {
		t.Errorf("two plays of one scenario differ: %+v, %+v", a, b)
	}
}

func TestSteadyFlowWaitsNoLongerThanItsAge(t *testing.T) {
	t.Parallel()
	r := Run(small())
	if at, ok := r.CaughtUp(); !ok || at > 30*time.Minute || r.LostBytes > 0 || r.Binding() != "nothing" {
		t.Errorf("caught up %v after %v, lost %v, bound by %s", ok, at, r.LostBytes, r.Binding())
	}
}

// A stack that is ten times behind catches up with the settings it has.
func TestTenTimesBehindCatchesUp(t *testing.T) {
	t.Parallel()
	s := small()
	s.Backlog, s.Length, s.Retention = 155*time.Minute, 6*time.Hour, 24*time.Hour
	r := Run(s)
	at, ok := r.CaughtUp()
	if !ok || at > 2*time.Hour || r.LostBytes > 0 {
		t.Errorf("caught up %v after %v, lost %v bytes", ok, at, r.LostBytes)
	}
	if r.Points[0].OldestAge < 10*s.Sizing.MaxAge {
		t.Errorf("only %v behind at the beginning", r.Points[0].OldestAge)
	}
}

// A terabyte an hour, most of it in a few of a thousand partitions: what the small
// ones flush leaves the large ones their share, and slots do not wait for ticks.
func TestSlotsAreBusyUntilItHasCaughtUp(t *testing.T) {
	t.Parallel()
	s := small()
	s.BytesPerHour, s.Skew, s.Backlog, s.Length, s.Retention = 1e12, 1, 150*time.Minute, 6*time.Hour, 24*time.Hour
	r := Run(s)
	at, ok := r.CaughtUp()
	if !ok || at > 3*time.Hour || r.LostBytes > 0 {
		t.Errorf("caught up %v after %v, lost %v bytes", ok, at, r.LostBytes)
	}
}

// With slots for half of the flow it never catches up, and says what binds.
func TestTooFewSlotsAreTheLimit(t *testing.T) {
	t.Parallel()
	s := small()
	s.BytesPerHour, s.Slots, s.Retention, s.Length = 2*3600*80e6, 1, 2*time.Hour, 6*time.Hour
	r := Run(s)
	if _, ok := r.CaughtUp(); ok || r.Binding() != "slots" || r.LostBytes == 0 {
		t.Errorf("caught up %v, bound by %s, lost %v", ok, r.Binding(), r.LostBytes)
	}
}

// What Kafka deletes sooner is archived first, so nothing is lost that need not be.
func TestNearestToLossIsSaved(t *testing.T) {
	t.Parallel()
	s := small()
	s.Partitions, s.Skew, s.Backlog, s.Retention = 200, 0, 5*time.Hour, 48*time.Hour
	s.KeepsLess = func(n int) time.Duration {
		if n%10 == 0 {
			return 5*time.Hour + 20*time.Minute
		}
		return 0
	}
	s.BytesPerHour = 1.5 * 3600 * 80e6 // of the 8 slots' 8
	if r := Run(s); r.LostBytes > 0 {
		t.Errorf("lost %.0f GB", r.LostBytes/1e9)
	}
}

func TestOutageEnds(t *testing.T) {
	t.Parallel()
	s := small()
	s.Outage = Outage{From: time.Hour, To: 2 * time.Hour, Share: 1.0 / 6}
	s.Length = 4 * time.Hour
	r := Run(s)
	at, ok := r.CaughtUp()
	if !ok || at < 2*time.Hour || at > 3*time.Hour || r.LostBytes > 0 {
		t.Errorf("caught up %v at %v, %d failures, lost %v", ok, at, r.Failures, r.LostBytes)
	}
}
