// The tables by which the inflater reads codes.

package deflate

import (
	"io"
	"math/bits"
)

const (
	maxLiteralCodes  = 288 // the fixed ones; a block lists at most 286
	maxDistanceCodes = 32
	maxCodeBits      = 15
	maxLengthExtra   = 5 // bits after the code of a length

	// A code of up to so many bits takes one look into its table. Longer ones,
	// which are rare, take a second into a subtable behind it.
	literalBits  = 11
	distanceBits = 8
	lengthBits   = 7 // of the codes for the lengths of codes: none is longer
)

// The sizes have room for all subtables that a complete code can need
// (2342 and 402 by zlib's enough.c, for 288 codes and 32).
type (
	literalTable  [2400]entry
	distanceTable [512]entry
	lengthTable   [1 << lengthBits]entry
)

// An entry of a table says what the bits mean by which it was found.
//
// Bits 0 to 5 are how many bits it takes: code and extra bits together. A length
// or a distance has its base in bits 16 to 31, and in bits 8 to 11 the bits of
// its code alone, which extra bits follow. A literal has its byte at bit 16. An
// entry that is long has in bits 16 to 31 where its subtable begins, and in bits
// 8 to 11 how many bits choose from it.
type entry uint32

const (
	literal  entry = 1 << 15
	special  entry = 1 << 14 // long, blockEnd, or a code that is not defined
	long     entry = 1 << 13
	blockEnd entry = 1 << 12
)

func (e entry) is(flag entry) bool { return e&flag != 0 }

// bits is how many bits are taken.
func (e entry) bits() uint { return uint(e & 63) }

// value is a length or a distance: the base, and the extra bits after the code.
func (e entry) value(from uint64) uint64 {
	return uint64(e>>16) + from&(1<<e.bits()-1)>>(e>>8&15)
}

// subtable is where in the table a code is found that continues in these bits.
func (e entry) subtable(rest uint64) uint64 { return uint64(e>>16) + rest&(1<<(e>>8&15)-1) }

// meaning is an entry without its number of bits: base and extra bits of RFC 1951,
// 3.2.5.
type meaning struct {
	entry entry
	extra uint
}

var (
	literalMeanings  = meanLiterals()
	distanceMeanings = meanDistances()
	lengthMeanings   = meanLengths()
)

func meanLiterals() (all [maxLiteralCodes]meaning) {
	for code := range 256 {
		all[code].entry = literal | entry(code)<<16
	}
	all[256].entry = special | blockEnd
	base := 3
	for code := 257; code < 285; code++ {
		extra := uint(max(0, (code-261)/4))
		all[code] = meaning{entry(base) << 16, extra}
		base += 1 << extra
	}
	all[285].entry = maxMatch << 16
	all[286].entry, all[287].entry = special, special
	return all
}

func meanDistances() (all [maxDistanceCodes]meaning) {
	base := 1
	for code := range 30 {
		extra := uint(max(0, code/2-1))
		all[code] = meaning{entry(base) << 16, extra}
		base += 1 << extra
	}
	all[30].entry, all[31].entry = special, special
	return all
}

func meanLengths() (all [19]meaning) {
	for code := range all {
		all[code].entry = literal | entry(code)<<16
	}
	return all
}

// build fills a table, of which rootBits bits are looked up at once, from the
// lengths of the codes (RFC 1951, 3.2.2). It returns false if the codes are too
// many or too few for their lengths; none at all, or a single one of one bit, may be.
func build(table []entry, rootBits uint, lengths []uint8, meanings []meaning) bool {
	t := tables{table: table, rootBits: rootBits, free: 1 << rootBits}
	for _, length := range lengths {
		t.counts[length]++
	}
	t.counts[0] = 0
	var begin [maxCodeBits + 2]int // of the codes of a length, among all in their order
	room := 1                      // codes of a length that the shorter ones leave
	for length := 1; length <= maxCodeBits; length++ {
		begin[length+1] = begin[length] + t.counts[length]
		room = room<<1 - t.counts[length]
	}
	codes := begin[maxCodeBits+1]
	if room != 0 {
		if codes > 1 || codes != t.counts[1] {
			return false
		}
		for i := range table[:1<<rootBits] {
			table[i] = special
		}
	}
	var ordered [maxLiteralCodes]uint16 // by length, those of one by symbol
	for symbol, length := range lengths {
		if length > 0 {
			ordered[begin[length]] = uint16(symbol)
			begin[length]++
		}
	}
	code, previous := uint(0), uint(0)
	for _, symbol := range ordered[:codes] {
		length := uint(lengths[symbol])
		code <<= length - previous
		t.add(code, length, meanings[symbol])
		code, previous = code+1, length
	}
	return true
}

