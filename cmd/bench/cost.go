// What a terabyte costs, derived from measured archives.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/awsmeter"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What AWS bills is counted as it is for the reports of jobs.
type (
	usage = awsmeter.Usage
	meter = awsmeter.Meter
)

var costBenchmarks = []benchmark{{"cost", benchCost}}

// What the template's functions have.
const (
	megabytesOfACore = 1769.0 // one vCPU (AWS Lambda Developer Guide, "Configure Lambda function memory")
	archiveMegabytes = 1769.0
	defaultTarget    = 128 << 20         // raw bytes that an object aims at
	workerLife       = 870 * time.Second // of 15 minutes, 30 seconds are left to end
)

// lambda is the dollars for a function that runs so many seconds.
func lambda(megabytes, seconds float64) float64 { return priceCompute.of(megabytes / 1024 * seconds) }

// An archiveCost is what one archive was measured to take: a part for the object,
// whatever its size, and a part for each of its bytes.
type archiveCost struct {
	perObject, perByte taken
	Ratio              float64 // stored bytes of a raw byte
	Start              float64 // seconds from the start of a process to its first answer from Kafka
	ResultBytes        float64 // of the line that is logged
}

// taken is time and what AWS bills beside it.
type taken struct {
	Billed, Processor float64 // seconds
	Used              usage
}

func (t taken) plus(other taken, times float64) taken {
	return taken{t.Billed + times*other.Billed, t.Processor + times*other.Processor, t.Used.Plus(other.Used, times)}
}

// of is what so many objects with so many raw bytes take together.
func (c archiveCost) of(objects, bytes float64) taken {
	return taken{}.plus(c.perObject, objects).plus(c.perByte, bytes)
}

const (
	tinyRanges = 24
	tinyRange  = 10 // records of each
)

// measuredArchive archives large ranges and tiny ones on real parts with one
// worker held to one core, once in the life of the program.
var measuredArchive = sync.OnceValues(func() (c archiveCost, err error) {
	ctx := context.Background()
	p, stop, err := startParts(ctx)
	if err != nil {
		return c, err
	}
	defer func() { check(stop()) }()
	if err = fillPathTopic(ctx, p.Brokers, backfillRanges*backfillRange); err != nil {
		return c, err
	}
	p.Delay, p.Ranges, p.Length = farDelay, tinyRanges, tinyRange
	tiny, err := p.backfill(ctx, "tiny", 1)
	if err != nil {
		return c, err
	}
	p.Ranges, p.Length = backfillRanges, backfillRange
	large, err := p.backfill(ctx, "large", 1)
	if err != nil {
		return c, err
	}
	c.perObject = tiny.eachRange()
	c.perByte = taken{}.plus(large.eachRange().plus(c.perObject, -1), backfillRanges/large.rawSize())
	c.Ratio, c.Start = large.storedSize()/large.rawSize(), median([]float64{tiny.Starts[0], large.Starts[0]})
	c.ResultBytes = float64(len(must(json.Marshal(large.Results[0]))))
	return c, nil
})

// eachRange is what one range took, on average.
func (b backfilled) eachRange() taken {
	return taken{}.plus(taken{b.billedSeconds(), b.processor(), b.Used}, 1/float64(len(b.Results)))
}

// archiveDollars is the bill for objects with raw bytes in them, without storage
// and without the ticks that find them.
func (c archiveCost) archiveDollars(objects, bytes float64) (compute, requests, tables, logs float64) {
	t := c.of(objects, bytes)
	compute = lambda(archiveMegabytes, t.Billed) + priceInvoke.of(t.Billed/workerLife.Seconds())
	requests = pricePut.of(t.Used.Puts) + priceGet.of(t.Used.Gets)
	tables = priceWrite.of(t.Used.WriteUnits) + priceRead.of(t.Used.ReadUnits)
	logs = priceLogs.of(objects * c.ResultBytes / 1e9)
	return compute, requests, tables, logs
}

const terabyte = 1e12

