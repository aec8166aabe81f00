// The compressor of level 1: how it finds matches.

package deflate

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// A fastCompressor is level 1: most of what an archive computes. It looks at one
// place only for each match, the last one with the same hash, and takes what is
// there. docs/decisions/0010-a-compressor-of-our-own.md says what makes it fast.
//
// This file finds matches. compress_block.go writes them, with codes that
// compress_codes.go builds and compress_listing.go writes for the reader.
type fastCompressor struct {
	dst        io.Writer
	err        error                         // of dst: whatever writes to it later returns it
	window     [windowBytes + wordBytes]byte // the end of the stream so far
	begin, end int                           // of the bytes in window that are held back: the next block
	base       uint16                        // where in the stream window begins, modulo 64 Ki
	last       [1 << hashBits]uint16         // where in the stream bytes were seen last, by hash, modulo 64 Ki
	parsed     parsed
	block      blockWriter
}

const (
	// A power of two, so that an index into window costs a mask and no test. What
	// is not history is a block: large ones have few headers, and new codes are
	// seldom made.
	windowBytes  = 256 << 10
	historyBytes = 32 << 10 // how far back a match may be

	// A table of 64 KiB, which stays in a core's cache along with the window.
	hashBits = 15

	// So close to the end of a block there is no search: a word would reach past it.
	endBytes = 8

	minMatch = 4 // RFC 1951 has 3, which seldom pay

	// After so many literals in a row, as a power of two, each step is a byte
	// longer, and after as many again: what does not compress is passed fast. But
	// not so fast that what follows has no places in the table to refer to.
	patience    = 5
	mostSkipped = 64
)

// A parsed block is alternating literals and matches.
type parsed struct {
	literals  []byte // of all sequences one after another, and those after the last match
	sequences []sequence

	literalMemory  [windowBytes + wordBytes]byte
	sequenceMemory [windowBytes / minMatch]sequence
}

// A sequence is literals and the match after them: from the lowest bit 16 bits with the
// distance of the match less 1, 16 with its length less 3, and above them how many
// literals there are.
type sequence uint64

func newSequence(literals, length, distance int) sequence {
	return sequence(literals)<<32 | sequence(length-3)<<16 | sequence(distance-1)
}

func (s sequence) literals() int    { return int(s >> 32) }
func (s sequence) length() uint8    { return uint8(s >> 16) }     // less 3
func (s sequence) distance() uint32 { return uint32(s & 0xffff) } // less 1

func (c *fastCompressor) Reset(dst io.Writer) {
	c.dst, c.err = dst, nil
	c.begin, c.end, c.base = 0, 0, 0
	clear(c.last[:])
	c.block.reset()
}

func (c *fastCompressor) Write(b []byte) (int, error) {
	taken := 0
	for taken < len(b) {
		if c.end == windowBytes {
			if err := c.release(); err != nil {
				return taken, err
			}
			c.slide()
		}
		n := copy(c.window[c.end:windowBytes], b[taken:])
		c.end += n
		taken += n
	}
	return taken, nil
}

// slide makes room for another block after the history.
func (c *fastCompressor) slide() {
	const by = windowBytes - historyBytes
	copy(c.window[:], c.window[by:windowBytes])
	c.begin, c.end, c.base = historyBytes, historyBytes, c.base+(by&0xffff)
}

func (c *fastCompressor) Flush() error {
	if err := c.release(); err != nil {
		return err
	}
	return c.put(c.block.align())
}

// release writes what is held back, if anything is, as a block that is not the last.
func (c *fastCompressor) release() error {
	if c.begin == c.end {
		return nil
	}
	return c.deflate(false)
}

func (c *fastCompressor) Close() error { return c.deflate(true) }

// deflate writes what is held back as a block.
func (c *fastCompressor) deflate(final bool) error {
	c.parse()
	raw := c.window[c.begin:c.end]
	c.begin = c.end
	return c.put(c.block.write(&c.parsed, raw, final))
}

func (c *fastCompressor) put(b []byte) error {
	if c.err == nil {
		_, c.err = c.dst.Write(b)
	}
	return c.err
}

