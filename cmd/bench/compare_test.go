package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(slices.Clone(c.values)); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

// What is compared meets its neighbour of the same round, not its own median: a round
// in which the machine slept changes nothing.
func TestRatioIsOfNeighbours(t *testing.T) {
	t.Parallel()
	base := []cost{{wall: 2, processor: 1}, {wall: 200, processor: 1}, {wall: 2, processor: 1}}
	subject := []cost{{wall: 1, processor: 2}, {wall: 100, processor: 2}, {wall: 1, processor: 2}}
	if got := ratio(subject, base, wall); got != 2 {
		t.Errorf("%v times as fast by the clock, want 2", got)
	}
	if got := ratio(subject, base, processor); got != 0.5 {
		t.Errorf("%v times as fast by processor time, want 0.5", got)
	}
	if got := megabytes(3e6, base, wall); got != 1.5 {
		t.Errorf("%v MB/s, want 1.5", got)
	}
}

// Every other round goes backwards, and the first counts for nothing.
func TestInterleaveTakesTurns(t *testing.T) {
	t.Parallel()
	order := ""
	subject := func(name string) func() error {
		return func() error { order += name; return nil }
	}
	costs, err := interleave(subject("a"), subject("b"), subject("c"))
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for round := range rounds + 1 {
		want += []string{"abc", "cba"}[round%2]
	}
	if order != want {
		t.Errorf("ran in the order %s, want %s", order, want)
	}
	for i, c := range costs {
		if len(c) != rounds {
			t.Errorf("subject %d has %d costs, want %d", i, len(c), rounds)
		}
	}
}

func TestInterleaveEndsAtTheFirstError(t *testing.T) {
	t.Parallel()
	ran := 0
	_, err := interleave(
		func() error { ran++; return nil },
		func() error { ran++; return fmt.Errorf("run %d", ran) },
	)
	if err == nil || err.Error() != "run 2" || ran != 2 {
		t.Errorf("error %v after %d runs, want that of the second", err, ran)
	}
}
