// What clusters of other sizes cost, derived from what was measured.

package main

import (
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// The rows of the calculator's table: partitions, and records of trickleRecord
// bytes a minute in each of them.
var (
	calculatorPartitions = []int{1_000, 10_000, 100_000}
	calculatorRates      = []float64{0.1, 1, 10, 100, 1_000}
)

const secondsAMonth = hoursAMonth * 3600.0

// An objectFlow is what a partition makes of its records at the template's defaults.
type objectFlow struct {
	objects float64 // a month
	bytes   float64 // of each
	small   bool    // archived side by side with others
}

// flowOf is how a partition with a steady rate is cut, see [bifrost.Sizing]: what
// fits into a small range waits for the quiet age, what does not for the maximum
// age, and the target ends either. On average a tick comes half a minute late, and a
// quiet age is a sixteenth shorter, because each partition's is another.
func flowOf(rate float64, sizing bifrost.Sizing) objectFlow {
	const late = 30.0
	perSecond := rate * trickleRecord / 60
	age := sizing.QuietMaxAge.Seconds()*15/16 + late
	if perSecond*age > bifrost.SmallRange {
		age = max(sizing.MaxAge.Seconds(), bifrost.SmallRange/perSecond) + late
	}
	age = min(age, float64(sizing.TargetBytes)/perSecond)
	age = max(age, 60/rate) // no object has less than a record
	return objectFlow{secondsAMonth / age, perSecond * age, perSecond*age <= bifrost.SmallRange}
}

// month prices what so many partitions of the flow cost, beside ticks that find nothing.
func (f objectFlow) month(partitions int, c trickleCost, a archiveCost, idle measuredTickReport) monthOfTrickle {
	objects := f.objects * float64(partitions)
	t, functions, result := c.Worker, min(objects, ticksAMonth)+objects/startedTogether, c.ResultBytes
	if f.small {
		t = t.plus(a.perByte, max(0, f.bytes-trickleLength*trickleRecord))
	} else {
		t, result = a.of(1, f.bytes), a.ResultBytes
		functions = objects * t.Billed / workerLife.Seconds()
	}
	used := t.Used.Plus(c.Tick, 1)
	tick := max(idle.Wall, idle.Processor*megabytesOfACore/discoverMegabytes)
	return monthOfTrickle{
		archive: lambda(archiveMegabytes, objects*t.Billed+functions*max(c.Start, a.Start)) +
			priceInvoke.of(functions),
		discover: ticksAMonth*(lambda(discoverMegabytes, tick)+priceInvoke.of(1)+priceSchedule.of(1)) +
			lambda(discoverMegabytes, objects*c.TickSeconds),
		requests: pricePut.of(objects*used.Puts) + priceGet.of(objects*used.Gets),
		tables: priceWrite.of(objects*used.WriteUnits+ticksAMonth*idle.bill.WriteUnits) +
			priceRead.of(objects*used.ReadUnits+ticksAMonth*idle.bill.ReadUnits),
		logs: priceLogs.of((objects*result + (functions+ticksAMonth)*invocationLogs) / 1e9),
	}
}

// reportCalculator prices every row of the calculator's table, beside a connector
// that makes as many objects, one request for each, on as many workers as the bytes
// need, and a delivery stream.
func reportCalculator(report func(figure), c trickleCost) error {
	a, err := measuredArchive()
	if err != nil {
		return err
	}
	for _, partitions := range calculatorPartitions {
		idle, err := measuredTick(partitions, idle)
		if err != nil {
			return err
		}
		for _, rate := range calculatorRates {
			f := flowOf(rate, quiet)
			month := f.month(partitions, c, a, idle)
			objects := f.objects * float64(partitions)
			bytes := objects * f.bytes
			workers := max(1, bytes/1e6/connectorSpeed/secondsAMonth)
			connector := workers*priceConnector.of(hoursAMonth) + pricePut.of(objects)
			report(figure{
				Name:  fmt.Sprintf("cost/calculator/%d/%g", partitions, rate),
				Value: month.total(),
				Unit:  "dollars a month",
				Note: fmt.Sprintf("%d partitions with %g records of %d bytes a minute each, "+
					"an object of %.0f KB every %v; a connector %.0f, a delivery stream %.0f",
					partitions, rate, trickleRecord, f.bytes/1e3,
					time.Duration(secondsAMonth/f.objects*float64(time.Second)).Round(time.Minute), connector,
					priceStream.of(bytes/1e9)),
			})
		}
	}
	return nil
}
