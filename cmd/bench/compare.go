// How things are compared: in turns, by medians.

package main

import (
	"runtime"
	"slices"
	"syscall"
	"time"
)

// rounds is how often each of the things compared runs. Tests take one.
var rounds = 11

// A cost is what one run took, in seconds: on the clock, and of all cores
// together. On a machine with other work to do the second is the steadier.
type cost struct{ wall, processor float64 }

// interleave runs the subjects in turns and returns the costs of each, a round
// that nobody counts going first. Every other round goes backwards, so that a
// machine that slows down or speeds up meets the first as often as the last.
func interleave(subjects ...func() error) ([][]cost, error) {
	costs := make([][]cost, len(subjects))
	for round := range rounds + 1 {
		for n := range subjects {
			i := n
			if round%2 == 1 {
				i = len(subjects) - 1 - n
			}
			c, err := measure(subjects[i])
			if err != nil {
				return nil, err
			}
			if round > 0 {
				costs[i] = append(costs[i], c)
			}
		}
	}
	return costs, nil
}

// measure runs the subject on a heap without anybody else's garbage.
func measure(subject func() error) (cost, error) {
	runtime.GC()
	begin, processor := time.Now(), processorSeconds()
	err := subject()
	return cost{time.Since(begin).Seconds(), processorSeconds() - processor}, err
}

// processorSeconds is what this process has used of all cores so far.
func processorSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func wall(c cost) float64      { return c.wall }
func processor(c cost) float64 { return c.processor }

// megabytes is the median speed in MB/s of runs that each took bytes.
func megabytes(bytes int64, costs []cost, clock func(cost) float64) float64 {
	speeds := make([]float64, len(costs))
	for i, c := range costs {
		speeds[i] = float64(bytes) / 1e6 / clock(c)
	}
	return median(speeds)
}

// ratio is the median of how much faster subject was than base, round by round.
func ratio(subject, base []cost, clock func(cost) float64) float64 {
	ratios := make([]float64, len(subject))
	for i := range subject {
		ratios[i] = clock(base[i]) / clock(subject[i])
	}
	return median(ratios)
}

func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
