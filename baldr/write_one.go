// How an object of a single data member is written.

package baldr

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
)

// oneMember writes all records into one member, as they come. Its header is
// written before anything is known of them, so it says no more than that the
// member is open; the index has the facts.
type oneMember struct {
	w        *Writer
	d        *deflater
	buffered *bufio.Writer // most levels write a few hundred bytes at a time
	facts    member
	header   [frameHeaderBytes]byte
}

func newOneMember(w *Writer) *oneMember {
	return &oneMember{w: w, d: newDeflater(w.opts.Level), buffered: bufio.NewWriterSize(writeFunc(w.write), 64<<10)}
}

type writeFunc func([]byte) error

func (f writeFunc) Write(b []byte) (int, error) {
	if err := f(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Write takes deflated bytes.
func (m *oneMember) Write(b []byte) (int, error) {
	m.facts.deflatedBytes += int64(len(b))
	return m.buffered.Write(b)
}

func (m *oneMember) add(r *Record) error {
	if m.facts.records == 0 {
		if err := m.begin(r); err != nil {
			return err
		}
	}
	m.facts.count(r)
	binary.BigEndian.PutUint64(m.header[:], uint64(len(r.Value)))
	if err := m.deflate(m.header[:]); err != nil {
		return err
	}
	return m.deflate(r.Value)
}

func (m *oneMember) begin(r *Record) error {
	m.facts = member{flags: memberIsOpen, firstOffset: r.Offset, leastTimestamp: -1, mostTimestamp: -1}
	unknown := m.facts.withoutCounts()
	head := appendHeader(nil, subfieldOverhead+factsBytes)
	head = appendSubfield(head, typeData, unknown.appendFacts(nil))
	m.facts.storedBytes = int64(len(head))
	m.d.flate.Reset(m)
	_, err := m.buffered.Write(head)
	return err
}

func (m *oneMember) deflate(b []byte) error {
	m.facts.crc = crc32.Update(m.facts.crc, crc32.IEEETable, b)
	_, err := m.d.flate.Write(b)
	return err
}

func (m *oneMember) finish() error {
	if m.facts.records == 0 {
		return nil
	}
	if err := m.d.flate.Close(); err != nil {
		return err
	}
	if _, err := m.buffered.Write(appendTrailer(nil, m.facts.crc, m.facts.rawBytes)); err != nil {
		return err
	}
	m.facts.storedBytes += m.facts.deflatedBytes + trailerBytes
	m.w.rows = m.facts.appendRow(m.w.rows)
	return m.buffered.Flush()
}
