// Which columns are stored as they are because deflate would win nothing.

package baldr

import "encoding/binary"

// Keys and trace IDs are often random bytes, or hashes. Deflating them takes time, saves
// nothing and spoils the codes of the columns next to them, so such columns are stored
// (RFC 1951, 3.2.4), a copy. The decision sees the column and the level, nothing else:
// the same records make the same bytes, whoever deflates them.

const (
	// levelForSize is the first level at which the time is better spent: it finds
	// some of the few repetitions.
	levelForSize = 5
	// Below leastStoredBytes there is too little to judge by, or to win.
	leastStoredBytes = 2 << 10
	// The first bytes stand for the rest of a column.
	judgedBytes = 64 << 10
)

// looksRandom says whether deflate could win next to nothing on the column: its
// bytes are spread evenly, so shorter codes help little, and its words seldom
// repeat, so references to earlier ones do not either.
func looksRandom(column []byte) bool {
	if len(column) < leastStoredBytes {
		return false
	}
	column = column[:min(judgedBytes, len(column))&^7]
	return evenlySpread(column) && seldomRepeats(column)
}

// evenlySpread looks at some 4,000 bytes. Of n random ones the squared counts of
// the 256 values add up to n + n²/256. Text has four times as much, and bytes of
// which one bit never changes have twice as much.
func evenlySpread(column []byte) bool {
	const words = 512
	step := 8 * (len(column)/(8*words) | 1) // odd, so that both halves of 16 bytes are met
	var counts [256]uint16
	n := uint64(0)
	for at := 0; at < len(column); at += step {
		for _, b := range column[at : at+8] {
			counts[b]++
		}
		n += 8
	}
	squares := uint64(0)
	for _, count := range counts {
		squares += uint64(count) * uint64(count)
	}
	return 4*squares < 5*(n+n*n/256)
}

// seldomRepeats counts the words, 8 bytes each, that came before: at most a
// quarter of them. With a fifth, levels 1 and 2 still save nothing. It is made for
// keys of 8 or 16 bytes, whose repetitions begin at words; of others it sees a part.
func seldomRepeats(column []byte) bool {
	const mix = 0x9e3779b97f4a7c15 // spreads the bits of a word over the product's upper half
	var seen [2048]uint32
	repeats := 0
	for at := 0; at < len(column); at += 8 {
		product := binary.LittleEndian.Uint64(column[at:]) * mix
		slot, rest := product>>53, uint32(product>>21)
		if seen[slot] == rest {
			repeats++
		}
		seen[slot] = rest
	}
	return repeats <= len(column)/32
}
