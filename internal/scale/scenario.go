// Package scale simulates the archiver at sizes that fit on no machine: a million
// partitions, a terabyte per hour, a backlog of a week. Time is virtual. The planner is
// the real one: [bifrost.CountRanges], [bifrost.PlanRanges], [bifrost.ShareSlots] and
// [bifrost.LossAt] decide here as they do in a tick. Around them is a model of what the
// rules only see from the outside:
//
//   - records flow at a rate, the same mix of partitions all the time;
//   - a worker takes the time that was measured for one archive, continues with the
//     next waiting range as docs/decisions/0004 says, and ends with a failure;
//   - a tick takes the time that was measured for each partition it looks at and
//     each plan it writes, and stops where the real one would;
//   - all workers share the bytes that brokers deliver.
//
// Throttling by S3 and DynamoDB, rebalanced leaders and duplicate invocations are not
// modelled. The simulation in internal/bifrosttest covers those.
package scale

import (
	"math"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Speed is the measured speed of the parts.
type Speed struct {
	BytesPerSecond float64       // raw bytes that one worker turns into an object
	PerObject      time.Duration // in addition, for each object: requests that a worker waits for
	// total time of a small range that is archived in parallel with others; 0: as for any other
	PerSmall       time.Duration
	Start          time.Duration // from the start of a worker to its first request
	PlansPerSecond float64       // plans that a tick writes
	PerPartition   time.Duration // of a tick, for each partition it looks at
}

// Outage is a period in which some partitions cannot be reached. Producers still write to
// them.
type Outage struct {
	From, To time.Duration
	Share    float64 // of the partitions, from 0 to 1
}

// Scenario is one play.
type Scenario struct {
	Name  string
	About string // one sentence for people

	Partitions   int
	Skew         float64                        // the n-th partition has 1/n^Skew of the first's bytes
	BytesPerHour float64                        // raw bytes of all partitions
	Shape        func(at time.Duration) float64 // factor of the rate at a time; nil for 1
	// how long everything was written and nothing archived before the beginning
	Backlog   time.Duration
	Retention time.Duration             // zero for unlimited
	KeepsLess func(n int) time.Duration // retention of the n-th partition where it is another; nil for none
	Outage    Outage
	Length    time.Duration

	Slots    int
	Together int // small ranges that a worker takes together, at most; 0 for one
	Sizing   bifrost.Sizing
	Timeout  time.Duration // of a worker
	Brokers  float64       // bytes a second that the brokers have for the archive, zero without limit
	Speed    Speed
}

// tick is the time between two starts of discover.
const tick = time.Minute

// recordBytes is the size of every record.
const recordBytes = 500

// flow is how many raw bytes all partitions together have got, by tick.
type flow struct {
	at     []float64 // at[k]: bytes until k ticks after the first moment
	before int       // ticks of backlog: the play begins at this one
}

func newFlow(s Scenario) flow {
	f := flow{before: int(s.Backlog / tick)}
	perTick := s.BytesPerHour * tick.Hours()
	total := 0.0
	for k := range f.before + int(s.Length/tick) + 1 {
		f.at = append(f.at, total)
		factor := 1.0
		if s.Shape != nil && k >= f.before {
			factor = s.Shape(time.Duration(k-f.before) * tick)
		}
		total += perTick * factor
	}
	return f
}

// weights are the partitions' parts of the flow; they add up to 1.
func weights(n int, skew float64) []float64 {
	all, sum := make([]float64, n), 0.0
	for i := range all {
		all[i] = math.Pow(float64(i+1), -skew)
		sum += all[i]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}
