// One Parquet file.

package export

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/bifrost-archive/bifrost/baldr"
)

// header and row are the schema of files; nothing is ever put into them. What time
// engines cannot read is null as timestamp and there as timestamp_ms.
type header struct {
	Key   []byte `parquet:"key"`
	Value []byte `parquet:"value,optional"`
}

type row struct {
	Partition     int32    `parquet:"partition,dict"`
	Offset        int64    `parquet:"offset,delta"`
	Timestamp     int64    `parquet:"timestamp,optional,delta,timestamp(millisecond)"`
	TimestampMS   int64    `parquet:"timestamp_ms,delta"`
	TimestampType string   `parquet:"timestamp_type,dict"`
	Key           []byte   `parquet:"key,optional"`
	Value         []byte   `parquet:"value,optional"`
	Headers       []header `parquet:"headers,list"`
}

// decodedRow is what files have when keys or values are decoded.
type decodedRow struct {
	row
	KeyJSON    string `parquet:"key_json,optional"`
	KeyError   string `parquet:"key_error,optional"`
	ValueJSON  string `parquet:"value_json,optional"`
	ValueError string `parquet:"value_error,optional"`
}

// The columns in their order.
const (
	columnPartition = iota
	columnOffset
	columnTimestamp
	columnTimestampMS
	columnTimestampType
	columnKey
	columnValue
	columnHeaderKey
	columnHeaderValue
	columnKeyJSON
	columnKeyError
	columnValueJSON
	columnValueError
)

// bloomBits is how many bits of a bloom filter a key has: one wrong answer in a hundred.
const bloomBits = 10

// pageBytes is how much of a column is compressed at once.
const pageBytes = 512 << 10

// parquetFile writes records to a file of the place.
type parquetFile struct {
	to      File
	writer  *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	name    string
	records int64
	pending int64 // bytes of records in the row group that is open

	one          [1]parquet.Value // used again for each value
	keys, values []parquet.Value  // of the headers of a record, likewise

	typed []*shredder // of the columns of schemas
}

func newParquetFile(
	ctx context.Context, place Place, name string, decoded bool, typed *typedTopic,
) (*parquetFile, error) {
	to, err := place.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("begin %s in %s: %w", name, place, err)
	}
	schema := parquet.SchemaOf(row{})
	if decoded {
		schema = parquet.SchemaOf(decodedRow{})
	}
	schema, shredders := typed.addTo(schema)
	options := []parquet.WriterOption{schema,
		parquet.PageBufferSize(pageBytes),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.BloomFilters(parquet.SplitBlockFilter(bloomBits, "key")),
		// Statistics in the headers of pages hold whole values, four times. Row groups and
		// the index of pages have those of keys and numbers, which engines use.
		parquet.DataPageStatistics(false), parquet.DeprecatedDataPageStatistics(false),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("offset"))),
		parquet.CreatedBy("bifrost", "", "")}
	for _, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...)
		if leaf.Node.Type().Kind() == parquet.ByteArray && path[0] != "key" && path[0] != "timestamp_type" {
			options = append(options, parquet.SkipPageBounds(path...))
		}
	}
	w := parquet.NewGenericWriter[any](to, options...)
	return &parquetFile{to: to, writer: w, columns: w.ColumnWriters(), name: name, typed: shredders}, nil
}

// bytesOrNull is a value of an optional column at the top.
func bytesOrNull(b []byte, column int) parquet.Value {
	if b == nil {
		return parquet.NullValue().Level(0, 0, column)
	}
	return parquet.ByteArrayValue(b).Level(0, 1, column)
}

