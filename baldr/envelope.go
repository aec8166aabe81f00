// How the envelope of a member is written: what a Baldr frame has no place for, in columns.

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
	records           int
	size              int // bytes gathered, defaults of columns left out so far among them
	previousOffset    int64
	previousTimestamp int64
}

// begin begins the envelope of a member whose first record has offset first.
func (c *columns) begin(first int64) { c.previousOffset = first - 1 }

// release empties the columns.
func (c *columns) release(limit int) {
	kept := c.column
	*c = columns{}
	for i, column := range kept {
		c.column[i] = emptied(column, limit)
	}
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
	c.oftenDefault(columnOffsets, uint64(r.Offset-c.previousOffset-1))
	c.previousOffset = r.Offset

	delta := r.Timestamp - c.previousTimestamp
	c.number(columnTimestamps, uint64(delta)<<1^uint64(delta>>63))
	c.needed[columnTimestamps] = c.needed[columnTimestamps] || r.Timestamp != -1
	c.previousTimestamp = r.Timestamp

	c.oftenDefault(columnFlags, recordFlags(r))
	c.oftenDefault(columnKeyLengths, nullableLength(r.Key))
	c.bytes(columnKeys, r.Key)
	c.oftenDefault(columnHeaderCounts, uint64(len(r.Headers)))
	for i := range r.Headers {
		c.addHeader(&r.Headers[i])
	}
	c.records++
}

func (c *columns) addHeader(h *Header) {
	c.needed[columnHeaderLengths] = true
	c.number(columnHeaderLengths, uint64(len(h.Key)))
	c.number(columnHeaderLengths, nullableLength(h.Value))
	c.bytes(columnHeaderKeys, h.Key)
	c.bytes(columnHeaderValues, h.Value)
}

// oftenDefault adds a record's number to a column whose default is 0. Most such
// columns stay without a use, so they are only counted until there is one.
func (c *columns) oftenDefault(column int, value uint64) {
	if value == 0 && !c.needed[column] {
		c.size++
		return
	}
	if !c.needed[column] {
		c.needed[column] = true
		c.column[column] = append(c.column[column], make([]byte, c.records)...)
	}
	c.number(column, value)
}

func (c *columns) number(column int, value uint64) {
	before := len(c.column[column])
	if value < 0x80 {
		c.column[column] = append(c.column[column], byte(value))
	} else {
		c.column[column] = binary.AppendUvarint(c.column[column], value)
	}
	c.size += len(c.column[column]) - before
}

func (c *columns) bytes(column int, b []byte) {
	c.column[column] = append(c.column[column], b...)
	c.size += len(b)
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
