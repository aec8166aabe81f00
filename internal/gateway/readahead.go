// What is read before clients ask for it.

package gateway

import (
	"math"
	"sync/atomic"
)

// What is read ahead of a client, in each partition at most.
const (
	mostAheadBytes    = 8 << 20
	mostAheadSegments = 16
)

// readAhead reads ahead of one client in one partition: as far as there is room, and on as
// the client goes on. It waits for memory, so that the gateway has work while a client
// takes an answer and handles it.
type readAhead struct {
	*partition
	next    atomic.Int64 // the offset that the client will ask for
	working atomic.Bool
}

// goOn says which offset the client will ask for next.
func (a *readAhead) goOn(next int64) {
	a.next.Store(next)
	if a.working.CompareAndSwap(false, true) {
		go func() {
			defer a.working.Store(false)
			a.loadSegments()
		}()
	}
}

// stretch is what is read ahead up to an offset.
type stretch struct{ end, bytes int64 }

// loadSegments begins to load what comes next. It returns when there is nothing to read, or no room for it.
func (a *readAhead) loadSegments() {
	var ahead []stretch
	position, offset, bytes := int64(math.MaxInt64), int64(0), int64(0)
	for {
		next := a.next.Load()
		if next < position || next > offset { // it begins, or the client is elsewhere
			ahead, offset, bytes = nil, next, 0
		}
		position = next
		for len(ahead) > 0 && ahead[0].end <= position {
			bytes -= ahead[0].bytes
			ahead = ahead[1:]
		}
		found, holeEnd, err := a.locate(a.ctx, offset, false)
		if err != nil || found.file == nil && holeEnd == 0 {
			return
		}
		begin := stretch{end: holeEnd}
		if found.file != nil {
			facts := found.facts()
			begin = stretch{min(facts.LastOffset+1, found.row.End), facts.RawBytes + facts.EnvelopeBytes}
		}
		if bytes+begin.bytes > a.room() || len(ahead) == mostAheadSegments {
			return
		}
		if found.file != nil && !a.begin(found) {
			return
		}
		ahead = append(ahead, begin)
		offset, bytes = begin.end, bytes+begin.bytes
	}
}

// room is how many bytes are read ahead at most.
func (a *readAhead) room() int64 {
	return min(mostAheadBytes, a.memory.cacheBytes/2/max(1, a.reading.Load()))
}

// begin begins to load a segment once there is memory for it.
func (a *readAhead) begin(at ref) bool {
	if a.cache.segments.begun(at.key()) {
		return true
	}
	release, err := a.memory.loads.take(a.ctx, at.loadBytes())
	if err != nil {
		return false
	}
	release()
	if a.next.Load() <= at.facts().LastOffset { // the client is not past it
		go func() {
			if lent, err := a.load(at); err == nil { // whoever wants it gets the error
				lent.giveBack()
			}
		}()
	}
	return true
}
