// The index of an object, which says where its members are.

package baldr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	footerBytes = 36 // the body of the footer's subfield

	// footerMemberBytes is the size of the last member of every object, in this
	// version and in all later ones: a reader finds it from the end of the file.
	footerMemberBytes = emptyMemberBytes + subfieldOverhead + footerBytes
)

// A footer says where the index and the summary are.
type footer struct {
	objectBytes int64 // of the whole object, with the footer
	indexAt     int64
	summaryAt   int64
	members     int64 // data members, and rows of the index
	indexCRC    uint32
}

func (f *footer) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.objectBytes))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.indexAt))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.summaryAt))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.members))
	return binary.BigEndian.AppendUint32(dst, f.indexCRC)
}

// parseFooter reads a footer and says what is impossible about it.
func parseFooter(body []byte) (footer, error) {
	if len(body) != footerBytes {
		return footer{}, fmt.Errorf("a footer of %d bytes, not %d", len(body), footerBytes)
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(body[at:])) }
	f := footer{
		objectBytes: number(0), indexAt: number(8), summaryAt: number(16), members: number(24),
		indexCRC: binary.BigEndian.Uint32(body[32:]),
	}
	const leastMember = emptyMemberBytes + subfieldOverhead + factsBytes
	switch {
	case f.indexAt < 0 || f.summaryAt <= f.indexAt || f.objectBytes-footerMemberBytes <= f.summaryAt:
		return f, fmt.Errorf("an object of %d bytes with its index at %d and its summary at %d",
			f.objectBytes, f.indexAt, f.summaryAt)
	case f.members < 0 || f.members > f.indexAt/leastMember:
		return f, fmt.Errorf("%d data members in %d bytes", f.members, f.indexAt)
	}
	return f, nil
}

// appendEnd appends what follows the data members of an object: index, summary
// and footer. At is the position of all this in the object.
func (d *deflater) appendEnd(dst, rows, summary []byte, at int64) ([]byte, error) {
	f := footer{indexAt: at, members: int64(len(rows) / rowBytes), indexCRC: crc32.ChecksumIEEE(rows)}
	d.envelope.bytes = d.envelope.bytes[:0]
	d.flate.Reset(&d.envelope)
	if _, err := d.flate.Write(rows); err != nil {
		return nil, err
	}
	if err := d.flate.Close(); err != nil {
		return nil, err
	}
	begin := len(dst)
	dst, _ = appendSpilled(dst, typeIndex, d.envelope.bytes, 0)
	f.summaryAt = at + int64(len(dst)-begin)
	dst = appendEmptyMember(dst, typeSummary, summary)
	f.objectBytes = at + int64(len(dst)-begin) + footerMemberBytes
	return appendEmptyMember(dst, typeFooter, f.appendBody(nil)), nil
}

// A catalogue is what the end of an object says: its summary and its members.
type catalogue struct {
	summary Summary
	members []member
}

// readCatalogue puts together the footer, the deflated index and the text of the
// summary, each of which has passed its own checksum.
func readCatalogue(f footer, index, summary []byte, memoryBytes int) (catalogue, error) {
	rowsBytes := f.members * rowBytes
	if memory := 3*rowsBytes + int64(len(index)); memory > int64(memoryBytes) {
		return catalogue{}, fmt.Errorf("%w: an index of %d members takes %d bytes of memory; MemoryBytes is %d",
			ErrTooLarge, f.members, memory, memoryBytes)
	}
	if !plausible(rowsBytes, int64(len(index))) {
		return catalogue{}, fmt.Errorf("an index of %d members cannot deflate to %d bytes", f.members, len(index))
	}
	var c catalogue
	var err error
	if c.summary, err = decodeSummary(summary); err != nil {
		return c, err
	}
	var d decoder
	rows, crc, err := d.inflate(nil, index, rowsBytes, nil)
	if err != nil {
		// Not %w: that the index ends early does not make it a cut file.
		return c, fmt.Errorf("inflate the index: %v", err)
	}
	if crc != f.indexCRC {
		return c, errors.New("the index is not what its checksum in the footer says")
	}
	c.readRows(rows)
	return c, c.check(f.indexAt)
}

func (c *catalogue) readRows(rows []byte) {
	c.members = make([]member, 0, len(rows)/rowBytes)
	position := int64(0)
	for ; len(rows) > 0; rows = rows[rowBytes:] {
		m := parseRow(rows)
		m.position = position
		position += m.storedBytes
		c.members = append(c.members, m)
	}
}

// check compares the rows with each other, with the summary and with the bytes
// that there are for data members.
func (c *catalogue) check(indexAt int64) error {
	var records, rawBytes, position int64
	previous := c.summary.Start - 1
	for i := range c.members {
		m := &c.members[i]
		if err := m.check(); err != nil {
			return fmt.Errorf("row %d of the index: %w", i, err)
		}
		if m.position != position || m.storedBytes < m.deflatedBytes || m.storedBytes > indexAt-position {
			return fmt.Errorf("row %d of the index: %d bytes at %d, the data members end at %d",
				i, m.storedBytes, m.position, indexAt)
		}
		if m.firstOffset <= previous || m.lastOffset >= c.summary.End {
			return fmt.Errorf("row %d of the index: offsets %d to %d after %d, in a range to %d",
				i, m.firstOffset, m.lastOffset, previous, c.summary.End)
		}
		if m.open() && len(c.members) > 1 {
			return fmt.Errorf("row %d of the index: an open member beside others", i)
		}
		position += m.storedBytes
		records += m.records
		rawBytes += m.rawBytes
		previous = m.lastOffset
	}
	if position != indexAt {
		return fmt.Errorf("the members of the index take %d bytes, %d are before it", position, indexAt)
	}
	if records != c.summary.Records || rawBytes != c.summary.RawBytes {
		return fmt.Errorf("the index has %d records of %d bytes, the summary %d of %d",
			records, rawBytes, c.summary.Records, c.summary.RawBytes)
	}
	return nil
}

// seenRow appends a row with what a reader of the stream has seen of a member:
// of an open one all but its offsets and timestamps.
func (m *member) seenRow(dst []byte) []byte {
	seen := *m
	if m.open() {
		seen.firstOffset, seen.lastOffset, seen.leastTimestamp, seen.mostTimestamp = 0, 0, 0, 0
	}
	return seen.appendRow(dst)
}
