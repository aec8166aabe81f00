package baldr

import (
	"bytes"
	"io"
	"testing"
)

// The size in a trailer of gzip is that of the member modulo 4 GiB (RFC 1952): a longer member is
// whole, and one that is a byte off is not.
func TestSizesBeyondTrailers(t *testing.T) {
	t.Parallel()
	const crc = 0x12345678
	for _, size := range []int64{0, 1, 1<<32 - 1, 1 << 32, 1<<32 + 1, 3<<32 + 17} {
		for off, whole := range map[int64]bool{0: true, 1: false, -1: false, 1 << 32: true} {
			var s stream
			s.reset(bytes.NewReader(appendTrailer(nil, crc, size)), 0)
			p := plainMembers{stream: &s, single: true, facts: member{crc: crc, rawBytes: size + off}}
			if err := p.endMember(); (err == io.EOF) != whole {
				t.Errorf("%d bytes are read, the trailer is of %d: %v", size+off, size, err)
			}
		}
	}
}
