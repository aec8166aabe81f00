// Package parallel limits how much work is done concurrently: [Each] for items that each
// keep their own failure, [Try] and [TryEach] for items of which the first failure stops the rest.
package parallel

import (
	"context"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Crew limits how many items are worked on concurrently, across nested loops: a few large
// partitions and thousands of small ones keep the same number of goroutines busy. It is
// safe for concurrent use.
type Crew chan struct{}

// NewCrew makes a crew of the caller and size-1 helpers. With a size of 0 or 1 there
// are no helpers.
func NewCrew(size int) Crew { return make(Crew, max(0, size-1)) }

// Each calls work for every item and returns when all are done. Helpers that are free
// take items; when there are none the caller does the item itself. A crew of one goes
// through the items in order in the caller's goroutine: the simulation depends on that.
func Each[T any](crew Crew, items []T, work func(T)) {
	var helpers sync.WaitGroup
	for _, item := range items {
		select {
		case crew <- struct{}{}:
			helpers.Go(func() {
				defer func() { <-crew }()
				work(item)
			})
		default:
			work(item)
		}
	}
	helpers.Wait()
}

// Try calls work for every item, at most limit of them concurrently, at least one. The
// first failure cancels the context of the others, prevents new ones from starting, and
// is returned. When ctx ends, its cause is returned.
func Try[T any](ctx context.Context, limit int, items []T, work func(ctx context.Context, item T) error) error {
	return TryEach(ctx, limit, func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}, work)
}

// TryEach is Try for items that are found while others are worked on. An error that comes
// instead of one is a failure too.
func TryEach[T any](
	ctx context.Context, limit int, items iter.Seq2[T, error], work func(ctx context.Context, item T) error,
) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(max(1, limit))
	for item, err := range items {
		if within.Err() != nil {
			break
		}
		if err != nil {
			group.Go(func() error { return err })
			break
		}
		group.Go(func() error { return work(within, item) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// NumbersBelow returns 0 to n-1, for work on what has numbers and is no slice of its own.
func NumbersBelow(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
