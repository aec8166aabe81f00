// Plays of clusters that fit on no machine, with measured speeds.

package main

import (
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/scale"
)

var playBenchmarks = []benchmark{{"sizes", benchSizes}, {"play", benchPlay}}

const (
	million = 1_000_000
	// Of the 1,000 concurrent executions that an account has in a region, some are
	// somebody else's (AWS Lambda Developer Guide, "Lambda quotas").
	regionalSlots = 900
	defaultSlots  = 8 // as in the template
	// A tick that sees a million partitions needs more memory than the template's, and
	// gets two cores with it, as the ticks that were measured have.
	largeDiscoverMegabytes = 2 * megabytesOfACore
)

var defaultSizing = bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: 15 * time.Minute}

// scenarios are played with the speed that was measured.
var scenarios = []scale.Scenario{
	{
		Name: "million", About: "A million partitions, 1 TB an hour. From hour 2 to hour 3 ten times as much, " +
			"from hour 4 to hour 5 one of six brokers is gone.",
		Partitions: million, Skew: 1, BytesPerHour: terabyte, Length: 7 * time.Hour, Retention: 24 * time.Hour,
		Shape:  burst(2*time.Hour, 3*time.Hour, 10),
		Outage: scale.Outage{From: 4 * time.Hour, To: 5 * time.Hour, Share: 1.0 / 6},
		Slots:  regionalSlots, Sizing: bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: time.Hour}, Brokers: 6e9,
	},
	{
		Name: "week",
		About: "A backlog of seven days at 1 TB an hour in a million partitions. Kafka keeps eight days, " +
			"and gives the archive 3 GB a second.",
		Partitions:   million,
		Skew:         1,
		BytesPerHour: terabyte,
		Backlog:      7 * 24 * time.Hour,
		Length:       24 * time.Hour,
		Retention:    8 * 24 * time.Hour,
		Slots:        regionalSlots,
		Sizing:       bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: 3 * time.Hour},
		Brokers:      3e9,
	},
	{
		Name: "behind",
		About: "The template's defaults, half a TB an hour in a thousand partitions, " +
			"and ten times as late as it may be: nobody touches anything.",
		Partitions:   1000,
		Skew:         1,
		BytesPerHour: terabyte / 2,
		Backlog:      10 * defaultSizing.MaxAge,
		Length:       6 * time.Hour,
		Retention:    24 * time.Hour,
		Slots:        defaultSlots,
		Sizing:       defaultSizing,
	},
}

func burst(from, to time.Duration, factor float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at >= from && at < to {
			return factor
		}
		return 1
	}
}

// measurement is what a play starts from.
type measurement struct {
	speed     scale.Speed
	archive   archiveCost
	readUnits float64 // of DynamoDB, that a tick takes for each partition
}

// measureSpeed measures one archive, and a tick at the largest size.
func measureSpeed() (m measurement, err error) {
	if m.archive, err = measuredArchive(); err != nil {
		return m, err
	}
	size := discoverSizes[len(discoverSizes)-1]
	still, err := measuredTick(size, idle)
	if err != nil {
		return m, err
	}
	planning, err := measuredTick(size, busy)
	if err != nil {
		return m, err
	}
	m.readUnits = still.bill.ReadUnits / float64(size)
	m.speed = scale.Speed{
		BytesPerSecond: 1 / m.archive.perByte.Billed,
		PerObject:      seconds(m.archive.perObject.Billed),
		Start:          seconds(m.archive.Start),
		PlansPerSecond: plansPerSecond(still, planning),
		PerPartition:   seconds(still.Wall / float64(size)),
	}
	return m, nil
}

