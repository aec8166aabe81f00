// From matches to the blocks of a frame.

package zstdframe

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/huff0"
)

// A Match says that bytes repeat: the Length bytes at At are those that begin Distance bytes
// before. They may overlap, as in deflate.
type Match struct {
	At               int64 // of the first of them, in the coordinates of the caller
	Length, Distance int32 // in bytes
}

const (
	maxBlockBytes = 128 << 10 // RFC 8878, 3.1.1.2.4

	// leastMatch is the shortest match that is taken. A shorter one costs about as
	// many bits as its bytes cost as literals, and time.
	leastMatch = 4
)

// An Encoder writes frames. The zero value is ready. It keeps its buffers, and must not be
// used by two goroutines at the same time.
type Encoder struct {
	literals  []byte
	sequences []sequence
	codes     []sequenceCodes // of each sequence
	recent    recentDistances
	huffman   huff0.Scratch
	coders    [3]codeTable // of literal lengths, distances and match lengths
}

// Encode appends one frame that decodes to src. Of this the first head bytes have nothing to do
// with matches; base is the At of the byte behind them. Matches are in the order of At. What is
// wrong in them, or outside of src, is left out, and what two of them cover is taken from the
// first.
func (e *Encoder) Encode(dst, src []byte, head int, base int64, matches []Match) []byte {
	checksum := xxhash.Sum64(src)
	dst = appendFrameHeader(dst, len(src))
	base -= int64(head)
	e.recent = firstDistances
	e.huffman.Reuse = huff0.ReusePolicyNone
	begin := 0
	for {
		end := min(begin+maxBlockBytes, len(src))
		before := e.recent
		matches = e.findSequences(src, head, begin, end, base, matches)
		dst = e.appendBlock(dst, src[begin:end], end == len(src), before)
		if end == len(src) {
			return binary.LittleEndian.AppendUint32(dst, uint32(checksum))
		}
		begin = end
	}
}

// appendFrameHeader appends the header of a frame in a single segment, which tells the size of
// its content, and that a checksum of it follows (RFC 8878, 3.1.1.1). A decoder that has other
// bytes than were encoded says so then, instead of returning them.
func appendFrameHeader(dst []byte, size int) []byte {
	const (
		magic         = 0xfd2fb528
		singleSegment = 1 << 5
		withChecksum  = 1 << 2
		flags         = singleSegment | withChecksum
	)
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	switch {
	case size < 256:
		return append(dst, flags, byte(size))
	case size < 256+1<<16:
		return binary.LittleEndian.AppendUint16(append(dst, flags|1<<6), uint16(size-256))
	case int64(size) < 1<<32:
		return binary.LittleEndian.AppendUint32(append(dst, flags|2<<6), uint32(size))
	}
	return binary.LittleEndian.AppendUint64(append(dst, flags|3<<6), uint64(size))
}

// findSequences makes the sequences of a block of src, and returns the matches that are not
// behind it.
func (e *Encoder) findSequences(src []byte, head, begin, end int, base int64, matches []Match) []Match {
	literals := slices.Grow(e.literals[:0], end-begin+wordBytes)[:end-begin+wordBytes]
	sequences := slices.Grow(e.sequences[:0], min((end-begin)/leastMatch, len(matches)))
	recent := e.recent
	anchor := begin // where the literals behind the last sequence begin
	copied := 0     // bytes of literals
	for len(matches) > 0 {
		m := &matches[0]
		at, distance := int(m.At-base), int(m.Distance)
		last := at + int(m.Length)
		at = max(at, anchor, head+distance) // before it: sequences, or bytes that repeat no value
		length, same := min(last, end)-at, false
		switch {
		case length < leastMatch || distance <= 0:
		case length <= shortBytes && at <= len(src)-shortBytes:
			a, b, mask := shortAt(src, at), shortAt(src, at-distance), &shortMasks[length]
			same = xor(a, b, 0)&mask[0]|xor(a, b, 8)&mask[1]|xor(a, b, 16)&mask[2]|xor(a, b, 24)&mask[3]|
				xor(a, b, 32)&mask[4] == 0
		default:
			same = bytes.Equal(src[at:at+length], src[at-distance:at-distance+length])
		}
		if same {
			count := at - anchor
			if count <= wordBytes && anchor <= len(src)-wordBytes {
				*(*[wordBytes]byte)(literals[copied:]) = *(*[wordBytes]byte)(src[anchor:])
			} else {
				copy(literals[copied:], src[anchor:at])
			}
			copied += count
			anchor = at + length
			s := sequence{literals: uint32(count), match: uint32(length - leastCodedMatch)}
			s.distance, recent = recent.value(count, distance)
			sequences = append(sequences, s)
		}
		if last > end {
			break // the rest of it, or all, belongs to the next block
		}
		matches = matches[1:]
	}
	copied += copy(literals[copied:], src[anchor:end])
	e.literals, e.sequences, e.recent = literals[:copied], sequences, recent
	return matches
}

// A match of up to shortBytes, as most are, is compared without a branch for its length,
// which would often be predicted wrong.
const shortBytes = 40

// shortMasks have the bits of as many bytes as a match is long.
var shortMasks = func() (masks [shortBytes + 1][shortBytes / 8]uint64) {
	for length := range masks {
		for i := range length {
			masks[length][i/8] |= 0xff << (i % 8 * 8)
		}
	}
	return masks
}()

func shortAt(b []byte, at int) *[shortBytes]byte {
	return (*[shortBytes]byte)(b[at : at+shortBytes : at+shortBytes])
}

// xor is what eight bytes at a place differ in.
func xor(a, b *[shortBytes]byte, at int) uint64 {
	return binary.LittleEndian.Uint64(a[at:]) ^ binary.LittleEndian.Uint64(b[at:])
}

// wordBytes are copied at once, beyond the end of literals too.
const wordBytes = 16

// The types of blocks (RFC 8878, 3.1.1.2.2).
const (
	blockRaw        = 0
	blockCompressed = 2

	blockHeaderBytes = 3
)

// appendBlock appends the block of the sequences that were found, or its bytes as they are
// if that is not longer. Before are the distances that the decoder knows.
func (e *Encoder) appendBlock(dst, block []byte, last bool, before recentDistances) []byte {
	header := len(dst)
	dst = append(dst, 0, 0, 0)
	kind := blockCompressed
	dst = e.appendLiterals(dst)
	dst = e.appendSequences(dst)
	size := len(dst) - header - blockHeaderBytes
	if size >= len(block) {
		kind, size = blockRaw, len(block)
		dst = append(dst[:header+blockHeaderBytes], block...)
		// The decoder sees none of what the compressed block would have told it.
		e.recent, e.huffman.Reuse = before, huff0.ReusePolicyNone
	}
	value := size<<3 | kind<<1
	if last {
		value |= 1
	}
	dst[header], dst[header+1], dst[header+2] = byte(value), byte(value>>8), byte(value>>16)
	return dst
}
