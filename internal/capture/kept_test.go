package capture

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// A capture has no more than mostTime, however long the tick may go on, and counts both of its
// objects.
func TestACaptureInATickWithMuchTime(t *testing.T) {
	t.Parallel()
	for _, left := range []time.Duration{0, mostTime - time.Minute, mostTime, 10 * time.Hour} {
		s := newStand(t)
		deadline := time.Time{}
		if left > 0 {
			deadline = s.now.Add(left)
		}
		began := time.Now()
		r := s.capturer().CaptureDue(t.Context(), deadline)
		if r.Outcome != bifrost.CaptureWritten {
			t.Fatalf("%s: %+v", left, r)
		}
		want := mostTime
		if left > 0 {
			want = min(want, left)
		}
		if had := s.cluster.deadline.Sub(began); had < want-time.Second || had > want+30*time.Second {
			t.Errorf("%s are left: the capture had %s, want %s", left, had, want)
		}
		size := int64(0)
		for _, key := range s.bucket.Keys() {
			size += int64(len(s.bucket.Versions(key)[0]))
		}
		if r.Bytes != size {
			t.Errorf("%d bytes are counted, and %d are in the bucket", r.Bytes, size)
		}
	}
}

// The pause after a failure begins when that is over, and is a quarter of an hour at most.
func TestThePauseBeginsWithTheEndOfAFailure(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	c := s.capturer()
	c.Every = 240 * time.Hour
	const slow = 90 * time.Second
	s.cluster.fails["Groups"] = errors.New("no broker answers")
	s.cluster.before = func(call string) {
		if call == "Groups" {
			s.now = s.now.Add(slow)
		}
	}
	for n := range 20 {
		if r := s.due(c); r.Outcome != bifrost.CaptureFailed {
			t.Fatalf("%+v, want a failure", r)
		}
		pause := min(time.Duration(n+1)*time.Minute, 15*time.Minute)
		s.now = s.now.Add(pause - time.Second)
		if r := s.due(c); r.Outcome != bifrost.CapturePaused {
			t.Fatalf("%+v a second before the pause of %s ends", r, pause)
		}
		s.now = s.now.Add(time.Second)
	}
}

// What went wrong is said beside why the time was over.
func TestAFailureAtTheEndOfItsTime(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	ctx, stop := context.WithCancelCause(t.Context())
	s.cluster.fails["Groups"] = errors.New("no broker answers")
	s.cluster.before = func(call string) {
		if call == "Groups" {
			stop(errors.New("the tick ends"))
		}
	}
	r := s.capturer().CaptureDue(ctx, time.Time{})
	if !strings.Contains(r.Error, "no broker answers") || !strings.Contains(r.Error, "the tick ends") {
		t.Errorf("error %q, want both reasons", r.Error)
	}
}
