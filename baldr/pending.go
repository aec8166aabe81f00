// A data member while it gathers records.

package baldr

import (
	"encoding/binary"
	"sync"
)

// A pending member gathers records until it is large enough, and then holds the
// bytes of the finished member until their turn to be written.
type pending struct {
	facts   member
	frames  []byte // not yet deflated
	value   []byte // of a record too long to copy: borrowed, the end of the last frame
	columns columns
	begun   bool // a deflater has begun with the frames

	handOver bool // to another goroutine, instead of deflating the frames as they come

	head []byte        // empty members with the begin of the envelope, then the data member's header
	body []byte        // its deflated frames and trailer
	err  error         // that the deflater met
	done chan struct{} // receives once when the three are set
}

// seal lets d finish the member.
func (p *pending) seal(d *deflater) {
	p.err = d.seal(p)
	p.done <- struct{}{}
}

// sparePending are the released members of Writers that were closed.
var sparePending sync.Pool

func newPending() *pending {
	if p, ok := sparePending.Get().(*pending); ok {
		return p
	}
	return &pending{done: make(chan struct{}, 1)}
}

func (p *pending) empty() bool { return p.facts.records == 0 }

// fits says whether the member has room for r under the limit. A record that
// fits nowhere gets a member to itself.
func (p *pending) fits(r *Record, limit int, valuesOnly bool) bool {
	if int(p.facts.rawBytes)+frameHeaderBytes+len(r.Value) > limit {
		return false
	}
	return valuesOnly || p.columns.size+envelopeBound(r) <= limit
}

func (p *pending) add(r *Record, limit int, valuesOnly bool) {
	p.addFacts(r, valuesOnly)
	p.frames = AppendFrame(p.growFrames(r, limit), r.Value)
	if !valuesOnly {
		p.columns.add(r)
	}
}

// growFrames makes room for the frame of r in a member of limit bytes. It grows
// fast, since a member that is nearly full of garbage costs memory for nothing,
// and never beyond the limit.
func (p *pending) growFrames(r *Record, limit int) []byte {
	size := len(p.frames) + frameHeaderBytes + len(r.Value)
	if size <= cap(p.frames) {
		return p.frames
	}
	larger := make([]byte, len(p.frames), min(limit, max(size, leastFramesBytes, 8*cap(p.frames))))
	copy(larger, p.frames)
	return larger
}

// leastFramesBytes is what a first member takes for its frames at least.
const leastFramesBytes = 32 << 10

// addBorrowed is add without a copy of the value, for the only record of a
// member that is deflated before WriteRecord returns.
func (p *pending) addBorrowed(r *Record, valuesOnly bool) {
	p.addFacts(r, valuesOnly)
	p.frames = binary.BigEndian.AppendUint64(p.frames, uint64(len(r.Value)))
	p.value = r.Value
	if !valuesOnly {
		p.columns.add(r)
	}
}

func (p *pending) addFacts(r *Record, valuesOnly bool) {
	if p.empty() {
		p.columns.begin(r.Offset)
		p.facts = member{firstOffset: r.Offset, leastTimestamp: -1, mostTimestamp: -1}
		if !valuesOnly {
			p.facts.flags = memberHasEnvelope
		}
	}
	p.facts.count(r)
}

// count adds a record to the facts.
func (m *member) count(r *Record) {
	m.records++
	m.rawBytes += frameHeaderBytes + int64(len(r.Value))
	m.lastOffset = r.Offset
	m.leastTimestamp, m.mostTimestamp = widen(m.leastTimestamp, m.mostTimestamp, r.Timestamp)
}

// widen returns the range of timestamps [least, most] with timestamp in it,
// where a negative timestamp is none.
func widen(least, most, timestamp int64) (int64, int64) {
	if timestamp < 0 {
		return least, most
	}
	if least < 0 || timestamp < least {
		least = timestamp
	}
	return least, max(most, timestamp)
}

// release makes the member ready for new records. Memory that a very long
// record made it take is given back: it would stay for the rest of the object.
func (p *pending) release(limit int) {
	p.facts, p.value, p.begun, p.handOver = member{}, nil, false, false
	p.frames, p.head, p.body = emptied(p.frames, limit), emptied(p.head, limit), emptied(p.body, limit)
	p.columns.release(limit)
}

func emptied(b []byte, limit int) []byte {
	if cap(b) > 2*limit {
		return nil
	}
	return b[:0]
}
