package capture

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What a process keeps of failures ends with a success: the pauses begin anew.
func TestASuccessEndsThePauses(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	c := s.capturer()
	fail := func(want ...time.Duration) {
		t.Helper()
		s.cluster.fails["Groups"] = errors.New("no broker answers")
		defer delete(s.cluster.fails, "Groups")
		for _, pause := range want {
			if r := s.due(c); r.Outcome != bifrost.CaptureFailed {
				t.Fatalf("%+v, want a failure", r)
			}
			s.now = s.now.Add(pause - time.Second)
			if r := s.due(c); r.Outcome != bifrost.CapturePaused {
				t.Errorf("%+v a second before the pause of %s ends", r, pause)
			}
			s.now = s.now.Add(time.Second)
		}
	}
	fail(time.Minute, 2*time.Minute, 3*time.Minute)
	if r := s.due(c); r.Outcome != bifrost.CaptureWritten {
		t.Fatalf("%+v, want a capture", r)
	}
	s.now = s.now.Add(c.Every)
	fail(time.Minute, 2*time.Minute)
}

// Partitions stand in the order of their numbers, and 10 is behind 9.
func TestPositionsStandInOrder(t *testing.T) {
	t.Parallel()
	var given []Committed
	for _, number := range []int32{10, 2, 0, 11, 9, 1, 100} {
		given = append(given, Committed{Partition: number, Offset: int64(number)})
	}
	got := ordered(map[string][]Committed{"orders": given, "payments": slices.Clone(given)})
	for topic, partitions := range got {
		var numbers []int32
		for _, c := range partitions {
			numbers = append(numbers, c.Partition)
			if c.Offset != int64(c.Partition) {
				t.Errorf("%s: partition %d has the offset of another one, %d", topic, c.Partition, c.Offset)
			}
		}
		if !slices.Equal(numbers, []int32{0, 1, 2, 9, 10, 11, 100}) {
			t.Errorf("%s: partitions %v", topic, numbers)
		}
	}
}
