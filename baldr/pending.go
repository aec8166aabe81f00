package baldr

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/flate"
)

// A pending member gathers records until it is large enough to be deflated, and
// then holds the bytes of the finished member until their turn to be written.
type pending struct {
	facts   member
	frames  []byte
	value   []byte // of a record too long to copy: borrowed, the end of the last frame
	columns columns
	stored  []byte
	err     error
	done    chan struct{} // receives once when stored or err is set
}

func newPending() *pending { return &pending{done: make(chan struct{}, 1)} }

func (p *pending) empty() bool { return p.facts.records == 0 }

// fits says whether the member has room for r under the limit. A record that
// fits nowhere gets a member to itself.
func (p *pending) fits(r *Record, limit int, valuesOnly bool) bool {
	if len(p.frames)+frameHeaderBytes+len(r.Value) > limit {
		return false
	}
	return valuesOnly || p.columns.size()+envelopeBound(r) <= limit
}

func (p *pending) add(r *Record, valuesOnly bool) {
	p.addFacts(r, valuesOnly)
	p.frames = AppendFrame(p.frames, r.Value)
	if !valuesOnly {
		p.columns.add(r)
	}
}

// addBorrowed is add without a copy of the value, for the only record of a
// member that is deflated before WriteRecord returns.
func (p *pending) addBorrowed(r *Record, valuesOnly bool) {
	p.addFacts(r, valuesOnly)
	p.frames = binary.BigEndian.AppendUint64(p.frames, uint64(len(r.Value)))
	p.value = r.Value
	if !valuesOnly {
		p.columns.add(r)
	}
}

func (p *pending) addFacts(r *Record, valuesOnly bool) {
	if p.empty() {
		p.columns.begin(r.Offset)
		p.facts = member{firstOffset: r.Offset, leastTimestamp: -1, mostTimestamp: -1}
		if !valuesOnly {
			p.facts.flags = memberHasEnvelope
		}
	}
	p.facts.count(r)
}

// count adds a record to the facts.
func (m *member) count(r *Record) {
	m.records++
	m.rawBytes += frameHeaderBytes + int64(len(r.Value))
	m.lastOffset = r.Offset
	m.leastTimestamp, m.mostTimestamp = widen(m.leastTimestamp, m.mostTimestamp, r.Timestamp)
}

// widen returns the range of timestamps [least, most] with timestamp in it,
// where a negative timestamp is none.
func widen(least, most, timestamp int64) (int64, int64) {
	if timestamp < 0 {
		return least, most
	}
	if least < 0 || timestamp < least {
		least = timestamp
	}
	return least, max(most, timestamp)
}

// release makes the member ready for new records. Memory that a very long
// record made it take is given back: it would stay for the rest of the object.
func (p *pending) release(limit int) {
	p.facts, p.value = member{}, nil
	p.frames, p.stored = emptied(p.frames, limit), emptied(p.stored, limit)
	for i, column := range p.columns.column {
		p.columns.column[i] = emptied(column, limit)
	}
}

func emptied(b []byte, limit int) []byte {
	if cap(b) > 2*limit {
		return nil
	}
	return b[:0]
}

// A deflater turns pending members into stored ones. It is the large part of a
// Writer's memory, so there is one a worker and not one a member.
type deflater struct {
	flate    *flate.Writer
	envelope sink
	out      sink
}

// A sink is an io.Writer that appends.
type sink struct{ bytes []byte }

func (s *sink) Write(b []byte) (int, error) {
	s.bytes = append(s.bytes, b...)
	return len(b), nil
}

// newDeflater returns a deflater of a level that Options allow.
func newDeflater(level int) *deflater {
	d := &deflater{}
	var err error
	if d.flate, err = flate.NewWriter(&d.out, level); err != nil {
		panic(err)
	}
	return d
}

// seal deflates the member into p.stored: the empty members that carry what
// does not fit of the envelope, then the data member.
func (d *deflater) seal(p *pending) error {
	if err := d.deflateEnvelope(p); err != nil {
		return err
	}
	const roomBesideFacts = maxChunkBytes - subfieldOverhead - factsBytes
	blob := d.envelope.bytes
	out, place := appendSpilled(p.stored[:0], typeEnvelope, blob, roomBesideFacts)
	rest := len(blob) - place
	extra := subfieldOverhead + factsBytes
	if rest > 0 {
		extra += subfieldOverhead + chunkHeaderBytes + rest
	}
	out = appendHeader(out, extra)
	factsAt := len(out)
	out = append(out, make([]byte, subfieldOverhead+factsBytes)...)
	if rest > 0 {
		out = appendChunk(out, typeEnvelope, blob, place, rest)
	}
	out, err := d.deflateFrames(p, out)
	if err != nil {
		return err
	}
	p.writeFacts(out[factsAt:factsAt])
	p.stored = appendTrailer(out, p.facts.crc, p.facts.rawBytes)
	p.facts.storedBytes = int64(len(p.stored))
	return nil
}

// writeFacts puts the data subfield into the place kept for it: how long the
// deflated data is, is known only after it.
func (p *pending) writeFacts(dst []byte) {
	var body [factsBytes]byte
	appendSubfield(dst, typeData, p.facts.appendFacts(body[:0]))
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
		_, err := d.flate.Write(piece)
		return err
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

func (d *deflater) deflateFrames(p *pending, out []byte) ([]byte, error) {
	d.out.bytes = out
	d.flate.Reset(&d.out)
	for _, part := range [][]byte{p.frames, p.value} {
		p.facts.crc = crc32.Update(p.facts.crc, crc32.IEEETable, part)
		if _, err := d.flate.Write(part); err != nil {
			return nil, err
		}
	}
	if err := d.flate.Close(); err != nil {
		return nil, err
	}
	p.facts.deflatedBytes = int64(len(d.out.bytes) - len(out))
	out, d.out.bytes = d.out.bytes, nil
	return out, nil
}
