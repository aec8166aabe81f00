// How pending members become finished gzip members.

package baldr

import (
	"hash/crc32"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr/internal/deflate"
)

// A deflater turns pending members into finished ones. It is a large part of a Writer's
// memory, so there is one per worker and not one per member, and the program's next
// Writer takes it over.
type deflater struct {
	level    int
	flate    deflate.Compressor
	body     sink
	envelope sink
	facts    [factsBytes]byte
}

// A sink is an io.Writer that appends.
type sink struct{ bytes []byte }

func (s *sink) Write(b []byte) (int, error) {
	s.bytes = append(s.bytes, b...)
	return len(b), nil
}

// spareDeflaters are those of Writers that were closed, by level.
var spareDeflaters [10]sync.Pool

// newDeflater returns a deflater of a level that Options allow.
func newDeflater(level int) *deflater {
	if d, ok := spareDeflaters[level].Get().(*deflater); ok {
		return d
	}
	return &deflater{level: level, flate: deflate.NewCompressor(level)}
}

// spare leaves the deflater to another Writer. Like a pending member's release,
// it does not keep what a very long record took.
func (d *deflater) spare() {
	d.body.bytes, d.envelope.bytes = nil, emptied(d.envelope.bytes, DefaultMemberBytes)
	spareDeflaters[d.level].Put(d)
}

// deflate takes the frames that p has gathered. It may be called many times
// before seal, by the same deflater and with no other member in between: how the
// frames are cut leaves no trace in the deflated bytes.
func (d *deflater) deflate(p *pending) error {
	if !p.begun {
		p.begun = true
		d.body.bytes = p.body[:0]
		d.flate.Reset(&d.body)
	}
	if err := d.write(p, p.frames); err != nil {
		return err
	}
	p.frames = p.frames[:0]
	return d.write(p, p.value)
}

// write takes what may have been gathered on another core piece by piece, so that
// it comes into this core's cache once, for the checksum, and is there for deflate.
func (d *deflater) write(p *pending, part []byte) error {
	for len(part) > 0 {
		piece := part[:min(len(part), feedBytes)]
		part = part[len(piece):]
		p.facts.crc = crc32.Update(p.facts.crc, crc32.IEEETable, piece)
		if _, err := d.flate.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// seal finishes the member.
func (d *deflater) seal(p *pending) error {
	if err := d.deflate(p); err != nil {
		return err
	}
	if err := d.flate.Close(); err != nil {
		return err
	}
	p.facts.deflatedBytes = int64(len(d.body.bytes))
	p.body, d.body.bytes = appendTrailer(d.body.bytes, p.facts.crc, p.facts.rawBytes), nil
	if err := d.deflateEnvelope(p); err != nil {
		return err
	}
	d.writeHead(p)
	p.facts.storedBytes = int64(len(p.head) + len(p.body))
	return nil
}

func (d *deflater) deflateEnvelope(p *pending) error {
	d.envelope.bytes = d.envelope.bytes[:0]
	if !p.facts.hasEnvelope() {
		return nil
	}
	d.flate.Reset(&d.envelope)
	err := p.columns.pieces(func(piece []byte) error {
		p.facts.envelopeBytes += uint32(len(piece))
		p.facts.envelopeCRC = crc32.Update(p.facts.envelopeCRC, crc32.IEEETable, piece)
		return d.deflatePiece(piece)
	})
	if err != nil || p.facts.envelopeBytes == 0 {
		return err
	}
	if err := d.flate.Close(); err != nil {
		return err
	}
	p.facts.envelopeDeflated = uint32(len(d.envelope.bytes))
	return nil
}

// deflatePiece adds a piece to the envelope. After stored bytes the compressor
// begins anew, because it did not see them and would count distances wrongly.
func (d *deflater) deflatePiece(piece []byte) error {
	if d.level >= levelForSize || !looksRandom(piece) {
		_, err := d.flate.Write(piece)
		return err
	}
	if err := d.flate.Flush(); err != nil {
		return err
	}
	d.envelope.bytes = deflate.AppendStored(d.envelope.bytes, piece)
	d.flate.Reset(&d.envelope)
	return nil
}

// writeHead writes what stands before the deflated frames. The end of the
// envelope goes beside the facts, and what finds no room there into empty
// members before.
func (d *deflater) writeHead(p *pending) {
	const roomBesideFacts = maxChunkBytes - subfieldOverhead - factsBytes
	envelope := d.envelope.bytes
	head, place := appendSpilled(p.head[:0], typeEnvelope, envelope, roomBesideFacts)
	rest := len(envelope) - place
	extra := subfieldOverhead + factsBytes
	if rest > 0 {
		extra += subfieldOverhead + chunkHeaderBytes + rest
	}
	head = appendHeader(head, extra)
	head = appendSubfield(head, typeData, p.facts.appendFacts(d.facts[:0]))
	if rest > 0 {
		head = appendChunk(head, typeEnvelope, envelope, place, rest)
	}
	p.head = head
}
