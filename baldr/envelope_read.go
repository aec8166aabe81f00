// How the envelope of a member is read back, record by record.

package baldr

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An envelope hands out what columns gathered, record by record.
type envelope struct {
	column    [columnsEnd][]byte // what is left of each
	given     [columnsEnd]bool   // the column is there
	offset    int64
	timestamp int64
	headers   []Header // lent to the record last returned
}

var errColumnCut = errors.New("a column of the envelope is too short")

// begin takes the bytes of an envelope of a member whose first record has
// offset first.
func (e *envelope) begin(blob []byte, first int64) error {
	*e = envelope{headers: e.headers[:0], offset: first - 1}
	for len(blob) > 0 {
		if len(blob) < columnHeaderBytes {
			return errColumnCut
		}
		column, size := blob[0], uint64(binary.BigEndian.Uint32(blob[1:]))
		blob = blob[columnHeaderBytes:]
		if size > uint64(len(blob)) {
			return fmt.Errorf("column %d of the envelope has %d bytes, %d are left", column, size, len(blob))
		}
		if column > 0 && column < columnsEnd {
			if e.given[column] {
				return fmt.Errorf("column %d stands twice in the envelope", column)
			}
			e.given[column] = true
			e.column[column] = blob[:size]
		}
		blob = blob[size:]
	}
	e.timestamp = -1
	if e.given[columnTimestamps] {
		e.timestamp = 0
	}
	return nil
}

// next completes r, which has its value, from the columns.
func (e *envelope) next(r *Record) error {
	delta, err := e.number(columnOffsets)
	if err != nil {
		return err
	}
	e.offset += 1 + int64(delta)
	r.Offset = e.offset
	change, err := e.number(columnTimestamps)
	if err != nil {
		return err
	}
	e.timestamp += int64(change>>1) ^ -int64(change&1)
	r.Timestamp = e.timestamp
	flags, err := e.number(columnFlags)
	if err != nil {
		return err
	}
	if err := setFlags(r, flags); err != nil {
		return err
	}
	if r.Key, err = e.nullable(columnKeyLengths, columnKeys); err != nil {
		return err
	}
	return e.nextHeaders(r)
}

func setFlags(r *Record, flags uint64) error {
	if flags&^(recordValueIsNull|recordIsLogAppendTime) != 0 {
		return fmt.Errorf("unknown flags %#02x of a record", flags)
	}
	if flags&recordValueIsNull != 0 {
		if len(r.Value) != 0 {
			return errors.New("a null value with bytes")
		}
		r.Value = nil
	}
	r.TimestampType = CreateTime
	if flags&recordIsLogAppendTime != 0 {
		r.TimestampType = LogAppendTime
	}
	return nil
}

func (e *envelope) nextHeaders(r *Record) error {
	r.Headers = nil
	count, err := e.number(columnHeaderCounts)
	if err != nil || count == 0 {
		return err
	}
	// A header takes two bytes or more of its column, so this bounds what the
	// slice can grow to.
	if count > uint64(len(e.column[columnHeaderLengths]))/2 {
		return fmt.Errorf("%d headers: %w", count, errColumnCut)
	}
	e.headers = e.headers[:0]
	for range count {
		keyBytes, err := e.number(columnHeaderLengths)
		if err != nil {
			return err
		}
		key, err := e.take(columnHeaderKeys, keyBytes)
		if err != nil {
			return err
		}
		value, err := e.nullable(columnHeaderLengths, columnHeaderValues)
		if err != nil {
			return err
		}
		e.headers = append(e.headers, Header{Key: key, Value: value})
	}
	r.Headers = e.headers
	return nil
}

// number takes a number from a column, or the default when there is none.
func (e *envelope) number(column int) (uint64, error) {
	c := e.column[column]
	if len(c) > 0 && c[0] < 0x80 {
		e.column[column] = c[1:]
		return uint64(c[0]), nil
	}
	if !e.given[column] {
		return 0, nil
	}
	value, n := binary.Uvarint(c)
	if n <= 0 {
		return 0, errColumnCut
	}
	e.column[column] = c[n:]
	return value, nil
}

// nullable takes bytes that may be null: their length from one column, they
// themselves from another.
func (e *envelope) nullable(lengths, contents int) ([]byte, error) {
	length, err := e.number(lengths)
	if err != nil || length == 0 {
		return nil, err
	}
	return e.take(contents, length-1)
}

func (e *envelope) take(column int, size uint64) ([]byte, error) {
	c := e.column[column]
	if size > uint64(len(c)) {
		return nil, errColumnCut
	}
	e.column[column] = c[size:]
	if size == 0 {
		return noBytes, nil
	}
	return c[:size:size], nil
}

// noBytes is empty and not null.
var noBytes = []byte{}

// finished says whether the records took all there was.
func (e *envelope) finished(last int64) error {
	for column, rest := range e.column {
		if len(rest) > 0 {
			return fmt.Errorf("%d bytes of column %d are left after the last record", len(rest), column)
		}
	}
	if e.offset != last {
		return fmt.Errorf("the last record has offset %d, not %d", e.offset, last)
	}
	return nil
}
