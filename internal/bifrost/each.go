package bifrost

import (
	"cmp"
	"slices"
	"sync"
)

// each calls work for every item, at most parallel of them side by side. With
// one it calls them in order in the caller's goroutine: the simulation depends
// on that.
func each[T any](parallel int, items []T, work func(T)) {
	if parallel <= 1 {
		for _, item := range items {
			work(item)
		}
		return
	}
	var workers sync.WaitGroup
	queue := make(chan T)
	for range min(parallel, len(items)) {
		workers.Go(func() {
			for item := range queue {
				work(item)
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	workers.Wait()
}

func sortSightings(s []*sighting) {
	slices.SortFunc(s, func(a, b *sighting) int {
		return cmp.Or(cmp.Compare(a.incarnation.Topic, b.incarnation.Topic), cmp.Compare(a.number, b.number))
	})
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
