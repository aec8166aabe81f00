// How gzip members without this format's extra field are read.

package baldr

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// plainMembers inflates members without facts, plain Baldr.gz or the open member
// of an object, as one stream: in plain Baldr.gz a frame may straddle members.
type plainMembers struct {
	stream   *stream
	single   bool // stop after one member
	inflater io.ReadCloser
	err      error // what Read ended with

	pos    int64  // of the current member
	bodyAt int64  // of its deflated data
	facts  member // what has been seen of it; records are for the Reader to count
}

// begin begins the data of the member whose header, at pos, has just been read.
func (p *plainMembers) begin(pos int64) error {
	p.pos, p.bodyAt = pos, p.stream.pos()
	p.facts = member{}
	if p.inflater == nil {
		p.inflater = flate.NewReader(p.stream.buf)
		return nil
	}
	return p.inflater.(flate.Resetter).Reset(p.stream.buf, nil)
}

// Read implements io.Reader. Its errors are those a Reader returns.
func (p *plainMembers) Read(b []byte) (int, error) {
	for p.err == nil {
		n, err := p.inflater.Read(b)
		p.facts.crc = crc32.Update(p.facts.crc, crc32.IEEETable, b[:n])
		p.facts.rawBytes += int64(n)
		if n > 0 {
			return n, nil
		}
		if err == io.EOF {
			p.err = p.endMember()
		} else if err != nil {
			p.err = p.stream.failure(p.pos, err, "a member's data")
		}
	}
	return 0, p.err
}

// endMember checks the trailer and continues with the next member, or returns io.EOF.
func (p *plainMembers) endMember() error {
	p.facts.deflatedBytes = p.stream.pos() - p.bodyAt
	trailer, err := p.stream.readTrailer()
	if err != nil {
		return err
	}
	p.facts.storedBytes = p.stream.pos() - p.pos
	if p.facts.crc != binary.LittleEndian.Uint32(trailer) ||
		uint32(p.facts.rawBytes) != binary.LittleEndian.Uint32(trailer[4:]) {
		return damaged(p.pos, "a member's checksum or size is not what its trailer says")
	}
	if p.single {
		return io.EOF
	}
	header, err := p.stream.nextHeader()
	if err != nil {
		return err
	}
	if header.subfields.ours {
		p.stream.unreadHeader()
		return io.EOF
	}
	return p.begin(header.pos)
}