// plansPerSecond is how many plans a tick writes: by the time that a tick with
// plans takes longer than one without, by what it computes more on two cores, and
// by how many answers of DynamoDB it can wait for at once. The slowest counts.
func plansPerSecond(still, planning measuredTickReport) float64 {
	planned := float64(planning.Summary.Planned)
	const waitsAtOnce = 32 // as internal/wiring lets a tick do
	return planned / max(planning.Wall-still.Wall, (planning.Processor-still.Processor)/2,
		planned*tableLatency.Seconds()/waitsAtOnce)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// benchPlay plays every scenario, and draws it if there is a directory for pictures.
func benchPlay(report func(figure)) error {
	m, err := measureSpeed()
	if err != nil {
		return err
	}
	for _, s := range scenarios {
		s.Speed, s.Timeout = m.speed, workerLife
		began := time.Now()
		r := scale.Run(s)
		reportPlay(report, r, m, time.Since(began))
		if *docs != "" {
			picture := filepath.Join(*docs, "images", "scale-"+s.Name+".svg")
			if err := os.WriteFile(picture, []byte(draw(r)), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func reportPlay(report func(figure), r scale.Result, m measurement, took time.Duration) {
	name := "play/" + r.Name
	most, last := r.Points[0], r.Points[len(r.Points)-1]
	for _, p := range r.Points {
		if p.LagBytes > most.LagBytes {
			most = p
		}
	}
	caught, ok := r.CaughtUp()
	note := fmt.Sprintf("largest lag %.3f TB at %v, in the end %.3f TB and %v old, lost %.0f GB",
		most.LagBytes/1e12, most.At, last.LagBytes/1e12, last.OldestAge.Round(time.Second), r.LostBytes/1e9)
	value := caught.Hours()
	if !ok {
		value, note = -1, "never; "+note
	}
	report(figure{Name: name + "/caught_up", Value: value, Unit: "hours", Note: note})
	report(figure{
		Name:  name + "/limit",
		Value: share(r.Binds[r.Binding()], int(r.Length/time.Minute)),
		Unit:  "of the minutes",
		Note:  fmt.Sprintf("what binds is %s; %d workers at most, of %d", r.Binding(), mostBusy(r), r.Slots),
	})
	report(figure{
		Name:  name + "/objects",
		Value: float64(r.Objects),
		Unit:  "objects",
		Note: fmt.Sprintf("%.2f TB, %d failures that were tried again; played in %v",
			r.ArchivedBytes/1e12, r.Failures, took.Round(time.Second)),
	})
	compute, requests, tables, logs := m.archive.archiveDollars(float64(r.Objects), r.ArchivedBytes)
	reads := priceRead.of(float64(r.Ticks) * float64(r.Partitions) * m.readUnits)
	ticks := reads + lambda(largeDiscoverMegabytes, r.TickSeconds)
	report(figure{Name: name + "/cost", Value: compute + requests + tables + logs + ticks, Unit: "dollars",
		Note: fmt.Sprintf("Lambda %.2f, S3 requests %.2f, DynamoDB %.2f, logs %.2f, %d ticks %.2f: %.2f dollars a TB",
			compute, requests, tables, logs, r.Ticks, ticks,
			(compute+requests+tables+logs+ticks)/(r.ArchivedBytes/terabyte))})
}

func share(part, whole int) float64 { return float64(part) / float64(whole) }

func mostBusy(r scale.Result) int {
	most := 0
	for _, p := range r.Points {
		most = max(most, p.Busy)
	}
	return most
}

// mixed is a workload of every kind of partition, with the template's defaults:
// the busiest fills an object in seconds, the quietest gets a few records an hour.
var mixed = scale.Scenario{
	Name: "mixed", Partitions: 10_000, Skew: 1.2, BytesPerHour: 0.5e12, Length: 6 * time.Hour,
	Slots: 50, Sizing: defaultSizing,
}

// benchSizes shows how large objects become.
func benchSizes(report func(figure)) error {
	m, err := measureSpeed()
	if err != nil {
		return err
	}
	s := mixed
	s.Speed, s.Timeout = m.speed, workerLife
	r := scale.Run(s)
	full, bytes := 0.0, 0.0
	for n, b := range r.SizedBytes {
		bytes += b
		if n >= bits.Len(uint(defaultTarget))-1 { // from half of the target on
			full += b
		}
	}
	report(figure{Name: "sizes/full", Value: full / bytes, Unit: "of the bytes",
		Note: fmt.Sprintf("are in objects of at least half of the target of %d MiB; %d partitions, %.1f TB an hour",
			defaultTarget>>20, r.Partitions, r.BytesPerHour/1e12)})
	for n, objects := range r.Sizes {
		if objects > 0 {
			report(figure{
				Name:  fmt.Sprintf("sizes/below/%s", sizeName(n)),
				Value: float64(objects) / float64(r.Objects),
				Unit:  "of the objects",
				Note:  fmt.Sprintf("%d objects with %.4f of the bytes", objects, r.SizedBytes[n]/bytes),
			})
		}
	}
	flushes := float64(r.Partitions) * r.Length.Seconds() / s.Sizing.MaxAge.Seconds()
	report(figure{
		Name:   "sizes/small",
		Value:  float64(smallObjects(r)) / flushes,
		Unit:   "of the flushes that the age allows",
		Target: "at most 1",
		Note:   "objects below half of the target: one for each partition and age at most, so nothing crumbles",
	})
	return nil
}

func smallObjects(r scale.Result) (n int64) {
	for class, objects := range r.Sizes {
		if class < bits.Len(uint(defaultTarget))-1 {
			n += objects
		}
	}
	return n
}

func sizeName(class int) string {
	switch bytes := int64(1) << class; {
	case bytes >= 1<<30:
		return fmt.Sprintf("%d_gib", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d_mib", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d_kib", bytes>>10)
	default:
		return fmt.Sprintf("%d_b", bytes)
	}
}
