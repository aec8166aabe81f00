// Rows on their way into the columns of a file.

package export

import (
	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/baldr"
)

// A batch has at most batchRows rows with batchBytes bytes together, or one that is larger. They
// are variables because tests make them small.
var (
	batchRows  = 1024
	batchBytes = 60 << 10
)

// A rowBatch collects rows column by column: a column takes many values at once much faster
// than one by one.
type rowBatch struct {
	rows    int
	columns [][]parquet.Value
	bytes   []byte // what the values refer to; it never grows, or they would refer to what it was
}

func newRowBatch(columns int) rowBatch {
	return rowBatch{columns: make([][]parquet.Value, columns), bytes: make([]byte, 0, batchBytes)}
}

func (b *rowBatch) hasRoom(size int) bool {
	return b.rows < batchRows && len(b.bytes)+size <= cap(b.bytes)
}

// addRecord adds a record. One that has no room refers to the record's own memory: the batch
// has to be written before that is used again.
//
// Columns look at the levels of values that may be null, and at nothing else but the values.
func (b *rowBatch) addRecord(partition int32, r *baldr.Record, d *Decoded) {
	b.rows++
	b.add(columnPartition, parquet.Int32Value(partition))
	b.add(columnOffset, parquet.Int64Value(r.Offset))
	timestamp := parquet.Int64Value(r.Timestamp)
	b.add(columnTimestampMS, timestamp)
	if usable(r.Timestamp) {
		timestamp.SetDefinitionLevel(1)
	} else {
		timestamp = parquet.NullValue()
	}
	b.add(columnTimestamp, timestamp)
	b.add(columnTimestampType, timestampTypes[r.TimestampType])
	b.add(columnKey, bytesOrNull(b.keep(r.Key), 0))
	b.add(columnValue, bytesOrNull(b.keep(r.Value), 0))
	b.addHeaders(r.Headers)
	if d != nil {
		for i, text := range [...][]byte{d.KeyJSON, d.KeyError, d.ValueJSON, d.ValueError} {
			b.add(columnKeyJSON+i, bytesOrNull(b.keep(text), 0))
		}
	}
}

// timestampTypes are the values of their column.
var timestampTypes = [...]parquet.Value{
	baldr.CreateTime:    parquet.ByteArrayValue([]byte(baldr.CreateTime.String())),
	baldr.LogAppendTime: parquet.ByteArrayValue([]byte(baldr.LogAppendTime.String())),
}

func (b *rowBatch) add(column int, v parquet.Value) { b.columns[column] = append(b.columns[column], v) }

// bytesOrNull is an optional value in a group that is there at the level, null for nil.
func bytesOrNull(data []byte, level int) parquet.Value {
	v := parquet.NullValue()
	if data != nil {
		v = parquet.ByteArrayValue(data)
		level++
	}
	v.SetDefinitionLevel(level)
	return v
}

func (b *rowBatch) addHeaders(headers []baldr.Header) {
	if len(headers) == 0 {
		b.add(columnHeaderKey, parquet.NullValue())
		b.add(columnHeaderValue, parquet.NullValue())
	}
	for i, h := range headers {
		key := parquet.ByteArrayValue(b.keep(h.Key))
		key.SetDefinitionLevel(1)
		value := bytesOrNull(b.keep(h.Value), 1)
		if i > 0 {
			key.SetRepetitionLevel(1)
			value.SetRepetitionLevel(1)
		}
		b.add(columnHeaderKey, key)
		b.add(columnHeaderValue, value)
	}
}

// keep copies bytes, but for nil, if there is room.
func (b *rowBatch) keep(data []byte) []byte {
	begin := len(b.bytes)
	if data == nil || len(data) > cap(b.bytes)-begin {
		return data
	}
	b.bytes = append(b.bytes, data...)
	return b.bytes[begin:]
}

func (b *rowBatch) reset() {
	b.rows, b.bytes = 0, b.bytes[:0]
	for i := range b.columns {
		b.columns[i] = b.columns[i][:0]
	}
}
