// How parsed blocks are written as DEFLATE.

package deflate

import "encoding/binary"

// A blockWriter writes parsed blocks as DEFLATE (RFC 1951, 3.2), each in whichever of the
// three formats takes the fewest bits.
type blockWriter struct {
	out   [windowBytes + blockRoom]byte
	size  int    // of what is in out
	bits  uint64 // what does not fill a byte yet, the first bit lowest
	count uint   // of bits: less than 8 between calls

	counts  symbolCounts
	codes   codes // for one block
	listing listing
}

const (
	// No block is longer than one that is stored; here is room for its headers,
	// and for what is written at once.
	blockRoom = 64

	// No code of ours is longer, so that four literals, or three and a length,
	// fit into a word behind the bits that wait there. RFC 1951 allows 15, which
	// save next to nothing.
	longestCode = 12
	_           = uint(63 - (7 + 4*longestCode + maxLengthExtra)) // it does not compile if they do not fit
)

func (w *blockWriter) reset() { w.bits, w.count = 0, 0 }

// write returns the next bytes of the stream, valid until the next call: those of
// the block. Bits that do not fill a byte wait for the next call; the final block is
// padded.
func (w *blockWriter) write(p *parsed, raw []byte, final bool) []byte {
	w.size = 0
	w.counts.of(p)
	w.codes.fit(&w.counts, &w.listing)
	dynamic := w.listing.cost() + w.counts.cost(&w.codes)
	fixed := w.counts.cost(&fixedCodes)
	switch stored := storedCost(len(raw)); {
	case stored < min(dynamic, fixed):
		w.stored(raw, final)
	case fixed <= dynamic:
		w.begin(1, final)
		w.emit(p, &fixedCodes)
	default:
		w.begin(2, final)
		w.list()
		w.emit(p, &w.codes)
	}
	if final {
		w.pad()
	}
	return w.out[:w.size]
}

// align returns what brings the stream to the end of a byte: a block of nothing.
func (w *blockWriter) align() []byte {
	w.size = 0
	w.stored(nil, false)
	return w.out[:w.size]
}

func (w *blockWriter) begin(kind uint64, final bool) {
	header := kind << 1
	if final {
		header |= 1
	}
	w.add(header, 3)
}

// add writes at most 56 bits.
func (w *blockWriter) add(value uint64, count uint) {
	w.bits |= value << w.count
	w.count += count
	w.size, w.bits, w.count = spill(&w.out, w.size, w.bits, w.count)
}

func (w *blockWriter) pad() {
	if w.count > 0 {
		w.add(0, 8-w.count)
	}
}

// spill writes the bits that fill bytes.
func spill(out *[windowBytes + blockRoom]byte, size int, bits uint64, count uint) (int, uint64, uint) {
	binary.LittleEndian.PutUint64(out[size:size+8], bits)
	return size + int(count/8), bits >> (count & 56), count & 7
}

// storedCost is how many bits it takes at most to store size bytes.
func storedCost(size int) int {
	const header = 3 + 7 + 32 // with the bits up to the end of a byte
	blocks := max(1, (size+maxStoredBlock-1)/maxStoredBlock)
	return 8*size + header*blocks
}

// stored writes raw as it is (RFC 1951, 3.2.4).
func (w *blockWriter) stored(raw []byte, final bool) {
	for {
		size := min(maxStoredBlock, len(raw))
		w.begin(0, final && size == len(raw))
		w.pad()
		w.size = len(appendStoredBody(w.out[:w.size], raw[:size]))
		if raw = raw[size:]; len(raw) == 0 {
			return
		}
	}
}

// emit writes what was parsed, and the end of the block.
func (w *blockWriter) emit(p *parsed, c *codes) {
	out, size, bits, count := &w.out, w.size, w.bits, w.count
	literals := p.literals
	for _, s := range p.sequences {
		run := s.literals()
		for ; run >= 4; run -= 4 {
			bits, count = c.symbols[literals[0]].behind(bits, count)
			bits, count = c.symbols[literals[1]].behind(bits, count)
			bits, count = c.symbols[literals[2]].behind(bits, count)
			bits, count = c.symbols[literals[3]].behind(bits, count)
			literals = literals[4:]
			size, bits, count = spill(out, size, bits, count)
		}
		for _, b := range literals[:run] {
			bits, count = c.symbols[b].behind(bits, count)
		}
		literals = literals[run:]
		bits, count = c.lengths[s.length()].behind(bits, count)
		size, bits, count = spill(out, size, bits, count)
		symbol, extra := distanceSymbol(s.distance())
		bits, count = c.distances[symbol].behind(bits, count)
		bits |= uint64(s.distance()&(1<<extra-1)) << count
		size, bits, count = spill(out, size, bits, count+extra)
	}
	for _, b := range literals {
		bits, count = c.symbols[b].behind(bits, count)
		size, bits, count = spill(out, size, bits, count)
	}
	bits, count = c.symbols[endOfBlock].behind(bits, count)
	w.size, w.bits, w.count = spill(out, size, bits, count)
}

// list writes the codes of a block (RFC 1951, 3.2.7).
func (w *blockWriter) list() {
	l := &w.listing
	w.add(uint64(l.literals-257)|uint64(l.distances-1)<<5|uint64(l.ordered-4)<<10, 14)
	for _, symbol := range lengthOrder[:l.ordered] {
		w.add(uint64(l.codes[symbol].width()), 3)
	}
	for _, item := range l.items[:l.count] {
		w.add(l.codes[item.symbol].bits(), l.codes[item.symbol].width())
		if item.symbol >= 16 {
			w.add(uint64(item.more), repeats[item.symbol-16].extra)
		}
	}
}
