// How a Reader checks the order of members in an object.

package baldr

import (
	"fmt"
	"hash/crc32"
)

// An object is what a Reader has seen of the object it is in the middle of.
type object struct {
	begun    bool
	finished bool // the object was read to its end
	pos      int64

	phase     phase
	fromIndex bool   // its data members were not read
	read      int64  // data members
	seen      uint32 // CRC-32 of the rows of the members, as far as they can be seen
	row       []byte // to compute it in
	indexAt   int64  // positions from pos on
	summaryAt int64
	index     []byte // its chunks, deflated
	text      []byte // of the summary
	catalogue
}

// phase is how far a Reader is in an object.
type phase uint8

const (
	inData phase = iota
	inIndex
	afterSummary
)

// addSeen notes a data member that has been read.
func (o *object) addSeen(m member) {
	o.row = m.seenRow(o.row[:0])
	o.seen = crc32.Update(o.seen, crc32.IEEETable, o.row)
	o.read++
}

// advanceObject takes one member of an object: data members come first, then
// those of the index, the summary and the footer.
func (r *Reader) advanceObject(h *memberHeader) error {
	o := &r.object
	if !o.begun {
		*o = object{begun: true, pos: h.pos, row: o.row, index: o.index[:0], text: o.text[:0]}
	}
	s := &h.subfields
	switch {
	case s.data != nil && o.phase == inData:
		return r.readMember(h)
	case s.envelope != nil && o.phase == inData:
		return r.addSpilled(h)
	case s.index != nil && o.phase <= inIndex && !r.waiting:
		return r.readIndex(h)
	case s.summary != nil && o.phase == inIndex:
		return r.readSummary(h)
	case s.footer != nil && o.phase == afterSummary:
		return r.readFooter(h)
	case s.data != nil || s.envelope != nil || s.index != nil || s.summary != nil || s.footer != nil:
		return damaged(h.pos, "a member out of its order in an object that begins at byte %d", o.pos)
	}
	return r.stream.finishEmpty() // of a type that later writers have added
}

func (r *Reader) readMember(h *memberHeader) error {
	facts, err := r.readFacts(h)
	if err != nil {
		return err
	}
	if facts.open() {
		return r.beginMembers(fromOpenMember, h)
	}
	if err := r.readData(h, facts); err != nil {
		return err
	}
	r.object.addSeen(r.decoder.facts)
	return nil
}

func (r *Reader) readIndex(h *memberHeader) error {
	o := &r.object
	if o.phase == inData {
		o.phase, o.indexAt = inIndex, h.pos-o.pos
	}
	var err error
	if o.index, err = addChunk(o.index, h.subfields.index, int64(r.opts.MemoryBytes)); err != nil {
		return r.stream.failure(h.pos, err, "the index")
	}
	return r.stream.finishEmpty()
}

func (r *Reader) readSummary(h *memberHeader) error {
	o := &r.object
	o.phase, o.summaryAt = afterSummary, h.pos-o.pos
	o.text = append(o.text, h.subfields.summary...)
	return r.stream.finishEmpty()
}

// readFooter ends an object: what was read of it must be what its end says.
func (r *Reader) readFooter(h *memberHeader) error {
	o := &r.object
	f, err := parseFooter(h.subfields.footer)
	if err != nil {
		return r.stream.failure(h.pos, err, "the footer")
	}
	if err := r.stream.finishEmpty(); err != nil {
		return err
	}
	if f.objectBytes != r.stream.pos()-o.pos || f.indexAt != o.indexAt || f.summaryAt != o.summaryAt ||
		f.members != o.read {
		return damaged(h.pos,
			"the footer tells of an object of %d bytes, %d members, index at %d, "+
				"summary at %d; read were %d, %d, %d, %d",
			f.objectBytes, f.members, f.indexAt, f.summaryAt, r.stream.pos()-o.pos, o.read, o.indexAt, o.summaryAt)
	}
	c, err := readCatalogue(f, o.index, o.text, r.opts.MemoryBytes)
	if err != nil {
		return r.stream.failure(h.pos, err, "the end of an object")
	}
	if err := o.compare(c.members); err != nil && !o.fromIndex {
		return damaged(h.pos, "the end of an object: %v", err)
	}
	o.catalogue, o.begun, o.finished = c, false, true
	return nil
}

// compare says whether the rows of the index are those of the members read.
func (o *object) compare(members []member) error {
	var listed uint32
	for i := range members {
		o.row = members[i].seenRow(o.row[:0])
		listed = crc32.Update(listed, crc32.IEEETable, o.row)
	}
	if listed != o.seen {
		return fmt.Errorf("the index lists other data members than the %d read", o.read)
	}
	return nil
}
