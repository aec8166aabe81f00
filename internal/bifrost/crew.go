package bifrost

import "sync"

// crew bounds the work done side by side across nested loops: a few large
// partitions and thousands of small ones fill the same number of hands.
type crew chan struct{}

// newCrew makes a crew of the caller and parallel-1 helpers.
func newCrew(parallel int) crew { return make(crew, max(0, parallel-1)) }

// share calls work for every item and returns when all are done. Helpers that
// are free take items; without one the caller does the item itself. A crew of
// one goes through the items in order and starts no goroutine.
func share[T any](c crew, items []T, work func(T)) {
	var helpers sync.WaitGroup
	for _, item := range items {
		select {
		case c <- struct{}{}:
			helpers.Go(func() {
				defer func() { <-c }()
				work(item)
			})
		default:
			work(item)
		}
	}
	helpers.Wait()
}
