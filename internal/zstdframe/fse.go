// Tables of finite state entropy.

package zstdframe

import "math/bits"

const (
	maxCodes    = 64 // there are 36 of literal lengths, 32 of distances and 53 of match lengths
	maxTableLog = 9
	minTableLog = 5
)

// A codeTable says how the codes of one kind of numbers are written in a block.
type codeTable struct {
	log    uint8                    // how many bits a state has; 0 if all codes are the same
	only   uint8                    // that code
	shares [maxCodes]int            // how many of the states each code has
	used   int                      // codes, up to the last one that occurs
	codes  [maxCodes]codeStep       // how to get to a state of each code
	states [1 << maxTableLog]uint16 // all of them, above 1 << log, in the order of their codes
	cells  [1 << maxTableLog]uint8  // the code of each state
}

// A codeStep leads from any state to one of its code: the bits that are written are as many
// as the upper half of the state and deltaBits says, and the rest of the state and
// deltaState are where the next one is found.
type codeStep struct {
	deltaBits  uint32
	deltaState int16
	extraBits  uint8
}

// build makes the table for codes that occur so many times, n together.
func (t *codeTable) build(counts []uint32, n, maxLog int, extraBits []uint8) {
	different := 0
	for code, count := range counts {
		if count > 0 {
			t.used = code + 1
			t.only = uint8(code)
			different++
		}
	}
	for code, extra := range extraBits {
		t.codes[code] = codeStep{extraBits: extra}
	}
	if different == 1 {
		t.log, t.states[0] = 0, 0
		return
	}
	// A table of more states than there are codes to write costs more than it saves.
	log := max(bits.Len(uint(n))-2, bits.Len(uint(different)), minTableLog)
	t.log = uint8(min(log, maxLog))
	t.share(counts, n)
	t.spread()
}

// share gives each code that occurs as many of the states as its share, and at least one.
func (t *codeTable) share(counts []uint32, n int) {
	size := 1 << t.log
	left := size
	for code, count := range counts[:t.used] {
		t.shares[code] = 0
		if count > 0 {
			t.shares[code] = max(1, (int(count)*size+n/2)/n)
		}
		left -= t.shares[code]
	}
	for left != 0 { // what rounding gave too much or too little, of the largest: it notices least
		most := 0
		for code, share := range t.shares[:t.used] {
			if share > t.shares[most] {
				most = code
			}
		}
		change := max(-1, min(left, 1))
		t.shares[most] += change
		left -= change
	}
}

// spread lays out the states (RFC 8878, 4.1.1), and how to get to those of each code.
func (t *codeTable) spread() {
	size := 1 << t.log
	step, mask := size>>1+size>>3+3, size-1
	var next [maxCodes]int // place in states of the next state of a code
	at, total := 0, 0
	for code, share := range t.shares[:t.used] {
		next[code] = total
		if share > 0 {
			most := int(t.log) // bits of a step
			if share > 1 {
				most -= bits.Len(uint(share-1)) - 1
			}
			t.codes[code].deltaBits = uint32(most<<16 - share<<most)
			t.codes[code].deltaState = int16(total - share)
		}
		for range share {
			t.cells[at] = uint8(code)
			at = (at + step) & mask
		}
		total += share
	}
	for state, code := range t.cells[:size] {
		t.states[next[code]] = uint16(size + state)
		next[code]++
	}
}

// firstState is the one for a code that is written first, which has no bits yet.
func (t *codeTable) firstState(c *codeStep) uint32 {
	if t.log == 0 {
		return 0
	}
	count := (c.deltaBits + 1<<15) >> 16
	value := count<<16 - c.deltaBits
	return uint32(t.states[int(value>>count)+int(c.deltaState)])
}

// mode is how the table is described (RFC 8878, 3.1.1.3.2.1).
func (t *codeTable) mode() byte {
	const oneCode, described = 1, 2
	if t.log == 0 {
		return oneCode
	}
	return described
}

// appendDescription appends the description of the table (RFC 8878, 4.1.1).
func (t *codeTable) appendDescription(dst []byte) []byte {
	if t.log == 0 {
		return append(dst, t.only)
	}
	begin := len(dst)
	dst = append(dst, make([]byte, maxDescriptionBytes)...)
	out := dst[begin:]
	w := bitWriter{}.add(uint64(t.log-minTableLog), 4)
	left := 1<<t.log + 1     // states to give away, and one
	width := uint(t.log) + 1 // bits of a share
	for code := 0; left > 1; code++ {
		share := t.shares[code]
		w = w.addShare(share, left, width).flush(out)
		left -= share
		for left < 1<<(width-1) && left > 1 {
			width--
		}
		if share == 0 {
			absent := 0
			for t.shares[code+1+absent] == 0 {
				absent++
			}
			code += absent
			for ; absent >= 3; absent -= 3 {
				w = w.add(3, 2).flush(out)
			}
			w = w.add(uint64(absent), 2).flush(out)
		}
	}
	return dst[:begin+w.bytes()]
}

// maxDescriptionBytes is more than any description takes: 10 bits for each code, and the room
// that a write needs.
const maxDescriptionBytes = maxCodes*10/8 + 8

// addShare adds a share of the states that are left. One of the lower ones takes a bit less
// if the width has room for more numbers than can come.
func (w bitWriter) addShare(share, left int, width uint) bitWriter {
	threshold := 1 << (width - 1)
	spare := 2*threshold - 1 - left
	value := share + 1
	if value >= threshold {
		value += spare
	}
	if value < spare {
		width--
	}
	return w.add(uint64(value), width)
}