// parse finds the matches of the block.
//
// A match refers to what is in window before it, and window is the end of the
// stream: all of it, or 32 KiB and the block. Nothing else has to be guarded,
// because an entry of the table is never wrong. It is the place of earlier bytes
// modulo 64 Ki, or 0, the stream's begin; whichever place it is taken for, if it is
// long out of date, lies in the stream too, at worst with other bytes. So Reset
// clears the table and base, and slide moves window by what it adds to base.
func (c *fastCompressor) parse() {
	window, p := &c.window, &c.parsed
	at, done, limit := c.begin, c.begin, c.end-endBytes // literals wait from done to at
	literals, sequences := 0, 0
	distance := 0
scan:
	for at < limit {
		// Two places for one word read.
		word := load64(window, at)
		for {
			if distance = c.seen(word, at); isMatch(window, at, distance, word) {
				break
			}
			at++
			word >>= 8
			if distance = c.seen(word, at); isMatch(window, at, distance, word) {
				break
			}
			at += 1 + min((at-done)>>patience, mostSkipped)
			if at >= limit {
				break scan
			}
			word = load64(window, at)
		}
		for {
			length := c.matchLength(at, distance)
			for at > done && at > distance && length < maxMatch &&
				window[(at-1)&windowMask] == window[(at-1-distance)&windowMask] {
				at--
				length++
			}
			copyWords(&p.literalMemory, literals, window, done, at)
			p.sequenceMemory[sequences] = newSequence(at-done, length, distance)
			literals += at - done
			sequences++
			at += length
			done = at
			if at >= limit {
				break scan
			}
			// Often the next match follows immediately.
			word := load64(window, at-2)
			c.last[hash(word)] = uint16(at-2) + c.base
			word >>= 16
			if distance = c.seen(word, at); !isMatch(window, at, distance, word) {
				at++
				break
			}
		}
	}
	p.sequences = p.sequenceMemory[:sequences]
	if sequences == 0 { // nothing to put together, so no copy
		p.literals = window[c.begin:c.end]
		return
	}
	literals += copy(p.literalMemory[literals:], window[done:c.end])
	p.literals = p.literalMemory[:literals]
}

// seen returns how far before at the bytes of word were seen last, which may be
// anything up to 64 Ki, and remembers that they are here too.
func (c *fastCompressor) seen(word uint64, at int) int {
	here, place := uint16(at)+c.base, &c.last[hash(word)]
	distance := here - *place
	*place = here
	return int(distance)
}

// hash is of the first six bytes: with five there are more matches, so short that
// they save little and take their time.
func hash(word uint64) uint64 {
	const mix = 0xcf1bbcdcbfa5 // spreads the bits of six bytes over the product's upper half
	return word << 16 * mix >> (64 - hashBits)
}

func isMatch(window *[windowBytes + wordBytes]byte, at, distance int, word uint64) bool {
	return load32(window, at-distance) == uint32(word) && uint(distance-1) < historyBytes
}

// matchLength is how many bytes at at are those distance before, at most maxMatch:
// four of them are known to be.
func (c *fastCompressor) matchLength(at, distance int) int {
	window, length, most := &c.window, minMatch, min(maxMatch, c.end-at)
	for length+8 <= most {
		if other := load64(window, at+length) ^ load64(window, at+length-distance); other != 0 {
			return length + bits.TrailingZeros64(other)/8
		}
		length += 8
	}
	for length < most && window[(at+length)&windowMask] == window[(at+length-distance)&windowMask] {
		length++
	}
	return length
}

const windowMask = windowBytes - 1

func load64(window *[windowBytes + wordBytes]byte, at int) uint64 {
	at &= windowMask
	return binary.LittleEndian.Uint64(window[at : at+8])
}

func load32(window *[windowBytes + wordBytes]byte, at int) uint32 {
	at &= windowMask
	return binary.LittleEndian.Uint32(window[at : at+4])
}

// copyWords copies window[from:end] to literals[to:], and perhaps some bytes more.
func copyWords(literals *[windowBytes + wordBytes]byte, to int, window *[windowBytes + wordBytes]byte, from, end int) {
	for ; from < end; from, to = from+wordBytes, to+wordBytes {
		*(*[wordBytes]byte)(literals[to:]) = *(*[wordBytes]byte)(window[from:])
	}
}
