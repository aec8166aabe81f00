// Package deflate compresses and decompresses DEFLATE (RFC 1951), as fast as Go without
// unsafe and assembly can for what package baldr needs: a stream compressed at the level
// that archives use, and a member decompressed from memory to memory. It knows nothing
// about gzip, frames or records.
//
// A mistake in here is the worst that this project could make: a compressor's mistake
// loses data. docs/deflate.md says what guards against one. When in doubt, ownCode below
// is the switch to the library's code, for both directions.
//
// Three names go in (NewCompressor, Compressor, AppendStored) and three come out
// (Inflater, Match, ErrSize).
package deflate

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/flate"
)

// ownCode is the switch: false leaves all of it to klauspost/compress. Objects
// written before stay readable, and those written after have other bytes that say
// the same. TestTheLibraryServesAsWell runs what it would run.
const ownCode = true

// A Compressor deflates a stream. How what is written to it is cut leaves no
// trace in what it makes. Its errors are those of the stream's io.Writer.
type Compressor interface {
	io.Writer
	Flush() error    // writes what is held back, up to the end of a byte
	Close() error    // ends the stream
	Reset(io.Writer) // begins one, the first or another
}

// NewCompressor returns a Compressor of a level from 1 (fast) to 9 (small). It has
// no stream yet: Reset comes first.
func NewCompressor(level int) Compressor {
	if level == 1 && ownCode {
		return new(fastCompressor)
	}
	return libraryCompressor(level)
}

func libraryCompressor(level int) Compressor {
	c, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // the level is a constant of the program, or was checked where it was read
	}
	return c
}

// maxStoredBlock is how many bytes one stored block takes (RFC 1951, 3.2.4).
const maxStoredBlock = 1<<16 - 1

// AppendStored appends data to dst in stored blocks, none of them the last of its
// stream, and returns the longer slice. What is in dst must end with a whole byte,
// as it does after Flush.
func AppendStored(dst, data []byte) []byte {
	for len(data) > 0 {
		n := min(maxStoredBlock, len(data))
		dst = appendStoredBody(append(dst, 0), data[:n])
		data = data[n:]
	}
	return dst
}

// appendStoredBody appends what follows the header of a stored block.
func appendStoredBody(dst, data []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(data)))
	dst = binary.LittleEndian.AppendUint16(dst, ^uint16(len(data)))
	return append(dst, data...)
}
