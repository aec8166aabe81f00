package parallel_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// TestACrewIsSharedByNestedLoops: no more work is done at the same time than the crew
// has members, and all of it is done.
func TestACrewIsSharedByNestedLoops(t *testing.T) {
	t.Parallel()
	for _, size := range []int{-1, 0, 1, 2, 5} {
		var now, most, done atomic.Int32
		crew := parallel.NewCrew(size)
		parallel.Each(crew, make([]int, 20), func(int) {
			parallel.Each(crew, make([]int, 10), func(int) {
				n := now.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				done.Add(1)
				now.Add(-1)
			})
		})
		if done.Load() != 200 || int(most.Load()) > max(1, size) {
			t.Errorf("crew of %d: %d pieces of work, %d at the same time", size, done.Load(), most.Load())
		}
	}
}

// TestHelpersWorkAtTheSameTime: each piece waits for all others to have begun.
func TestHelpersWorkAtTheSameTime(t *testing.T) {
	t.Parallel()
	const size = 4
	begun, all := make(chan struct{}, size), make(chan struct{})
	go func() {
		for range size {
			<-begun
		}
		close(all)
	}()
	parallel.Each(parallel.NewCrew(size), make([]int, size), func(int) { begun <- struct{}{}; <-all })
}

func TestACrewOfOneGoesInOrder(t *testing.T) {
	t.Parallel()
	items, got := []int{3, 1, 2}, []int(nil)
	parallel.Each(parallel.NewCrew(1), items, func(i int) { got = append(got, i) }) // a race if it were another goroutine
	parallel.Each(parallel.Crew(nil), items, func(i int) { got = append(got, i) })
	if !slices.Equal(got, []int{3, 1, 2, 3, 1, 2}) {
		t.Errorf("in order %v", got)
	}
}

func TestTheFirstFailureEndsAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var begun atomic.Int32
	err := parallel.Try(t.Context(), 2, make([]int, 1000), func(ctx context.Context, _ int) error {
		if begun.Add(1) == 1 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) || begun.Load() > 4 {
		t.Errorf("error %v after %d had begun", err, begun.Load())
	}
}

func TestTryDoesEverything(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{-1, 0, 1, 7} {
		var sum atomic.Int32
		items := []int{1, 2, 3, 4}
		err := parallel.Try(t.Context(), limit, items, func(_ context.Context, i int) error { sum.Add(int32(i)); return nil })
		if err != nil || sum.Load() != 10 {
			t.Errorf("limit %d: sum %d, error %v", limit, sum.Load(), err)
		}
	}
}

func TestAContextThatHasEndedIsTheAnswer(t *testing.T) {
	t.Parallel()
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := parallel.Try(ctx, 3, []int{1}, func(context.Context, int) error { t.Error("it began"); return nil })
	if !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

// TestAnErrorInsteadOfAnItemEndsAll: what was found before it is worked on, and nothing after it.
func TestAnErrorInsteadOfAnItemEndsAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var done atomic.Int32
	err := parallel.TryEach(t.Context(), 1, func(yield func(int, error) bool) {
		for i := range 1000 {
			if i == 10 && !yield(0, broken) || i != 10 && !yield(i, nil) {
				return
			}
		}
		t.Error("all items were asked for")
	}, func(context.Context, int) error { done.Add(1); return nil })
	if !errors.Is(err, broken) || done.Load() != 10 {
		t.Errorf("error %v after %d items", err, done.Load())
	}
}
