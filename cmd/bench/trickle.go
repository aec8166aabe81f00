// What partitions cost that get a record a minute.

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
	"github.com/bifrost-archive/bifrost/internal/scale"
)

var trickleBenchmarks = []benchmark{{"trickle", benchTrickle}}

// A partition that trickles gets one record of this size each minute.
const (
	trickleRecord     = 500                // bytes
	trickleHourly     = 60 * trickleRecord // bytes of a partition
	trickleTopic      = "trickle"
	tricklePartitions = 240 // that are measured
	trickleLength     = 15  // records of each range: a quarter of an hour
	trickleRounds     = 5   // that are measured
	tickParallel      = 32  // as internal/wiring lets a tick do
	startedTogether   = 512 // likewise
	daysAMonth        = hoursAMonth / 24.0
	invocationLogs    = 600.0 // bytes: what Lambda itself logs of an invocation, and its line of metrics
)

// A trickleCost is what one tiny range takes, from the tick that plans it to its
// settled row, beside what a tick takes that plans nothing.
type trickleCost struct {
	Worker      taken   // in functions that archive, the time of a function counted once
	Tick        usage   // in discover
	TickSeconds float64 // likewise
	Start       float64 // seconds for a function to begin
	ResultBytes float64 // of the line that is logged
}

// measuredTrickle archives a tiny range of many partitions, on real parts, once in
// the life of the program. The first round makes the partitions' rows, the quickest
// of those after it counts: whatever else the machine does only adds to one.
var measuredTrickle = sync.OnceValues(func() (c trickleCost, err error) {
	ctx := context.Background()
	p, stop, err := startParts(ctx)
	if err != nil {
		return c, err
	}
	defer func() { check(stop()) }()
	p.Delay, p.meter = farDelay, &meter{}
	if p, err = p.withFreshTables(ctx, "trickle"); err != nil {
		return c, err
	}
	t, err := p.startTrickle(ctx)
	if err != nil {
		return c, err
	}
	defer t.source.Close()
	if err := t.produceRecords(ctx); err != nil {
		return c, err
	}
	for started := true; started; {
		if started, err = t.runRound(ctx); err != nil {
			return c, err
		}
	}
	for n := range trickleRounds {
		t.results = nil
		if err := t.produceRecords(ctx); err != nil {
			return c, err
		}
		one, err := t.measureRound(ctx)
		if err != nil {
			return c, err
		}
		if n == 0 || one.Worker.Billed < c.Worker.Billed {
			c = one
		}
	}
	return c, nil
})

// trickling is the stack that is measured, in this process.
type trickling struct {
	parts
	source     *kafka.Client
	discoverer *bifrost.Discoverer
	worker     *bifrost.Worker
	started    []bifrost.Task // by the tick that has just run
	results    []bifrost.RangeResult
}

// Dispatch implements [bifrost.Dispatcher]: the worker runs when the tick is over.
func (t *trickling) Dispatch(_ context.Context, task bifrost.Task) error {
	t.started = append(t.started, task)
	return nil
}

func (p parts) startTrickle(ctx context.Context) (*trickling, error) {
	source, err := kafka.New(kafka.Config{
		Brokers: []string{p.Brokers},
		Options: []kgo.Opt{kgo.Dialer(dialer(p.Delay))},
	})
	if err != nil {
		return nil, err
	}
	ledger := dynamoledger.New(p.watchedConfig(p.Dynamo.Config()), p.Tables)
	store := s3store.New(p.watchedConfig(p.S3.Config()), p.Bucket)
	t := &trickling{parts: p, source: source}
	t.discoverer = &bifrost.Discoverer{
		Cluster:    source,
		History:    source,
		Ledger:     ledger,
		Store:      store,
		Bucket:     store,
		Dispatcher: t,
		Settings: bifrost.Settings{
			Group:       p.Group,
			Sizing:      bifrost.Sizing{TargetBytes: defaultTarget},
			MaxInFlight: 1,
			Lease:       time.Hour,
			Together:    startedTogether,
		},
		Now:           time.Now,
		NewGeneration: rand.Text,
		Parallel:      tickParallel,
		Log:           slog.New(slog.DiscardHandler),
		CaughtUp:      new(bifrost.CaughtUp),
	}
	t.worker = &bifrost.Worker{
		Archiver: &bifrost.Archiver{Group: p.Group, Source: source, Store: store, Ledger: ledger,
			Format: baldr.Options{Workers: 1}, MaxRawBytes: 1 << 40, Writer: "bench", Now: time.Now},
		Ledger: ledger, Lease: time.Hour, Together: 32, Now: time.Now, NewID: rand.Text, Processor: processorTime,
	}
	return t, t.createTopic(ctx)
}

