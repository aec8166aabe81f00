package main

import (
	"math"
	"testing"
)

// A job is as long as its busiest worker, and no shorter than its largest partition.
func TestJobsArePlayed(t *testing.T) {
	t.Parallel()
	s := jobSpeed{Bytes: 100, Stored: 0.5, Gets: 0.01, Start: 10}
	for name, c := range map[string]struct {
		items   []float64
		workers int
		rate    float64
		want    jobPlayed
	}{
		"one item":                {[]float64{1000}, 4, 0, jobPlayed{20, 20, 1, 100}},
		"two rounds":              {[]float64{1000, 1000, 1000}, 2, 0, jobPlayed{40, 60, 3, 200}},
		"the largest comes first": {[]float64{1000, 1000, 2000}, 2, 0, jobPlayed{40, 70, 3, 200}},
		"held":                    {[]float64{1000, 1000}, 5, 100, jobPlayed{30, 60, 2, 100}},
		"a limit that binds not":  {[]float64{1000, 1000}, 2, 1000, jobPlayed{20, 40, 2, 200}},
		"longer than a function":  {[]float64{172_000}, 1, 0, jobPlayed{1740, 1740, 2, 100}},
		"a little longer":         {[]float64{172_100}, 1, 0, jobPlayed{1751, 1751, 3, 100}},
	} {
		if got := playJob(c.items, c.workers, s, c.rate); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	r := jobPlayed{Function: 1024. / 1769 * 1e6, Invocations: 1e6, Most: 800}
	if got, want := r.dollarsInAll(500_000, 1e8, s), 13.3334+0.2+0.025*3000.003+0.4; math.Abs(got-want) > 1e-6 {
		t.Errorf("%f dollars, want %f", got, want)
	}
	if got := r.brokerShare(s); got != 100 {
		t.Errorf("%f bytes a second at a broker", got)
	}
	sum := 0.0
	sizes := unevenly(1e6, 100)
	for _, size := range sizes {
		sum += size
	}
	if math.Abs(sum-1e6) > 1 || math.Abs(sizes[0]/sizes[99]-10) > 1e-9 || evenly(100, 10)[9] != 10 {
		t.Errorf("sizes %v", sizes)
	}
}
