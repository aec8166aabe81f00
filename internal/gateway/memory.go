// Who may have how much memory.

package gateway

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// memory is who may have how much. There are four pools, and who has something of one
// waits only for a later one: large requests while they come in, requests while they
// are decoded, answers until they are sent, and reads of the store until they are in
// the cache. What is left of the whole is for the cache, for the catalogue, and for the
// garbage collector.
type memory struct {
	frames, requests, answers, loads pool
	cacheBytes                       int64
}

func newMemory(total int64) *memory {
	return &memory{
		frames:     newPool(total / 16),
		requests:   newPool(total / 8),
		answers:    newPool(total / 4),
		loads:      newPool(total / 8),
		cacheBytes: total / 4,
	}
}

// pool is a number of bytes that may be in use.
type pool struct {
	size int64
	free *semaphore.Weighted
}

func newPool(size int64) pool { return pool{size, semaphore.NewWeighted(size)} }

// take waits until so many bytes are free. What is more than all waits for all:
// one record can be larger than any pool. Release gives them back.
func (p pool) take(ctx context.Context, bytes int64) (release func(), err error) {
	bytes = min(bytes, p.size)
	if err := p.free.Acquire(ctx, bytes); err != nil {
		return nil, err
	}
	return func() { p.free.Release(bytes) }, nil
}
