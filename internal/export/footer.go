// Which columns of a file have an index of their pages.

package export

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// columnsWithoutBounds are the numbers of a schema's columns for which no least and largest
// values are written. Those of text and bytes would be as long as the values themselves. Values
// of a fixed length are UUIDs and large decimals: the library compares them without a sign,
// and leaves pages of nulls out of their index.
func columnsWithoutBounds(s *parquet.Schema) (numbers []int) {
	for number, path := range s.Columns() {
		leaf, _ := s.Lookup(path...)
		kind := leaf.Node.Type().Kind()
		if kind == parquet.FixedLenByteArray ||
			kind == parquet.ByteArray && path[0] != "key" && path[0] != "timestamp_type" {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// tailHolder passes on what is written, until it keeps the rest.
type tailHolder struct {
	to      io.Writer
	without []int // numbers of the columns that get no index of their pages
	passed  int64 // bytes
	keeps   bool
	tail    []byte
}

// Write implements io.Writer.
func (t *tailHolder) Write(p []byte) (int, error) {
	if t.keeps {
		t.tail = append(t.tail, p...)
		return len(p), nil
	}
	n, err := t.to.Write(p)
	t.passed += int64(n)
	return n, err
}

// footerEnd is how many bytes are behind the footer: its length, and the mark of the format.
const footerEnd = 8

// passTail passes the rest on without the indexes of columns that get none. The library
// writes one for each column; that of a column without bounds says that all its values are
// empty, and readers that go by it find none of the others. An index may be missing
// (PageIndex.md of the Parquet format).
func (t *tailHolder) passTail() error {
	if len(t.tail) < footerEnd {
		return errors.New("the file has no footer")
	}
	length := int64(binary.LittleEndian.Uint32(t.tail[len(t.tail)-footerEnd:]))
	start := int64(len(t.tail)-footerEnd) - length
	if start < 0 {
		return fmt.Errorf("the footer has %d bytes, and %d are here", length, len(t.tail))
	}
	var footer format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), t.tail[start:start+length], &footer); err != nil {
		return fmt.Errorf("read the footer: %w", err)
	}
	end := t.moveIndexes(&footer, start)
	written, err := thrift.Marshal(new(thrift.CompactProtocol), &footer)
	if err != nil {
		return fmt.Errorf("write the footer: %w", err)
	}
	end = append(end, written...)
	end = binary.LittleEndian.AppendUint32(end, uint32(len(written)))
	_, err = t.to.Write(append(end, t.tail[len(t.tail)-4:]...))
	return err
}

// moveIndexes returns the tail up to the footer, which starts there, with those indexes that
// stay, one behind the other: readers take the indexes of all columns for one stretch of the
// file.
func (t *tailHolder) moveIndexes(footer *format.FileMetaData, start int64) []byte {
	if len(footer.RowGroups) > 0 {
		start = footer.RowGroups[0].Columns[0].ColumnIndexOffset - t.passed
	}
	end := append(make([]byte, 0, len(t.tail)), t.tail[:start]...)
	move := func(offset *int64, length int32) {
		at := *offset - t.passed
		*offset = t.passed + int64(len(end))
		end = append(end, t.tail[at:at+int64(length)]...)
	}
	for _, group := range footer.RowGroups {
		for number := range group.Columns {
			column := &group.Columns[number]
			if slices.Contains(t.without, number) {
				column.ColumnIndexOffset, column.ColumnIndexLength = 0, 0
				continue
			}
			move(&column.ColumnIndexOffset, column.ColumnIndexLength)
		}
	}
	for _, group := range footer.RowGroups {
		for number := range group.Columns {
			column := &group.Columns[number]
			move(&column.OffsetIndexOffset, column.OffsetIndexLength)
		}
	}
	return end
}
