// Who may have how much memory.

package gateway

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"
)

// memory is who may have how much. There are five pools, and who has something of one
// waits only for a later one: large requests while they come in, requests while they
// are decoded, answers until they are sent, stretches of objects that are read ahead, and
// reads of the store until they are in the cache. What is left of the whole is for the
// cache, for the catalogue, and for the garbage collector.
type memory struct {
	frames, requests, answers, stretches, loads pool
	cacheBytes                                  int64
}

func newMemory(total int64) *memory {
	return &memory{
		frames:     newPool(total / 16),
		requests:   newPool(total / 8),
		answers:    newPool(total / 4),
		stretches:  newPool(total / 32),
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

// spare is memory of batches that nobody reads any more. To write into it takes less time
// than to get other memory, which is cleared first.
type spare struct {
	mutex sync.Mutex
	left  [][]byte
}

const (
	// mostSpare is how many pieces are kept.
	mostSpare = 8
	// spareStep is what sizes are rounded up to, so that a piece fits other batches as well.
	spareStep = 32 << 10
)

// leastSpare and largestSpare bound pieces in bytes. A batch of an object that is full has about
// 1 MiB. Variables because tests have small ones.
var leastSpare, largestSpare = 64 << 10, 2 << 20

// take returns memory for so many bytes, of which at most a 16th more is left over.
func (s *spare) take(bytes int) []byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	fits := func(piece []byte) bool { return cap(piece) >= bytes && cap(piece)-bytes <= bytes/16 }
	if i := slices.IndexFunc(s.left, fits); i >= 0 {
		piece := s.left[i]
		s.left = slices.Delete(s.left, i, i+1)
		return piece[:0]
	}
	if rounded := (bytes + spareStep - 1) / spareStep * spareStep; rounded-bytes <= bytes/16 {
		bytes = rounded
	}
	return make([]byte, 0, bytes)
}

// add keeps memory that nobody reads or writes any more, in the place of the oldest.
func (s *spare) add(piece []byte) {
	if cap(piece) < leastSpare || cap(piece) > largestSpare {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.left) == mostSpare {
		s.left = slices.Delete(s.left, 0, 1)
	}
	s.left = append(s.left, piece)
}
