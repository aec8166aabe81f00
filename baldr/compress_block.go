package baldr

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A blockWriter writes parsed blocks as DEFLATE (RFC 1951, 3.2), each in the way
// of the three there are that takes the fewest bits.
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
		w.list(&w.listing)
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
	if final {
		w.add(1, 1)
	} else {
		w.add(0, 1)
	}
	w.add(kind, 2)
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
		w.add(uint64(size), 16)
		w.add(uint64(size)^maxStoredBlock, 16)
		w.size += copy(w.out[w.size:], raw[:size])
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
func (w *blockWriter) list(l *listing) {
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

// A code is the bits that stand for a symbol, the first one lowest, above eight
// bits that say how many they are.
type code uint32

func newCode(bits uint32, width uint) code { return code(bits)<<8 | code(width) }

func (c code) bits() uint64 { return uint64(c >> 8) }
func (c code) width() uint  { return uint(c & 63) }

func (c code) behind(bits uint64, count uint) (uint64, uint) {
	return bits | c.bits()<<(count&63), count + c.width()
}

// codes are the codes of a block.
type codes struct {
	symbols   [maxLiteralCodes]code  // of literals, the end of the block, and lengths
	lengths   [256]code              // of matches, by length less 3, with their extra bits
	distances [maxDistanceCodes]code // by symbol
}

const endOfBlock = 256

// fixedCodes are those of RFC 1951, 3.2.6.
var fixedCodes = func() (c codes) {
	var symbols [maxLiteralCodes]uint8
	var distances [maxDistanceCodes]uint8
	fixedLengths(symbols[:], distances[:])
	c.assign(symbols[:], distances[:])
	return c
}()

// fit makes codes for what was counted, and the listing by which a reader knows them.
func (c *codes) fit(counts *symbolCounts, l *listing) {
	var symbols [maxLiteralCodes]uint8
	var distances [maxDistanceCodes]uint8
	shortest(symbols[:], counts.symbols[:], longestCode)
	shortest(distances[:], counts.distances[:], longestCode)
	if slices.Max(distances[:]) == 0 {
		distances[0] = 1 // PKZIP wants one, as zlib says, where RFC 1951 does without
	}
	c.assign(symbols[:], distances[:])
	l.of(symbols[:], distances[:])
}

// assign gives symbols their codes by how long these are.
func (c *codes) assign(symbols, distances []uint8) {
	assign(c.symbols[:], symbols)
	assign(c.distances[:], distances)
	for length := range c.lengths {
		symbol := lengthSymbols[length]
		of, meaning := c.symbols[symbol], literalMeanings[symbol]
		extra := uint32(length+3) - uint32(meaning.entry>>16)
		c.lengths[length] = newCode(uint32(of.bits())|extra<<of.width(), of.width()+meaning.extra)
	}
}

// assign makes codes of these lengths (RFC 1951, 3.2.2).
func assign(codes []code, lengths []uint8) {
	var counts, next [maxCodeBits + 1]uint32
	for _, length := range lengths {
		counts[length]++
	}
	counts[0] = 0
	for length := 1; length <= maxCodeBits; length++ {
		next[length] = (next[length-1] + counts[length-1]) << 1
	}
	for symbol, length := range lengths {
		if length == 0 {
			codes[symbol] = 0
			continue
		}
		codes[symbol] = newCode(uint32(bits.Reverse16(uint16(next[length]))>>(16-length)), uint(length))
		next[length]++
	}
}

// lengthSymbols is which symbol stands for a match, by its length less 3.
var lengthSymbols = func() (all [256]uint16) {
	for symbol := endOfBlock + 1; symbol <= 285; symbol++ {
		meaning := literalMeanings[symbol]
		for i := range 1 << meaning.extra {
			if length := int(meaning.entry>>16) + i; length <= maxMatch {
				all[length-3] = uint16(symbol)
			}
		}
	}
	return all
}()

// distanceSymbol returns the symbol of a distance, which is one more than it is
// given, and how many of its lowest bits follow (RFC 1951, 3.2.5).
func distanceSymbol(distance uint32) (symbol uint32, extra uint) {
	extra = uint(bits.Len32(distance|2)) - 2
	return (2*uint32(extra) + distance>>extra) & (maxDistanceCodes - 1), extra
}

// symbolCounts are how often a block has what.
type symbolCounts struct {
	symbols   [maxLiteralCodes]uint32
	lengths   [256]uint32
	distances [maxDistanceCodes]uint32
}

// of counts what was parsed.
func (c *symbolCounts) of(p *parsed) {
	*c = symbolCounts{}
	// Four counts of each byte, so that one need not wait for the one before.
	var four [4][256]uint32
	literals := p.literals
	for ; len(literals) >= 4; literals = literals[4:] {
		four[0][literals[0]]++
		four[1][literals[1]]++
		four[2][literals[2]]++
		four[3][literals[3]]++
	}
	for b := range 256 {
		c.symbols[b] = four[0][b] + four[1][b] + four[2][b] + four[3][b]
	}
	for _, b := range literals {
		c.symbols[b]++
	}
	for _, s := range p.sequences {
		c.lengths[s.length()]++
		symbol, _ := distanceSymbol(s.distance())
		c.distances[symbol]++
	}
	for length, count := range c.lengths {
		c.symbols[lengthSymbols[length]] += count
	}
	c.symbols[endOfBlock] = 1
}

// cost is how many bits it all takes with these codes.
func (c *symbolCounts) cost(of *codes) int {
	bits := uint(0)
	for symbol, count := range c.symbols[:endOfBlock+1] {
		bits += uint(count) * of.symbols[symbol].width()
	}
	for length, count := range c.lengths {
		bits += uint(count) * of.lengths[length].width()
	}
	for symbol, count := range c.distances {
		bits += uint(count) * (of.distances[symbol].width() + distanceMeanings[symbol].extra)
	}
	return int(bits)
}

// shortest sets how long the code of each symbol is, so that all together take as
// few bits as can be: a Huffman code, by the method of Moffat and Katajainen
// ("In-place calculation of minimum-redundancy codes"). Where one would be longer
// than longest, they take a few bits more. What is never there gets none.
func shortest(lengths []uint8, counts []uint32, longest int) {
	var memory, weights [maxLiteralCodes]uint32
	ordered := memory[:0] // the rarest first
	for symbol, count := range counts {
		lengths[symbol] = 0
		if count > 0 {
			ordered = append(ordered, count<<9|uint32(symbol))
		}
	}
	slices.Sort(ordered)
	n := len(ordered)
	if n < 2 {
		for _, one := range ordered {
			lengths[one&511] = 1
		}
		return
	}
	for i, one := range ordered {
		weights[i] = one >> 9
	}
	ofLength := depths(weights[:n], longest)
	for length := longest; length > 0; length-- {
		for range ofLength[length] {
			lengths[ordered[0]&511] = uint8(length)
			ordered = ordered[1:]
		}
	}
}

// depths returns how many leaves the tree of these weights, which ascend, has at
// each depth up to most. The weights are lost.
func depths(weights []uint32, most int) (leaves [maxCodeBits + 1]int) {
	// Of two nodes that are lightest one is made; its weight is kept until it has
	// a parent, then the parent's place.
	n := len(weights)
	leaf, root := 0, 0
	for node := range n - 1 {
		var sum uint32
		for range 2 {
			if leaf >= n || root < node && weights[root] < weights[leaf] {
				sum += weights[root]
				weights[root] = uint32(node)
				root++
			} else {
				sum += weights[leaf]
				leaf++
			}
		}
		weights[node] = sum
	}
	// From the last node made, the top, down.
	weights[n-2] = 0
	for node := n - 3; node >= 0; node-- {
		weights[node] = weights[weights[node]] + 1
	}
	room, node := 1, n-2 // nodes of this depth, and the first that is not seen yet
	for depth := 0; room > 0; depth++ {
		inner := 0
		for node >= 0 && weights[node] == uint32(depth) {
			inner++
			node--
		}
		leaves[min(depth, most)] += room - inner
		room = 2 * inner
	}
	// Those that were too deep take more room than there is: until it is enough,
	// a leaf goes one down, with one of the deepest beside it.
	used := 0
	for depth := 1; depth <= most; depth++ {
		used += leaves[depth] << (most - depth)
	}
	for ; used > 1<<most; used-- {
		depth := most - 1
		for leaves[depth] == 0 {
			depth--
		}
		leaves[depth]--
		leaves[depth+1] += 2
		leaves[most]--
	}
	return leaves
}

// A listing is how a block tells its codes: how long they are, and those again in
// codes (RFC 1951, 3.2.7).
type listing struct {
	literals, distances, ordered int // how many lengths are listed: of symbols, of distances, of codes in lengthOrder

	items [maxLiteralCodes + maxDistanceCodes]struct{ symbol, more uint8 }
	count int // of items
	codes [len(lengthOrder)]code
	bits  int // of the items
}

func (l *listing) of(symbols, distances []uint8) {
	l.literals, l.distances = listed(symbols), listed(distances)
	var memory [maxLiteralCodes + maxDistanceCodes]uint8
	all := append(append(memory[:0], symbols[:l.literals]...), distances[:l.distances]...)
	l.count = 0
	for len(all) > 0 {
		run := 1
		for run < len(all) && all[run] == all[0] {
			run++
		}
		l.run(all[0], run)
		all = all[run:]
	}
	var counts [len(lengthOrder)]uint32
	for _, item := range l.items[:l.count] {
		counts[item.symbol]++
	}
	var lengths [len(lengthOrder)]uint8
	shortest(lengths[:], counts[:], lengthBits)
	assign(l.codes[:], lengths[:])
	l.ordered = len(lengthOrder)
	for lengths[lengthOrder[l.ordered-1]] == 0 {
		l.ordered--
	}
	l.bits = 0
	for symbol, count := range counts {
		bits := uint(lengths[symbol])
		if symbol >= 16 {
			bits += repeats[symbol-16].extra
		}
		l.bits += int(uint(count) * bits)
	}
}

// listed is how many lengths there are without the zeros at the end. Some are not zero.
func listed(lengths []uint8) int {
	n := len(lengths)
	for lengths[n-1] == 0 {
		n--
	}
	return n
}

// run adds the same length several times.
func (l *listing) run(length uint8, times int) {
	if length > 0 {
		l.add(length, 0)
		times--
	}
	for times > 0 {
		// Which symbol repeats the most of them: 16 the length before, 17 and 18 zeros.
		symbol := uint8(16)
		if length == 0 {
			symbol = 17
			if times >= repeats[2].least {
				symbol = 18
			}
		}
		by := repeats[symbol-16]
		if times < by.least {
			l.add(length, 0)
			times--
			continue
		}
		n := min(times, by.least+1<<by.extra-1)
		l.add(symbol, uint8(n-by.least))
		times -= n
	}
}

func (l *listing) add(symbol, more uint8) {
	l.items[l.count].symbol, l.items[l.count].more = symbol, more
	l.count++
}

// cost is how many bits the listing takes.
func (l *listing) cost() int { return 14 + 3*l.ordered + l.bits }
