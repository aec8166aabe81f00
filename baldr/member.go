// What an object says of one of its data members.

package baldr

import (
	"encoding/binary"
	"fmt"
)

const (
	// MaxMemberBytes is the most that the frames, or the envelope, of a data
	// member with more than one record may take, so that a reader can tell
	// beforehand what a member costs it in memory.
	MaxMemberBytes = 8 << 20

	factsBytes = 69              // the body of a data subfield
	rowBytes   = factsBytes + 12 // a row of the index

	memberHasEnvelope = 0x01
	memberIsOpen      = 0x02 // facts were not known when its header was written
)

// A member is what an object says of one of its data members. The data
// subfield carries the facts; a row of the index repeats them and adds the last
// two, which are known only when the member is written.
type member struct {
	flags                         byte
	records                       int64
	rawBytes                      int64 // of its frames
	deflatedBytes                 int64 // of the same between header and trailer
	envelopeBytes                 uint32
	envelopeDeflated              uint32
	envelopeCRC                   uint32 // of the envelope before it is deflated
	firstOffset, lastOffset       int64
	leastTimestamp, mostTimestamp int64 // milliseconds since the Unix epoch, -1 for none

	storedBytes int64  // all of it, and the empty members before it with its envelope
	crc         uint32 // of the frames: what the gzip trailer says

	position int64 // of its first byte in the object: the sum of the rows before
}

func (m *member) appendFacts(dst []byte) []byte {
	dst = append(dst, m.flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.records))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.rawBytes))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.deflatedBytes))
	dst = binary.BigEndian.AppendUint32(dst, m.envelopeBytes)
	dst = binary.BigEndian.AppendUint32(dst, m.envelopeDeflated)
	dst = binary.BigEndian.AppendUint32(dst, m.envelopeCRC)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.firstOffset))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.lastOffset))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.leastTimestamp))
	return binary.BigEndian.AppendUint64(dst, uint64(m.mostTimestamp))
}

func (m *member) appendRow(dst []byte) []byte {
	dst = m.appendFacts(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.storedBytes))
	return binary.BigEndian.AppendUint32(dst, m.crc)
}

func parseFacts(body []byte) member {
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(body[at:])) }
	return member{
		flags:            body[0],
		records:          number(1),
		rawBytes:         number(9),
		deflatedBytes:    number(17),
		envelopeBytes:    binary.BigEndian.Uint32(body[25:]),
		envelopeDeflated: binary.BigEndian.Uint32(body[29:]),
		envelopeCRC:      binary.BigEndian.Uint32(body[33:]),
		firstOffset:      number(37),
		lastOffset:       number(45),
		leastTimestamp:   number(53),
		mostTimestamp:    number(61),
	}
}

func parseRow(row []byte) member {
	m := parseFacts(row)
	m.storedBytes = int64(binary.BigEndian.Uint64(row[factsBytes:]))
	m.crc = binary.BigEndian.Uint32(row[factsBytes+8:])
	return m
}

func (m *member) open() bool        { return m.flags&memberIsOpen != 0 }
func (m *member) hasEnvelope() bool { return m.flags&memberHasEnvelope != 0 }

// withoutCounts is the member as the header of an open one has it.
func (m *member) withoutCounts() member { return member{flags: m.flags} }

// check says what is impossible about the facts, whatever the data may be:
// before anything is allocated for them.
func (m *member) check() error {
	switch {
	case m.flags&^(memberHasEnvelope|memberIsOpen) != 0:
		return fmt.Errorf("unknown flags %#02x", m.flags)
	case m.open() && m.hasEnvelope():
		return fmt.Errorf("an open member with an envelope")
	case m.records < 1 || m.firstOffset < 0 || m.lastOffset < m.firstOffset || m.lastOffset-m.firstOffset < m.records-1:
		return fmt.Errorf("%d records from offset %d to %d", m.records, m.firstOffset, m.lastOffset)
	case m.rawBytes/frameHeaderBytes < m.records:
		return fmt.Errorf("%d records in %d bytes of frames", m.records, m.rawBytes)
	case m.leastTimestamp < -1 || m.mostTimestamp < m.leastTimestamp:
		return fmt.Errorf("timestamps from %d to %d", m.leastTimestamp, m.mostTimestamp)
	case !m.hasEnvelope() && m.envelopeBytes+m.envelopeDeflated+m.envelopeCRC != 0:
		return fmt.Errorf("the size of an envelope that is not there")
	case !plausible(m.rawBytes, m.deflatedBytes) || !plausible(int64(m.envelopeBytes), int64(m.envelopeDeflated)):
		return fmt.Errorf("%d+%d bytes cannot deflate to %d+%d",
			m.rawBytes, m.envelopeBytes, m.deflatedBytes, m.envelopeDeflated)
	case !m.open() && m.records > 1 && (m.rawBytes > MaxMemberBytes || m.envelopeBytes > MaxMemberBytes):
		return fmt.Errorf("%d records in a member of %d+%d bytes, at most %d are allowed",
			m.records, m.rawBytes, m.envelopeBytes, MaxMemberBytes)
	}
	return nil
}

// plausible says whether raw bytes can have deflated to so many. RFC 1951 codes
// at best 258 bytes in two bits, and at worst stores them in blocks; the slack
// is for small inputs and clumsy encoders.
func plausible(raw, deflated int64) bool {
	if raw < 0 || deflated < 0 || deflated > 1<<60 {
		return false
	}
	return raw <= deflated*1032 && deflated <= raw+raw/8+1024
}

// checkLimits decides whether the member may be decoded under opts.
func (m *member) checkLimits(opts *ReaderOptions) error {
	if m.records == 1 {
		record := m.rawBytes - frameHeaderBytes + int64(m.envelopeBytes)
		if record > int64(opts.MaxRecordBytes)+singleEnvelopeSlack {
			return fmt.Errorf("%w: a record of about %d bytes; MaxRecordBytes is %d",
				ErrTooLarge, record, opts.MaxRecordBytes)
		}
		return nil
	}
	if m.memory() > int64(opts.MemoryBytes) {
		return fmt.Errorf("%w: a member that takes %d bytes of memory; MemoryBytes is %d",
			ErrTooLarge, m.memory(), opts.MemoryBytes)
	}
	return nil
}

// singleEnvelopeSlack is what an envelope of one record holds besides its key
// and headers: numbers, and the columns' own headers.
const singleEnvelopeSlack = 1 << 10

// memory is what decoding the member takes at most.
func (m *member) memory() int64 {
	const frameEnd = 8 // a decoder notes where each frame ends
	return m.rawBytes + m.deflatedBytes + int64(m.envelopeBytes) + int64(m.envelopeDeflated) + m.records*frameEnd
}