// tables is a table while it is built.
type tables struct {
	table    []entry
	rootBits uint
	free     int                  // where the next subtable goes
	counts   [maxCodeBits + 1]int // codes of each length not added yet
	prefix   uint                 // of the subtable being filled, reversed
	begin    int                  // of that
	size     uint                 // bits that choose from it; 0 before the first
}

func (t *tables) add(code, length uint, m meaning) {
	reversed := uint(bits.Reverse16(uint16(code)) >> (16 - length))
	e := m.entry | entry(length+m.extra)
	if !m.entry.is(literal | special) {
		e |= entry(length) << 8
	}
	if length <= t.rootBits {
		for i := reversed; i < 1<<t.rootBits; i += 1 << length {
			t.table[i] = e
		}
	} else {
		prefix := reversed & (1<<t.rootBits - 1)
		if t.size == 0 || prefix != t.prefix {
			t.subtable(prefix, length)
		}
		for i := reversed >> t.rootBits; i < 1<<t.size; i += 1 << (length - t.rootBits) {
			t.table[t.begin+int(i)] = e
		}
	}
	t.counts[length]--
}

// subtable begins one for codes with a prefix, of which the first has this length:
// as large as the codes that share the prefix need.
func (t *tables) subtable(prefix, length uint) {
	size := length - t.rootBits
	for room := 1<<size - t.counts[length]; room > 0 && t.rootBits+size < maxCodeBits; {
		size++
		room = room<<1 - t.counts[t.rootBits+size]
	}
	t.prefix, t.begin, t.size = prefix, t.free, size
	t.free += 1 << size
	t.table[prefix] = special | long | entry(t.begin)<<16 | entry(size)<<8 | entry(t.rootBits)
}

// fixed sets the codes of RFC 1951, 3.2.6.
func (f *fastInflater) fixed() {
	symbols, distances := f.lengths[:maxLiteralCodes], f.lengths[maxLiteralCodes:]
	fixedLengths(symbols, distances)
	build(f.literals[:], literalBits, symbols, literalMeanings[:])
	build(f.distances[:], distanceBits, distances, distanceMeanings[:])
}

// fixedLengths are how long the fixed codes are.
func fixedLengths(symbols, distances []uint8) {
	for symbol := range symbols {
		switch {
		case symbol < 144:
			symbols[symbol] = 8
		case symbol < 256:
			symbols[symbol] = 9
		case symbol < 280:
			symbols[symbol] = 7
		default:
			symbols[symbol] = 8
		}
	}
	for symbol := range distances {
		distances[symbol] = 5
	}
}

// lengthOrder is in which order a block gives the lengths of the codes for lengths.
var lengthOrder = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic reads the codes of a block (RFC 1951, 3.2.7).
func (f *fastInflater) dynamic() error {
	counts, err := f.take(14)
	if err != nil {
		return err
	}
	literals, distances := int(counts&31)+257, int(counts>>5&31)+1
	if literals > 286 || distances > 30 {
		return errTable
	}
	if err := f.lengthCodes(int(counts>>10) + 4); err != nil {
		return err
	}
	if err := f.codeLengths(f.lengths[:literals+distances]); err != nil {
		return err
	}
	if !build(f.literals[:], literalBits, f.lengths[:literals], literalMeanings[:]) ||
		!build(f.distances[:], distanceBits, f.lengths[literals:literals+distances], distanceMeanings[:]) {
		return errTable
	}
	return nil
}

func (f *fastInflater) lengthCodes(count int) error {
	var lengths [len(lengthOrder)]uint8
	for _, symbol := range lengthOrder[:count] {
		length, err := f.take(3)
		if err != nil {
			return err
		}
		lengths[symbol] = uint8(length)
	}
	if !build(f.ofLengths[:], lengthBits, lengths[:], lengthMeanings[:]) {
		return errTable
	}
	return nil
}

// codeLengths reads the lengths of codes, which may repeat.
func (f *fastInflater) codeLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		f.fill()
		e := f.ofLengths[f.bits&(1<<lengthBits-1)]
		if e.bits() > f.count {
			return io.ErrUnexpectedEOF
		}
		if e.is(special) {
			return errTable
		}
		f.skip(e.bits())
		symbol := uint8(e >> 16)
		if symbol < 16 {
			lengths[i] = symbol
			i++
			continue
		}
		var repeated uint8
		if symbol == 16 {
			if i == 0 {
				return errTable
			}
			repeated = lengths[i-1]
		}
		extra, least := repeats[symbol-16].extra, repeats[symbol-16].least
		more, err := f.take(extra)
		if err != nil {
			return err
		}
		count := least + int(more)
		if count > len(lengths)-i {
			return errTable
		}
		for range count {
			lengths[i] = repeated
			i++
		}
	}
	return nil
}

// repeats is how often the codes 16, 17 and 18 repeat a length: extra bits say how
// many times more than the least.
var repeats = [...]struct {
	extra uint
	least int
}{{2, 3}, {3, 3}, {7, 11}}
