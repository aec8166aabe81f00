// The sequences of a block.

package zstdframe

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A sequence is so many literals, and a match behind them. Each of the three numbers is
// written as a code and extra bits.
type sequence struct {
	literals uint32
	match    uint32 // its length, less leastCodedMatch
	distance uint32 // or which of the recent ones
}

// sequenceCodes are the codes of the three.
type sequenceCodes struct{ literals, match, distance uint8 }

// The numbers of a sequence, in the order of their tables.
const (
	literalLengths = iota
	distances
	matchLengths
)

// recentDistances are the last three different ones (RFC 8878, 3.1.1.5).
type recentDistances struct{ first, second, third int }

var firstDistances = recentDistances{1, 4, 8}

// value is the offset value of a distance, which becomes the most recent one: those that are
// recent have short codes. Behind a match without a literal between, the last distance would
// only make that match longer, so the numbers of the others are one lower.
func (r recentDistances) value(literals, distance int) (uint32, recentDistances) {
	lower := uint32(0)
	if literals == 0 {
		lower = 1
	}
	switch {
	case distance == r.first && literals > 0:
		return 1, r
	case distance == r.second:
		return 2 - lower, recentDistances{r.second, r.first, r.third}
	case distance == r.third:
		return 3 - lower, recentDistances{r.third, r.first, r.second}
	case distance == r.first-1 && literals == 0:
		return 3, recentDistances{distance, r.first, r.second}
	}
	return uint32(distance) + 3, recentDistances{distance, r.first, r.second}
}

const leastCodedMatch = 3

// numberCodes are the codes of lengths: those of the least numbers have no extra bits.
type numberCodes struct {
	extraBits []uint8 // of each code
	small     [128]uint8
	large     int // what the code of a number that is not small is above its logarithm
}

