// How a Reader takes the data members of a stream apart.

package baldr

import (
	"errors"
	"io"
	"slices"
)

// A dataReader reads the data members of an object, each with the empty members
// before it that carry the begin of its envelope.
type dataReader struct {
	opts    ReaderOptions
	stream  stream
	decoder decoder

	deflated []byte // data of a member, brought into memory

	spilled []byte // chunks of the envelope of the data member to come
	begin   int64  // position of the first member that belongs to it
	waiting bool   // there were chunks, and their data member has not come
}

// ours says whether the header is one of an object that this reader takes apart.
// A values-only reader lets a later version pass: its values are still
// plain Baldr.gz.
func (d *dataReader) ours(h *memberHeader) (bool, error) {
	if !h.subfields.ours {
		return false, nil
	}
	if version := h.subfields.version; version != formatVersion {
		if d.opts.ValuesOnly {
			return false, nil
		}
		return false, unknownVersion(h.pos, version)
	}
	if !h.onlyExtra {
		return false, damaged(h.pos, "a member of an object with more in its header than an extra field")
	}
	return true, nil
}

// addSpilled takes in an empty member that carries a chunk of an envelope.
func (d *dataReader) addSpilled(h *memberHeader) error {
	if !d.waiting {
		d.waiting, d.begin, d.spilled = true, h.pos, d.spilled[:0]
	}
	if err := d.addChunk(h); err != nil {
		return err
	}
	return d.stream.finishEmpty()
}

func (d *dataReader) addChunk(h *memberHeader) error {
	if d.opts.ValuesOnly || h.subfields.envelope == nil {
		return nil
	}
	var err error
	if d.spilled, err = addChunk(d.spilled, h.subfields.envelope, int64(d.opts.MemoryBytes)); err != nil {
		return d.stream.failure(h.pos, err, "an envelope")
	}
	return nil
}

// readFacts returns the checked facts of a data member that is not open.
func (d *dataReader) readFacts(h *memberHeader) (member, error) {
	if len(h.subfields.data) != factsBytes {
		return member{}, damaged(h.pos, "a data subfield of %d bytes, not %d", len(h.subfields.data), factsBytes)
	}
	facts := parseFacts(h.subfields.data)
	if facts.open() {
		return facts, nil
	}
	err := facts.check()
	if err == nil {
		err = facts.checkLimits(&d.opts)
	}
	if err != nil {
		return facts, d.stream.failure(h.pos, err, "a data member")
	}
	return facts, nil
}

// readData reads a data member to its end and leaves its records to the decoder.
func (d *dataReader) readData(h *memberHeader, facts member) error {
	if !d.waiting {
		d.begin, d.spilled = h.pos, d.spilled[:0]
	}
	d.waiting = false
	if err := d.addChunk(h); err != nil {
		return err
	}
	if err := d.inflate(h, facts); err != nil {
		return err
	}
	trailer, err := d.stream.readTrailer()
	if err != nil {
		return err
	}
	if err := d.decoder.verify(trailer); err != nil {
		return d.stream.failure(h.pos, err, "a data member")
	}
	d.decoder.facts.storedBytes = d.stream.pos() - d.begin
	return nil
}

// errUnwanted says that a member was left out before its values were read.
var errUnwanted = errors.New("no record with a wanted key")

// inflate inflates the deflated data of a member. It is much faster from memory, so
// unless that would be too much of it the data is brought there first.
func (d *dataReader) inflate(h *memberHeader, facts member) error {
	d.decoder.noteMatches = d.opts.Matches
	if err := d.decoder.begin(facts, d.spilled, d.opts.ValuesOnly); err != nil {
		return damaged(h.pos, "a data member: %v", err)
	}
	if d.opts.Keys != nil && !d.decoder.wantsAny(d.opts.Keys) {
		return errUnwanted
	}
	if facts.deflatedBytes > arrivalBytes {
		begin := d.stream.pos()
		if err := d.decoder.stream(d.stream.buf); err != nil {
			return d.stream.failure(h.pos, err, "a data member")
		}
		if d.stream.pos()-begin != facts.deflatedBytes {
			return d.stream.failure(h.pos, errDeflatedSize, "a data member")
		}
		return nil
	}
	size := int(facts.deflatedBytes)
	d.deflated = slices.Grow(d.deflated[:0], size)[:size]
	if err := d.stream.readFull(d.deflated, h.pos, "a data member"); err != nil {
		return err
	}
	if err := d.decoder.decode(d.deflated); err != nil {
		return damaged(h.pos, "a data member: %v", err)
	}
	return nil
}

// next returns the next record of the member that readData has read.
func (d *dataReader) next() (Record, error) {
	record, err := d.decoder.next()
	if err != nil && err != io.EOF {
		err = damaged(d.begin, "a data member: %v", err)
	}
	return record, err
}
