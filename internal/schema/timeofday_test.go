package schema

import (
	"testing"
	"time"
)

// TestTimesOfADay: a day has 24 hours, the last of which ends before the next one. What is
// no time of a day is a duration.
func TestTimesOfADay(t *testing.T) {
	t.Parallel()
	s := avroShape{logical: "time-millis"}
	for d, want := range map[time.Duration]string{
		0: "00:00:00.000", time.Millisecond: "00:00:00.001", 24*time.Hour - time.Millisecond: "23:59:59.999", 24 * time.Hour: "24h0m0s", -time.Millisecond: "-1ms",
	} {
		if got := s.timeOfDay(d); got != want {
			t.Errorf("%s after midnight is %s, want %s", d, got, want)
		}
	}
}