// writeRecord takes in a record. Its memory is not kept.
func (f *parquetFile) writeRecord(partition int32, r *baldr.Record, d *Decoded, typed []typedValue) error {
	timestamp := parquet.NullValue().Level(0, 0, columnTimestamp)
	if usable(r.Timestamp) {
		timestamp = parquet.Int64Value(r.Timestamp).Level(0, 1, columnTimestamp)
	}
	values := [...]parquet.Value{
		parquet.Int32Value(partition).Level(0, 0, columnPartition),
		parquet.Int64Value(r.Offset).Level(0, 0, columnOffset),
		timestamp,
		parquet.Int64Value(r.Timestamp).Level(0, 0, columnTimestampMS),
		timestampTypes[r.TimestampType].Level(0, 0, columnTimestampType),
		bytesOrNull(r.Key, columnKey),
		bytesOrNull(r.Value, columnValue),
	}
	for column, v := range values {
		if err := f.putValue(column, v); err != nil {
			return f.failureOf(r, err)
		}
	}
	if err := f.writeHeaders(r); err != nil {
		return f.failureOf(r, err)
	}
	if d != nil {
		for i, text := range [][]byte{d.KeyJSON, d.KeyError, d.ValueJSON, d.ValueError} {
			if err := f.putValue(columnKeyJSON+i, bytesOrNull(text, columnKeyJSON+i)); err != nil {
				return f.failureOf(r, err)
			}
		}
	}
	for i, v := range typed {
		if err := f.typed[i].write(f.columns, v); err != nil {
			return f.failureOf(r, err)
		}
		f.pending += int64(v.size + bytesOfLeaf*len(f.typed[i].values))
	}
	f.records++
	f.pending += sizeOf(r, d)
	return nil
}

// timestampTypes are the values of their column.
var timestampTypes = [...]parquet.Value{
	baldr.CreateTime:    parquet.ByteArrayValue([]byte(baldr.CreateTime.String())),
	baldr.LogAppendTime: parquet.ByteArrayValue([]byte(baldr.LogAppendTime.String())),
}

func (f *parquetFile) putValue(column int, v parquet.Value) error {
	f.one[0] = v
	_, err := f.columns[column].WriteRowValues(f.one[:])
	return err
}

func (f *parquetFile) failureOf(r *baldr.Record, err error) error {
	return fmt.Errorf("write offset %d to %s: %w", r.Offset, f.name, err)
}

func (f *parquetFile) writeHeaders(r *baldr.Record) error {
	keys, values := f.keys[:0], f.values[:0]
	for i, h := range r.Headers {
		repeated := min(i, 1)
		keys = append(keys, parquet.ByteArrayValue(h.Key).Level(repeated, 1, columnHeaderKey))
		if h.Value == nil {
			values = append(values, parquet.NullValue().Level(repeated, 1, columnHeaderValue))
		} else {
			values = append(values, parquet.ByteArrayValue(h.Value).Level(repeated, 2, columnHeaderValue))
		}
	}
	if len(r.Headers) == 0 {
		keys = append(keys, parquet.NullValue().Level(0, 0, columnHeaderKey))
		values = append(values, parquet.NullValue().Level(0, 0, columnHeaderValue))
	}
	f.keys, f.values = keys, values
	if _, err := f.columns[columnHeaderKey].WriteRowValues(keys); err != nil {
		return err
	}
	_, err := f.columns[columnHeaderValue].WriteRowValues(values)
	return err
}

// endRowGroup ends the row group.
func (f *parquetFile) endRowGroup() error {
	f.pending = 0
	if err := f.writer.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// complete ends the file and makes it visible.
func (f *parquetFile) complete(ctx context.Context) error {
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	if err := f.to.Complete(ctx); err != nil {
		return fmt.Errorf("complete %s: %w", f.name, err)
	}
	return nil
}

// bytesOfLeaf is about what each record costs in each leaf of a schema, null or not.
const bytesOfLeaf = 16

func sizeOf(r *baldr.Record, d *Decoded) int64 {
	size := len(r.Key) + len(r.Value) + 64
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	if d != nil {
		size += len(d.KeyJSON) + len(d.ValueJSON)
	}
	return int64(size)
}
