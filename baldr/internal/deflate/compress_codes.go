// The Huffman codes that a block is written with.

package deflate

import (
	"math/bits"
	"slices"
)

// A code is the bits that represent a symbol, the first one lowest, above eight bits that
// say how many they are.
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
