package baldr

import "encoding/binary"

// Columns of an envelope, in the order in which they are written. A column in
// which every record has the default is left out.
const (
	columnOffsets       = 1 + iota // offset - previous offset - 1; default 0
	columnTimestamps               // timestamp - previous one, zigzag; default: every record has -1
	columnFlags                    // a byte a record; default 0
	columnKeyLengths               // length + 1, 0 for a null key; default 0
	columnKeys                     // the bytes of all keys
	columnHeaderCounts             // headers a record; default 0
	columnHeaderLengths            // a header: length of its key, then length + 1 of its value or 0 for null
	columnHeaderKeys               // the bytes of all headers' keys
	columnHeaderValues             // and of their values
	columnsEnd
)

const (
	columnHeaderBytes = 5 // number of the column, length as 4 bytes

	recordValueIsNull     = 0x01
	recordIsLogAppendTime = 0x02
)

// columns gathers the envelope of a member: the parts of its records that a
// Baldr frame has no place for. Like is kept beside like because it deflates
// better, and because a reader can pass over what it does not want.
type columns struct {
	column            [columnsEnd][]byte
	needed            [columnsEnd]bool // some record differs from the default
	previousOffset    int64
	previousTimestamp int64
}

// begin begins the envelope of a member whose first record has offset first.
func (c *columns) begin(first int64) {
	c.needed = [columnsEnd]bool{}
	c.previousOffset, c.previousTimestamp = first-1, 0
}

// size is the bytes gathered, also those of columns that will be left out.
func (c *columns) size() int {
	size := 0
	for i := range c.column {
		size += len(c.column[i])
	}
	return size
}

// envelopeBound is the most that add may add for r.
func envelopeBound(r *Record) int {
	bound := 4*binary.MaxVarintLen64 + 1 + len(r.Key)
	for i := range r.Headers {
		bound += 2*binary.MaxVarintLen64 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return bound
}

func (c *columns) add(r *Record) {
	c.number(columnOffsets, uint64(r.Offset-c.previousOffset-1))
	c.previousOffset = r.Offset

	c.column[columnTimestamps] = binary.AppendVarint(c.column[columnTimestamps], r.Timestamp-c.previousTimestamp)
	c.needed[columnTimestamps] = c.needed[columnTimestamps] || r.Timestamp != -1
	c.previousTimestamp = r.Timestamp

	c.number(columnFlags, recordFlags(r))
	c.number(columnKeyLengths, nullableLength(r.Key))
	c.bytes(columnKeys, r.Key)
	c.number(columnHeaderCounts, uint64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		c.needed[columnHeaderLengths] = true
		c.number(columnHeaderLengths, uint64(len(h.Key)))
		c.number(columnHeaderLengths, nullableLength(h.Value))
		c.bytes(columnHeaderKeys, h.Key)
		c.bytes(columnHeaderValues, h.Value)
	}
}

// number appends to a column whose default is 0.
func (c *columns) number(column int, value uint64) {
	if value < 0x80 {
		c.column[column] = append(c.column[column], byte(value))
	} else {
		c.column[column] = binary.AppendUvarint(c.column[column], value)
	}
	c.needed[column] = c.needed[column] || value != 0
}

func (c *columns) bytes(column int, b []byte) {
	c.column[column] = append(c.column[column], b...)
	c.needed[column] = c.needed[column] || len(b) > 0
}

func recordFlags(r *Record) uint64 {
	var flags uint64
	if r.Value == nil {
		flags |= recordValueIsNull
	}
	if r.TimestampType == LogAppendTime {
		flags |= recordIsLogAppendTime
	}
	return flags
}

// nullableLength is 0 for null and otherwise one more than the length.
func nullableLength(b []byte) uint64 {
	if b == nil {
		return 0
	}
	return uint64(len(b)) + 1
}

// pieces passes the bytes of the envelope to write, piece by piece.
func (c *columns) pieces(write func([]byte) error) error {
	var header [columnHeaderBytes]byte
	for i, column := range c.column {
		if !c.needed[i] {
			continue
		}
		header[0] = byte(i)
		binary.BigEndian.PutUint32(header[1:], uint32(len(column)))
		if err := write(header[:]); err != nil {
			return err
		}
		if err := write(column); err != nil {
			return err
		}
	}
	return nil
}
