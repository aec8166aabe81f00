// Package parallel bounds the work that is done at the same time: [Each] where every
// piece keeps its own failure, [Try] where the first failure ends all.
package parallel

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Crew is how many pieces of work are done at the same time, across nested loops: a
// few large partitions and thousands of small ones keep the same number busy. It may
// be used from many goroutines.
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

// Try calls work for every item, at most limit of them at the same time, at least one.
// The first failure ends the context of the others, lets nothing new begin, and is the
// answer. When ctx ends, the answer is its cause.
func Try[T any](ctx context.Context, limit int, items []T, work func(ctx context.Context, item T) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(max(1, limit))
	for _, item := range items {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return work(within, item) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