// The extra bits of each code (RFC 8878, 3.1.1.3.2.1.1).
var (
	literalLengthCodes = newNumberCodes([]uint8{16: 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	matchLengthCodes   = newNumberCodes(
		[]uint8{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
)

func newNumberCodes(extraBits []uint8) *numberCodes {
	c := &numberCodes{extraBits: extraBits}
	base := uint32(0)
	for code, extra := range extraBits {
		for n := base; n < base+1<<extra && n < uint32(len(c.small)); n++ {
			c.small[n] = uint8(code)
		}
		base += 1 << extra
	}
	// From the size of small on, each power of two begins a code.
	last := len(extraBits) - 1
	c.large = last - int(extraBits[last])
	return c
}

func (c *numberCodes) of(number uint32) uint8 {
	if number < uint32(len(c.small)) {
		return c.small[number]
	}
	return uint8(bits.Len32(number) - 1 + c.large)
}

// distanceExtraBits are as many as the code says.
var distanceExtraBits = func() (extra []uint8) {
	for code := range uint8(32) {
		extra = append(extra, code)
	}
	return extra
}()

// The most bits of a state (RFC 8878, 3.1.1.3.2.1), and the extra bits of each code.
var numbers = [3]struct {
	maxLog    int
	extraBits []uint8
}{
	literalLengths: {9, literalLengthCodes.extraBits},
	distances:      {8, distanceExtraBits},
	matchLengths:   {9, matchLengthCodes.extraBits},
}

// appendSequences appends the sequences section (RFC 8878, 3.1.1.3.2).
func (e *Encoder) appendSequences(dst []byte) []byte {
	const twoBytes, threeBytes = 0x80, 0x7f00
	n := len(e.sequences)
	switch {
	case n == 0:
		return append(dst, 0)
	case n < twoBytes:
		dst = append(dst, byte(n))
	case n < threeBytes:
		dst = append(dst, byte(n>>8)+twoBytes, byte(n))
	default:
		dst = binary.LittleEndian.AppendUint16(append(dst, 0xff), uint16(n-threeBytes))
	}
	var counts [3][maxCodes]uint32
	e.codes = slices.Grow(e.codes[:0], n)[:n]
	for i := range e.sequences {
		s := &e.sequences[i]
		c := sequenceCodes{literalLengthCodes.of(s.literals), matchLengthCodes.of(s.match),
			uint8(bits.Len32(s.distance) - 1)}
		e.codes[i] = c
		counts[literalLengths][c.literals%maxCodes]++
		counts[matchLengths][c.match%maxCodes]++
		counts[distances][c.distance%maxCodes]++
	}
	modes := len(dst)
	dst = append(dst, 0)
	for number := range e.coders {
		t := &e.coders[number]
		t.build(counts[number][:], n, numbers[number].maxLog, numbers[number].extraBits)
		dst[modes] |= t.mode() << (6 - 2*number)
		dst = t.appendDescription(dst)
	}
	return e.appendBitstream(dst)
}

// maxSequenceBytes is the most that a sequence takes in the bitstream: 26 bits of states, 31 of its
// distance, and 31 of its two lengths, which fit into one block together.
const maxSequenceBytes = 12

// appendBitstream appends the codes and extra bits of all sequences, the last one first: a
// decoder reads backwards (RFC 8878, 3.1.1.3.2.1.2).
func (e *Encoder) appendBitstream(dst []byte) []byte {
	begin := len(dst)
	dst = slices.Grow(dst, (len(e.sequences)+2)*maxSequenceBytes)
	out := dst[begin:cap(dst)]
	var w bitWriter
	lit, dist, match := &e.coders[literalLengths], &e.coders[distances], &e.coders[matchLengths]
	var litState, distState, matchState uint32
	for i := len(e.sequences) - 1; i >= 0; i-- {
		s, codes := &e.sequences[i], e.codes[i]
		l, d, m := &lit.codes[codes.literals%maxCodes], &dist.codes[codes.distance%maxCodes],
			&match.codes[codes.match%maxCodes]
		if i == len(e.sequences)-1 {
			litState, distState, matchState = lit.firstState(l), dist.firstState(d), match.firstState(m)
		} else {
			w, distState = w.addState(distState, d, &dist.states)
			w, matchState = w.addState(matchState, m, &match.states)
			w, litState = w.addState(litState, l, &lit.states)
		}
		lBits, mBits, dBits := uint(l.extraBits&31), uint(m.extraBits&31), uint(d.extraBits&31)
		extra := uint64(s.literals & lowBits[lBits])
		extra |= uint64(s.match&lowBits[mBits]) << lBits
		if w.count+lBits+mBits+dBits > maxBits {
			w = w.flush(out).add(extra, lBits+mBits).flush(out)
			w = w.add(uint64(s.distance&lowBits[dBits]), dBits).flush(out)
			continue
		}
		extra |= uint64(s.distance&lowBits[dBits]) << (lBits + mBits)
		w = w.add(extra, lBits+mBits+dBits).flush(out)
	}
	w = w.flush(out).addLastState(matchState, match.log).addLastState(distState, dist.log)
	w = w.addLastState(litState, lit.log).add(1, 1) // where the decoder begins
	return dst[:begin+w.flush(out).bytes()]
}

// A bitWriter writes bits, the first one lowest. It is a value, so that it is kept in
// registers.
type bitWriter struct {
	at    int // whole bytes that are written
	bits  uint64
	count uint // bits that are not in these; below 8 after flush
}

func (w bitWriter) add(value uint64, count uint) bitWriter {
	w.bits |= value << (w.count & 63)
	w.count += count
	return w
}

// lowBits are masks of so many bits: to load one is cheaper than to make it.
var lowBits = func() (masks [32]uint32) {
	for n := range masks {
		masks[n] = 1<<n - 1
	}
	return masks
}()

// addState adds the bits that lead from a state to one of the code, and returns that.
func (w bitWriter) addState(state uint32, c *codeStep, states *[1 << maxTableLog]uint16) (bitWriter, uint32) {
	count := uint((state+c.deltaBits)>>16) & 15
	w = w.add(uint64(state&lowBits[count]), count)
	return w, uint32(states[(int32(state>>count)+int32(c.deltaState))&(1<<maxTableLog-1)])
}

// addLastState adds the number of a state below 1 << log: where a decoder begins.
func (w bitWriter) addLastState(state uint32, log uint8) bitWriter {
	return w.add(uint64(state)&(1<<log-1), uint(log))
}

// maxBits is how many bits may be in a writer before flush: with one more it would have to shift by
// a whole word, which takes longer.
const maxBits = 63

// flush writes the whole bytes. Out needs room for eight more.
func (w bitWriter) flush(out []byte) bitWriter {
	binary.LittleEndian.PutUint64(out[w.at:], w.bits)
	w.at += int(w.count / 8)
	w.bits >>= w.count & 56
	w.count %= 8
	return w
}

// bytes is how many bytes there are, with one that is not full.
func (w bitWriter) bytes() int { return w.at + int(w.count+7)>>3 }
