// How records of several partitions become one stream.

package readback

import (
	"container/heap"
	"iter"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Located is a record with the partition it is from.
type Located struct {
	Partition bifrost.Partition
	baldr.Record
}

// A Stream is the records of one partition.
type Stream struct {
	Partition bifrost.Partition
	Records   iter.Seq2[baldr.Record, error]
}

// OneByOne returns the records of the streams, one stream after the other.
func OneByOne(streams []Stream) iter.Seq2[Located, error] {
	return func(yield func(Located, error) bool) {
		for _, s := range streams {
			for record, err := range s.Records {
				if !yield(Located{s.Partition, record}, err) || err != nil {
					return
				}
			}
		}
	}
}

// ByTime merges the streams: the record with the least timestamp of those that
// are next in their streams comes next, of equal ones that of the first stream.
// The order within each stream stays, so timestamps fall where a partition's own do.
func ByTime(streams []Stream) iter.Seq2[Located, error] {
	return func(yield func(Located, error) bool) {
		var next heads
		for i, s := range streams {
			pull, stop := iter.Pull2(s.Records)
			defer stop()
			h := &head{stream: s.Partition, number: i, pull: pull}
			if h.advanceStream() {
				next = append(next, h)
			}
		}
		heap.Init(&next)
		for len(next) > 0 {
			h := next[0]
			if !yield(Located{h.stream, h.record}, h.err) || h.err != nil {
				return
			}
			if h.advanceStream() {
				heap.Fix(&next, 0)
			} else {
				heap.Pop(&next)
			}
		}
	}
}

// A head is the next record of a stream.
type head struct {
	stream bifrost.Partition
	number int
	pull   func() (baldr.Record, error, bool)
	record baldr.Record
	err    error
}

func (h *head) advanceStream() (more bool) {
	h.record, h.err, more = h.pull()
	return more
}

// heads is a heap with the earliest record first, and errors before all.
type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case (a.err != nil) != (b.err != nil):
		return a.err != nil
	case a.record.Timestamp != b.record.Timestamp:
		return a.record.Timestamp < b.record.Timestamp
	}
	return a.number < b.number
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
