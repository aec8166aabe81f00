// The literals of a block.

package zstdframe

import "github.com/klauspost/compress/huff0"

// The types of literals sections (RFC 8878, 3.1.1.3.1.1).
const (
	literalsRaw        = 0
	literalsRepeated   = 1
	literalsCompressed = 2
	literalsTreeless   = 3
)

// Below leastHuffman bytes the table would cost more than it saves, and below leastStreams
// the sizes of four streams would.
const (
	leastHuffman = 32
	leastStreams = 1 << 10 // 10 bits are all that a section of one stream has for a size
)

// appendLiterals appends the literals section (RFC 8878, 3.1.1.3.1).
func (e *Encoder) appendLiterals(dst []byte) []byte {
	n := len(e.literals)
	err := huff0.ErrIncompressible
	var coded []byte
	var reused bool
	switch {
	case n >= leastStreams:
		coded, reused, err = huff0.Compress4X(e.literals, &e.huffman)
	case n >= leastHuffman:
		coded, reused, err = huff0.Compress1X(e.literals, &e.huffman)
	}
	if err == huff0.ErrUseRLE {
		return append(appendLiteralsHeader(dst, literalsRepeated, n), e.literals[0])
	}
	if err != nil { // other errors are of inputs that are longer than a block
		e.huffman.Reuse = huff0.ReusePolicyNone
		return append(appendLiteralsHeader(dst, literalsRaw, n), e.literals...)
	}
	kind := literalsCompressed
	if reused {
		kind = literalsTreeless
	}
	e.huffman.Reuse = huff0.ReusePolicyAllow
	return append(appendCompressedHeader(dst, kind, n, len(coded)), coded...)
}

// appendLiteralsHeader appends the header of literals that are not compressed.
func appendLiteralsHeader(dst []byte, kind, size int) []byte {
	switch {
	case size < 1<<5:
		return append(dst, byte(size<<3|kind))
	case size < 1<<12:
		return appendLittleEndian(dst, size<<4|1<<2|kind, 2)
	}
	return appendLittleEndian(dst, size<<4|3<<2|kind, 3)
}

// appendCompressedHeader appends that of literals that are, in four streams if they are many.
func appendCompressedHeader(dst []byte, kind, size, coded int) []byte {
	switch {
	case size < leastStreams:
		return appendLittleEndian(dst, coded<<14|size<<4|kind, 3)
	case size < 1<<14:
		return appendLittleEndian(dst, coded<<18|size<<4|2<<2|kind, 4)
	}
	return appendLittleEndian(dst, coded<<22|size<<4|3<<2|kind, 5)
}

func appendLittleEndian(dst []byte, value, bytes int) []byte {
	for range bytes {
		dst = append(dst, byte(value))
		value >>= 8
	}
	return dst
}