func (t *trickling) createTopic(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(t.Brokers))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = localservices.CreateTopic(ctx, client, trickleTopic, tricklePartitions, 1, nil)
	return err
}

// produceRecords gives each partition what it gets in a quarter of an hour.
func (t *trickling) produceRecords(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(t.Brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*kgo.Record
	for _, view := range pageViews(tricklePartitions*trickleLength, 1) {
		n := len(records) % tricklePartitions
		records = append(records,
			&kgo.Record{Topic: trickleTopic, Partition: int32(n), Key: view.Key, Value: view.Value})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// runRound is a tick and the work that it starts, with one core.
func (t *trickling) runRound(ctx context.Context) (started bool, err error) {
	t.started = nil
	summary, err := t.discoverer.Tick(ctx, time.Time{})
	if err != nil || summary.Failures > 0 {
		return false, fmt.Errorf("tick %+v: %w", summary, err)
	}
	for _, task := range t.started {
		results, err := t.worker.Work(ctx, task, time.Now().Add(time.Hour))
		if err != nil {
			return false, err
		}
		t.results = append(t.results, results...)
	}
	return len(t.started) > 0, nil
}

// measureRound counts a round in which every partition has a range, less a round in
// which none has.
func (t *trickling) measureRound(ctx context.Context) (c trickleCost, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	before, begin := t.meter.Total(), time.Now()
	t.started = nil
	if _, err := t.discoverer.Tick(ctx, time.Time{}); err != nil {
		return c, err
	}
	c.Tick, c.TickSeconds = t.meter.Total().Plus(before, -1), time.Since(begin).Seconds()
	before, begin = t.meter.Total(), time.Now()
	processor := processorTime()
	for _, task := range t.started {
		results, err := t.worker.Work(ctx, task, time.Now().Add(time.Hour))
		if err != nil {
			return c, err
		}
		t.results = append(t.results, results...)
	}
	c.Worker = taken{
		Billed:    time.Since(begin).Seconds(),
		Processor: (processorTime() - processor).Seconds(),
		Used:      t.meter.Total().Plus(before, -1),
	}
	before, begin = t.meter.Total(), time.Now()
	if started, err := t.runRound(ctx); err != nil || started || len(t.results) != tricklePartitions {
		return c, fmt.Errorf("%d ranges were archived of %d, and more were started: %v, %w",
			len(t.results), tricklePartitions, started, err)
	}
	c.Tick, c.TickSeconds = c.Tick.Plus(t.meter.Total().Plus(before, -1), -1), c.TickSeconds-time.Since(begin).Seconds()
	each := 1.0 / tricklePartitions
	c.Worker, c.Tick, c.TickSeconds = taken{}.plus(c.Worker, each), usage{}.Plus(c.Tick, each), c.TickSeconds*each
	c.ResultBytes = float64(len(must(json.Marshal(t.results[0]))))
	return c, nil
}

// A monthOfTrickle is what a month costs, by where it goes.
type monthOfTrickle struct{ archive, discover, requests, tables, logs float64 }

func (m monthOfTrickle) total() float64 {
	return m.archive + m.discover + m.requests + m.tables + m.logs
}

// pricedMonth makes dollars a month of a day that was played.
func (c trickleCost) pricedMonth(day scale.Result, idle measuredTickReport) monthOfTrickle {
	month := daysAMonth * 24 * float64(time.Hour) / float64(day.Length)
	objects, invocations := month*float64(day.Objects), month*float64(day.Workers)
	tick := max(idle.Wall, idle.Processor*megabytesOfACore/discoverMegabytes)
	used := c.Worker.Used.Plus(c.Tick, 1)
	return monthOfTrickle{
		archive: lambda(archiveMegabytes, objects*c.Worker.Billed+invocations*day.Speed.Start.Seconds()) +
			priceInvoke.of(invocations),
		discover: ticksAMonth*(lambda(discoverMegabytes, tick)+priceInvoke.of(1)+priceSchedule.of(1)) +
			lambda(discoverMegabytes, objects*c.TickSeconds),
		requests: pricePut.of(objects*used.Puts) + priceGet.of(objects*used.Gets),
		tables: priceWrite.of(objects*used.WriteUnits+ticksAMonth*idle.bill.WriteUnits) +
			priceRead.of(objects*used.ReadUnits+ticksAMonth*idle.bill.ReadUnits),
		logs: priceLogs.of((objects*c.ResultBytes + (invocations+ticksAMonth)*invocationLogs) / 1e9),
	}
}

// trickle is a scenario of so many partitions that trickle.
func trickle(partitions int, sizing bifrost.Sizing, speed scale.Speed) scale.Scenario {
	return scale.Scenario{
		Name:         "trickle",
		About:        "Partitions that get a record of 500 bytes each minute, with the template's defaults.",
		Partitions:   partitions,
		BytesPerHour: float64(partitions) * trickleHourly,
		Length:       24 * time.Hour,
		Retention:    7 * 24 * time.Hour,
		Slots:        defaultSlots,
		Together:     startedTogether,
		Sizing:       sizing,
		Timeout:      workerLife,
		Speed:        speed,
	}
}

// benchTrickle derives what clusters cost whose partitions trickle.
func benchTrickle(report func(figure)) error {
	c, err := measuredTrickle()
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%d records of 500 bytes in each of %d partitions, one core, %v added to each round trip",
		trickleLength, tricklePartitions, farDelay)
	report(figure{
		Name:   "trickle/range/billed",
		Value:  1e3 * c.Worker.Billed,
		Unit:   "ms",
		Target: "at most 70",
		Note:   note,
	})
	report(figure{Name: "trickle/range/processor", Value: 1e3 * c.Worker.Processor, Unit: "core-ms"})
	report(figure{
		Name:  "trickle/range/writes",
		Value: c.Worker.Used.WriteUnits + c.Tick.WriteUnits,
		Unit:  "write units",
		Note:  fmt.Sprintf("%.2f of them by discover", c.Tick.WriteUnits),
	})
	report(figure{Name: "trickle/range/reads", Value: c.Worker.Used.ReadUnits + c.Tick.ReadUnits, Unit: "read units"})
	report(figure{
		Name:  "trickle/range/puts",
		Value: c.Worker.Used.Puts + c.Tick.Puts,
		Unit:  "requests",
		Note:  fmt.Sprintf("and %.2f of the cheaper class", c.Worker.Used.Gets+c.Tick.Gets),
	})
	m, err := measureSpeed()
	if err != nil {
		return err
	}
	speed := m.speed
	speed.PerSmall, speed.Start = seconds(c.Worker.Billed), seconds(max(c.Start, m.archive.Start))
	for _, t := range []struct {
		partitions int
		sizing     bifrost.Sizing
		name       string
		target     string
	}{
		{1_000, quiet, "", "at most 20"}, {10_000, quiet, "", "at most 180"},
		{1_000, timely, "/900s", "at most 72"}, {10_000, timely, "/900s", "at most 680"},
	} {
		idle, err := measuredTick(t.partitions, idle)
		if err != nil {
			return err
		}
		day := scale.Run(trickle(t.partitions, t.sizing, speed))
		month := c.pricedMonth(day, idle)
		report(figure{
			Name:   fmt.Sprintf("cost/trickle/%d%s", t.partitions, t.name),
			Value:  month.total(),
			Unit:   "dollars a month",
			Target: t.target,
			Note: fmt.Sprintf("archive functions %.2f, discover %.2f, S3 requests %.2f, DynamoDB %.2f, logs %.2f; "+
				"%d objects and %d functions a day",
				month.archive, month.discover, month.requests, month.tables, month.logs, day.Objects, day.Workers),
		})
	}
	report(figure{Name: "scale/trickle", Value: float64(sustained(speed)), Unit: "partitions", Target: "at least 50000",
		Note: fmt.Sprintf("that get a record a minute, archived by %d slots at an age of %v, at %.0f ms a range",
			defaultSlots, timely.MaxAge, 1e3*c.Worker.Billed)})
	return reportCalculator(report, c)
}

// quiet is the template's sizing, and timely the one under which a quiet partition waits no longer than a busy one.
var (
	quiet  = bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: 15 * time.Minute, QuietMaxAge: 2 * time.Hour}
	timely = bifrost.Sizing{TargetBytes: defaultTarget, MaxAge: 15 * time.Minute}
)

// sustained is how many partitions that trickle the default slots keep up with, to
// a fiftieth: for hours no record waits longer than its age and three ticks.
func sustained(speed scale.Speed) int {
	keepsUp := func(partitions int) bool {
		s := trickle(partitions, timely, speed)
		s.Length = 4 * time.Hour
		r := scale.Run(s)
		for _, p := range r.Points {
			if p.OldestAge > timely.MaxAge+3*time.Minute {
				return false
			}
		}
		return true
	}
	most := 500
	for keepsUp(2*most) && most < 1_000_000 {
		most *= 2
	}
	step := most
	for step > most/50 {
		step /= 2
		if keepsUp(most + step) {
			most += step
		}
	}
	return most
}
