// A replay of 100 TB, played with what one worker was measured to do.

package main

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// What is played.
const (
	playedBytes      = 100 * terabyte // of keys and values
	playedPartitions = 2000
	playedBrokers    = 12
	playedReplicas   = 3
	playedBrokerRate = 125e6 // bytes a second that a broker writes to its disks, where it is held to that
	jobMegabytes     = 1769.0
)

// jobSpeed is what a worker was measured to do.
type jobSpeed struct {
	Bytes  float64 // of keys and values a second, with a core of its own
	Stored float64 // bytes that a broker keeps of each
	Gets   float64 // requests to S3 for each
	Start  float64 // seconds of an invocation before it writes
}

// jobPlayed is how it went.
type jobPlayed struct {
	Seconds     float64 // until the last item was done
	Function    float64 // seconds of all functions
	Invocations float64
	Most        float64 // bytes a second of all workers, while all had something to do
}

// playJob does items in the order that a job has them, the largest first: whoever is free
// takes the next. A rate is the most that all workers write together; zero is none.
func playJob(items []float64, workers int, s jobSpeed, rate float64) (r jobPlayed) {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	each := s.Bytes
	if busy := min(workers, len(items)); rate > 0 {
		each = min(each, rate/float64(busy))
	}
	free := make([]float64, min(workers, len(items))) // when each is
	r.Most = each * float64(len(free))
	for _, bytes := range items {
		n := 0 // who is free first; a few thousand workers need no heap
		for i := range free {
			if free[i] < free[n] {
				n = i
			}
		}
		writing := bytes / each
		invocations := max(1, math.Ceil(writing/(workerLife.Seconds()-s.Start)))
		took := writing + invocations*s.Start
		free[n] += took
		r.Function += took
		r.Invocations += invocations
	}
	r.Seconds = slices.Max(free)
	return r
}

// dollarsInAll is what it cost.
func (r jobPlayed) dollarsInAll(items int, bytes float64, s jobSpeed) float64 {
	transitions := 3 + 2*float64(items) + 2*r.Invocations
	return lambda(jobMegabytes, r.Function) + priceInvoke.of(r.Invocations) + priceStep.of(transitions) +
		priceGet.of(bytes*s.Gets)
}

func (r jobPlayed) dollarsATerabyte(s jobSpeed) float64 {
	return r.dollarsInAll(playedPartitions, playedBytes, s) / (playedBytes / terabyte)
}

// brokerShare is what each broker writes to its disks in a second, for itself and for others.
func (r jobPlayed) brokerShare(s jobSpeed) float64 {
	return r.Most * s.Stored * playedReplicas / playedBrokers
}

// evenly and unevenly are sizes of partitions: all the same, or falling as 1/√n.
func evenly(bytes float64, partitions int) []float64 { return falling(bytes, partitions, 0) }

func unevenly(bytes float64, partitions int) []float64 { return falling(bytes, partitions, 0.5) }

func falling(bytes float64, partitions int, power float64) []float64 {
	sizes, sum := make([]float64, partitions), 0.0
	for i := range sizes {
		sizes[i] = math.Pow(float64(i+1), -power)
		sum += sizes[i]
	}
	for i := range sizes {
		sizes[i] *= bytes / sum
	}
	return sizes
}

// benchJobPlay measures one worker and plays many.
func benchJobPlay(report func(figure)) error {
	s, err := measuredJob(context.Background())
	if err != nil {
		return err
	}
	even, uneven := evenly(playedBytes, playedPartitions), unevenly(playedBytes, playedPartitions)
	for _, workers := range []int{100, 1000} {
		name := fmt.Sprintf("jobs/play/%d", workers)
		r, skewed := playJob(even, workers, s, 0), playJob(uneven, workers, s, 0)
		report(figure{Name: name + "/hours", Value: r.Seconds / 3600, Unit: "hours",
			Note: fmt.Sprintf("100 TB in %d partitions of one size, %d workers with %.0f MB/s each; "+
				"%.2f hours where sizes fall as 1/√n", playedPartitions, workers, s.Bytes/1e6, skewed.Seconds/3600)})
		report(figure{Name: name + "/dollars", Value: r.dollarsATerabyte(s), Unit: "dollars a TB",
			Note: fmt.Sprintf("%.0f hours of functions, %.0f invocations; traffic between zones comes on top",
				r.Function/3600, r.Invocations)})
		report(figure{Name: name + "/broker", Value: r.brokerShare(s) / 1e6, Unit: "MB/s",
			Note: fmt.Sprintf("that each of %d brokers would have to write, with %d replicas",
				playedBrokers, playedReplicas)})
	}
	rate := playedBrokerRate * playedBrokers / playedReplicas / s.Stored
	held := playJob(even, 100, s, rate)
	report(figure{Name: "jobs/play/held/hours", Value: held.Seconds / 3600, Unit: "hours",
		Note: fmt.Sprintf("100 workers, held to JobBytesPerSecond=%.0f, so that each broker writes %.0f MB/s: "+
			"%.2f dollars a TB, since functions that wait cost as well",
			rate, held.brokerShare(s)/1e6, held.dollarsATerabyte(s))})
	return nil
}

// measuredJob replays a partition by one worker, and another one of which nothing is left.
func measuredJob(ctx context.Context) (s jobSpeed, err error) {
	p, stop, err := jobArchive(ctx, jobFarObjects)
	if err != nil {
		return s, err
	}
	defer func() { check(stop()) }()
	if _, err := p.replayJob(ctx, "warm", partitionsFrom(1, 1), 0); err != nil {
		return s, err
	}
	one, err := p.replayJob(ctx, "one", partitionsFrom(0, 1), 0)
	if err != nil {
		return s, err
	}
	nothing, err := p.replayJobInto(ctx, "one", "again", partitionsFrom(0, 1), 0) // of which nothing is left
	if err != nil {
		return s, err
	}
	bytes := float64(one.Bytes)
	return jobSpeed{
		Bytes: bytes / (one.Cores * one.Seconds), Stored: one.Stored / bytes, Gets: one.Used.Gets / bytes,
		Start: nothing.Seconds,
	}, nil
}
