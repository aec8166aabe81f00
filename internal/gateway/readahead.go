// What is read before clients ask for it.

package gateway

import (
	"math"
	"sync"
	"sync/atomic"
)

// What is read ahead of a client, in each partition at most.
const (
	mostAheadBytes    = 8 << 20
	mostAheadSegments = 16
	// longestRun is how many segments one read of the store brings at most: a request takes the
	// processor as long as making a third of a batch.
	longestRun = 4
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

// piece is what is read ahead up to an offset.
type piece struct{ end, bytes int64 }

// loadSegments begins to load what comes next. It returns when there is nothing to read, or
// no room for it.
func (a *readAhead) loadSegments() {
	var ahead []piece
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
		switch {
		case err != nil || found.file == nil && holeEnd == 0:
			return
		case found.file == nil && len(ahead) == mostAheadSegments:
			return
		case found.file == nil:
			ahead, offset = append(ahead, piece{end: holeEnd}), holeEnd
			continue
		}
		run := a.nextRun(found, a.room()-bytes, mostAheadSegments-len(ahead), len(ahead) > 0)
		if len(run) == 0 || !a.beginRun(run) {
			return
		}
		for _, at := range run {
			ahead = append(ahead, piece{at.end(), at.bytes()})
			offset, bytes = at.end(), bytes+at.bytes()
		}
	}
}

// room is how many bytes are read ahead at most.
func (a *readAhead) room() int64 {
	return min(mostAheadBytes, a.memory.cacheBytes/2/max(1, a.reading.Load()))
}

// nextRun is what one read of the store is to bring: this segment and those that follow it in
// its object, up to one that is being read already. If there is no room for all of them it is
// cut short, or empty if more room will come.
func (a *readAhead) nextRun(first ref, room int64, most int, moreRoomComes bool) (run []ref) {
	if a.cache.segments.begun(first.key()) {
		if first.bytes() <= room && most > 0 {
			return []ref{first}
		}
		return nil
	}
	whole := int(min(longestRun, max(1, a.room()/2/max(1, first.bytes()))))
	for at := first; len(run) < whole; at.member++ {
		if at.member == len(at.file.members) || at.facts().FirstOffset >= at.row.End ||
			len(run) > 0 && a.cache.segments.begun(at.key()) {
			return run
		}
		if room -= at.bytes(); room < 0 || len(run) == most {
			if moreRoomComes {
				return nil
			}
			return run
		}
		run = append(run, at)
	}
	return run
}

// beginRun begins to load a run once there is memory for it.
func (a *readAhead) beginRun(run []ref) bool {
	if a.cache.segments.begun(run[0].key()) {
		return true
	}
	release, err := a.memory.loads.take(a.ctx, run[0].loadBytes())
	if err != nil {
		return false
	}
	release()
	if last := run[len(run)-1]; a.next.Load() <= last.facts().LastOffset { // the client is not past it
		go a.loadRun(run)
	}
	return true
}

// stretchMemories are memory that stretches of objects were read into.
var stretchMemories = sync.Pool{New: func() any { return new([]byte) }}

// loadRun loads segments of one object by one read of the store. Errors are for whoever
// wants a segment, and then reads it alone.
func (g *Gateway) loadRun(run []ref) {
	first, last := run[0], run[len(run)-1]
	if len(run) == 1 {
		g.loadRunFrom(first.file, run)
		return
	}
	stored := int64(0)
	for _, at := range run {
		stored += at.facts().StoredBytes
	}
	release, err := g.memory.stretches.take(g.ctx, stored)
	if err != nil {
		return
	}
	defer release()
	g.metrics.reads.Inc()
	memory := stretchMemories.Get().(*[]byte)
	var file *file
	if file, *memory, err = first.file.stretch(first.facts(), last.facts(), *memory); err != nil {
		return
	}
	if g.loadRunFrom(file, run) {
		stretchMemories.Put(memory) // else it may be read still
	}
}

// loadRunFrom loads the segments of a run from a file, and reports whether all are loaded.
func (g *Gateway) loadRunFrom(from *file, run []ref) bool {
	for _, at := range run {
		at.file = from
		lent, err := g.load(at)
		if err != nil {
			return false
		}
		lent.giveBack()
	}
	return true
}
