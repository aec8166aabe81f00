package main

import (
	"math"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/scale"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// An object costs its own part and that of its bytes.
func TestArchiveCost(t *testing.T) {
	t.Parallel()
	c := archiveCost{
		perObject:   taken{Billed: 0.5, Used: usage{Puts: 3, WriteUnits: 10}},
		perByte:     taken{Billed: 1e-8, Processor: 2e-8},
		ResultBytes: 1000,
	}
	near(t, "billed seconds", c.of(2, 1e9).Billed, 11)
	near(t, "core-seconds", c.of(2, 1e9).Processor, 20)
	compute, requests, tables, logs := c.archiveDollars(2, 1e9)
	near(t, "compute", compute, 11*1769/1024.0*0.0000133334+11/870.0*0.20e-6)
	near(t, "requests", requests, 6*0.005e-3)
	near(t, "tables", tables, 20*0.625e-6)
	near(t, "logs", logs, 2000/1e9*0.5)
}

// A quiet partition waits for the quiet age, a busy one for its target, and none for
// less than its next record.
func TestFlowOfAPartition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate    float64 // records a minute
		objects float64 // a month, at least and at most
		most    float64
		small   bool
	}{
		{0.001, 30, 50, true},           // a record in 16 hours is an object
		{1, 300, 400, true},             // two hours
		{1000, 2700, 3000, false},       // the maximum age of 15 minutes
		{1e6, 9e4, 1.7e5, false},        // the target of 128 MiB, every 16 seconds
		{60 * 1e6, 9e6, 1.7e7, false},   // and sixty times as often
		{0.0001, 3, 5, true},            // whatever the ages
		{100_000, 9_000, 17_000, false}, // the target again
	} {
		f := flowOf(c.rate, quiet)
		if f.objects < c.objects || f.objects > c.most || f.small != c.small {
			t.Errorf("%g records a minute: %+v, want %g to %g objects, small %v", c.rate, f, c.objects, c.most, c.small)
		}
		near(t, "bytes a month", f.objects*f.bytes, c.rate*trickleRecord*secondsAMonth/60)
	}
	if f := flowOf(1, timely); f.objects < 2700 {
		t.Errorf("without a quiet age a partition has %.0f objects a month", f.objects)
	}
}

// Twice as fast a worker keeps up with more, and a slow one is found out.
func TestSustainedPartitions(t *testing.T) {
	t.Parallel()
	speed := scale.Speed{
		BytesPerSecond: 50e6,
		PerObject:      time.Second,
		PerSmall:       2 * time.Second,
		Start:          300 * time.Millisecond,
		PlansPerSecond: 500,
		PerPartition:   100 * time.Microsecond,
	}
	slow := sustained(speed)
	speed.PerSmall /= 2
	if fast := sustained(speed); slow < 500 || fast <= slow {
		t.Errorf("%d partitions at 2 s a range, %d at 1 s", slow, fast)
	}
	if r := scale.Run(trickle(slow, bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: timely.MaxAge}, speed)); r.LostBytes > 0 {
		t.Errorf("%v bytes are lost", r.LostBytes)
	}
}