// benchCost derives what a terabyte and an idle month cost from what was measured
// and the list prices.
func benchCost(report func(figure)) error {
	c, err := measuredArchive()
	if err != nil {
		return err
	}
	note := fmt.Sprintf("one worker of one core, %v added to each round trip", farDelay)
	report(figure{Name: "cost/archive/speed", Value: 1e-6 / c.perByte.Billed, Unit: "MB/s", Note: note})
	report(figure{Name: "cost/archive/core", Value: 1e-6 / c.perByte.Processor, Unit: "MB a core-second", Note: note})
	report(figure{
		Name:  "cost/archive/object",
		Value: 1e3 * c.perObject.Billed,
		Unit:  "ms",
		Note:  "billed for each object beside its bytes",
	})
	report(figure{Name: "cost/archive/stored", Value: c.Ratio, Unit: "of the raw bytes"})
	for _, target := range []float64{defaultTarget, 16 << 20, 1 << 20} {
		c.reportTerabyte(report, target)
	}
	dollars, perTB := "dollars", "dollars a TB"
	report(figure{
		Name:  "cost/zones",
		Value: priceZone.of(1000),
		Unit:  perTB,
		Note: "if every byte on the wire is read from another zone; two thirds of it with leaders in three zones; " +
			"0 with ClientRack set. Counts bytes as producers compressed them",
	})
	report(figure{Name: "cost/storage", Value: priceStorage.of(1000 * c.Ratio), Unit: "dollars a month for a raw TB"})
	for _, size := range discoverSizes {
		if err := reportIdleMonth(report, size); err != nil {
			return err
		}
	}
	report(figure{
		Name:  "cost/endpoint",
		Value: priceEndpoint.of(hoursAMonth),
		Unit:  "dollars a month and zone",
		Note:  "in a VPC discover needs an interface endpoint for Lambda",
	})
	report(figure{
		Name:  "cost/connector/month",
		Value: priceConnector.of(hoursAMonth),
		Unit:  dollars + " a month",
		Note:  "an always-on connector worker, busy or idle",
	})
	report(figure{Name: "cost/connector/tb", Value: priceConnector.of(1e6 / connectorSpeed / 3600), Unit: perTB,
		Note: fmt.Sprintf("if it is busy all the time, at %d MB a core-second, "+
			"which was measured once and is not by this program; idle half of the time it is twice that",
			connectorSpeed)})
	report(figure{Name: "cost/stream/tb", Value: priceStream.of(1000), Unit: perTB, Note: "a managed delivery stream"})
	return nil
}

// connectorSpeed is what the connector that most people run (JVM, gzip, values
// only) did for each core-second on a machine like this one.
const connectorSpeed = 23

func (c archiveCost) reportTerabyte(report func(figure), target float64) {
	compute, requests, tables, logs := c.archiveDollars(terabyte/target, terabyte)
	report(figure{
		Name:  fmt.Sprintf("cost/tb/%d_mib", int(target)>>20),
		Value: compute + requests + tables + logs,
		Unit:  "dollars a TB",
		Note: fmt.Sprintf("raw, in objects of %d MiB: Lambda %.2f, S3 requests %.2f, DynamoDB %.2f, logs %.2f",
			int(target)>>20, compute, requests, tables, logs),
	})
}

const (
	hoursAMonth       = 730
	ticksAMonth       = 60 * hoursAMonth
	discoverMegabytes = 512.0
)

// reportIdleMonth computes what a stack costs to which nothing happens.
func reportIdleMonth(report func(figure), partitions int) error {
	t, err := measuredTick(partitions, idle)
	if err != nil {
		return err
	}
	// A function has a share of a core that its memory decides.
	seconds := max(t.Wall, t.Processor*megabytesOfACore/discoverMegabytes)
	compute := ticksAMonth * (lambda(discoverMegabytes, seconds) + priceInvoke.of(1) + priceSchedule.of(1))
	tables := ticksAMonth * (priceRead.of(t.bill.ReadUnits) + priceWrite.of(t.bill.WriteUnits))
	logs := ticksAMonth * priceLogs.of(float64(len(must(json.Marshal(bifrost.TickSummary{}))))/1e9)
	report(figure{
		Name:  fmt.Sprintf("cost/idle/%d", partitions),
		Value: compute + tables + logs,
		Unit:  "dollars a month",
		Note: fmt.Sprintf("%d partitions, a tick a minute of %.2f s with %.0f MB of memory: "+
			"functions and schedule %.2f, DynamoDB %.2f; one tick is %.4f cents",
			partitions, seconds, discoverMegabytes, compute, tables, 100*(compute+tables+logs)/ticksAMonth),
	})
	return nil
}
