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

// boundless are the columns of a schema, by their number, that have no least and largest
// values. Those of text and bytes would be as long as the values. Of other types the library
// compares what has a fixed length as bytes without a sign, which decimals are not, and has
// no place for a page of nulls in their index.
func boundless(s *parquet.Schema) (numbers []int, paths [][]string) {
	for number, path := range s.Columns() {
		leaf, _ := s.Lookup(path...)
		switch kind := leaf.Node.Type().Kind(); {
		case kind == parquet.FixedLenByteArray,
			kind == parquet.ByteArray && path[0] != "key" && path[0] != "timestamp_type":
			numbers, paths = append(numbers, number), append(paths, path)
		}
	}
	return numbers, paths
}

// tailHolder passes on what is written, until it keeps the rest.
type tailHolder struct {
	to     io.Writer
	passed int64 // bytes
	keeps  bool
	tail   []byte
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

// passTail passes the rest on without the index of pages of some columns. The library
// writes one for each: for those without bounds one by which all values are empty, and
// readers that go by it find no other one. A missing index says nothing, as missing
// statistics do (PageIndex.md of the Parquet format).
func (t *tailHolder) passTail(without []int) error {
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
	end := t.moveIndexes(&footer, without)
	moved := len(end)
	end, err := appendFooter(end, &footer)
	if err != nil {
		return fmt.Errorf("write the footer: %w", err)
	}
	end = binary.LittleEndian.AppendUint32(end, uint32(len(end)-moved))
	_, err = t.to.Write(append(end, t.tail[len(t.tail)-4:]...))
	return err
}

func appendFooter(to []byte, footer *format.FileMetaData) ([]byte, error) {
	written, err := thrift.Marshal(new(thrift.CompactProtocol), footer)
	return append(to, written...), err
}

// moveIndexes returns the tail up to the footer with those indexes that stay, one behind the
// other: readers take the indexes of all columns for one stretch of the file.
func (t *tailHolder) moveIndexes(footer *format.FileMetaData, without []int) []byte {
	if len(footer.RowGroups) == 0 {
		return nil
	}
	kept := t.tail[:footer.RowGroups[0].Columns[0].ColumnIndexOffset-t.passed]
	end := append(make([]byte, 0, len(t.tail)), kept...)
	move := func(offset *int64, length int32) {
		at := *offset - t.passed
		*offset = t.passed + int64(len(end))
		end = append(end, t.tail[at:at+int64(length)]...)
	}
	for _, group := range footer.RowGroups {
		for number := range group.Columns {
			column := &group.Columns[number]
			if slices.Contains(without, number) {
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
