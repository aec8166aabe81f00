// One Parquet file.

package export

import (
	"context"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
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

// pageBytes is when a page of a column ends. A match cannot refer to another page, so smaller
// ones would make files larger.
const pageBytes = 512 << 10

// codec is of all columns but values, and of all files, since it keeps its encoders.
var codec = roomyCodec{&zstd.Codec{Level: zstd.SpeedFastest}}

// roomyCodec compresses into memory that is large enough from the beginning. Memory that grows
// on the way is there several times over when a record is large.
type roomyCodec struct{ *zstd.Codec }

// Encode implements compress.Codec.
func (c roomyCodec) Encode(dst, src []byte) ([]byte, error) {
	return c.Codec.Encode(roomFor(dst, src), src)
}

// roomFor is dst, empty, with room for what src may be compressed to.
func roomFor(dst, src []byte) []byte { return slices.Grow(dst[:0], len(src)+len(src)>>10+64) }

// parquetFile writes records to a file of the place.
type parquetFile struct {
	to      File
	tail    *tailHolder
	writer  *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	name    string
	records int64
	pending int64 // bytes of records in the row group that is open

	batch  rowBatch
	values *valueCodec
	typed  []*shredder // of the columns of schemas
}

func newParquetFile(
	ctx context.Context, place Place, name string, decoded bool, typed typedTopic,
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
	values := &valueCodec{Codec: codec}
	schema = withValueCodec(schema, values)
	options := []parquet.WriterOption{schema,
		parquet.PageBufferSize(pageBytes),
		parquet.Compression(codec),
		parquet.BloomFilters(parquet.SplitBlockFilter(bloomBits, "key")),
		// Statistics in the headers of pages hold whole values, four times. Row groups and
		// the index of pages have those of keys and numbers, which engines use.
		parquet.DataPageStatistics(false), parquet.DeprecatedDataPageStatistics(false),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("offset"))),
		parquet.CreatedBy("bifrost", "", "")}
	tail := &tailHolder{to: to, without: columnsWithoutBounds(schema)}
	for _, number := range tail.without {
		options = append(options, parquet.SkipPageBounds(schema.Columns()[number]...))
	}
	w := parquet.NewGenericWriter[any](tail, options...)
	own := columnValueError + 1
	if !decoded {
		own = columnKeyJSON
	}
	return &parquetFile{to: to, tail: tail, writer: w, columns: w.ColumnWriters(), name: name,
		batch: newRowBatch(own), values: values, typed: shredders}, nil
}

// withValueCodec lets a codec compress the values.
func withValueCodec(s *parquet.Schema, codec compress.Codec) *parquet.Schema {
	fields := slices.Clone(s.Fields())
	for i, f := range fields {
		if f.Name() == "value" {
			fields[i] = field{parquet.Compressed(f, codec), f.Name()}
		}
	}
	return parquet.NewSchema(s.Name(), group{fields: fields})
}

// writeRecord takes in a record. Its memory is not kept.
func (f *parquetFile) writeRecord(partition int32, r *baldr.Record, d *Decoded, typed []typedValue) error {
	size := sizeOf(r, d)
	if !f.batch.hasRoom(size) {
		if err := f.writeBatch(); err != nil {
			return err
		}
	}
	if r.Value != nil {
		f.values.addValue(r)
	}
	f.batch.addRecord(partition, r, d)
	if size > batchBytes { // the batch refers to the record's own memory
		if err := f.writeBatch(); err != nil {
			return err
		}
	}
	for i, v := range typed {
		if err := f.typed[i].write(f.columns, v); err != nil {
			return fmt.Errorf("write offset %d to %s: %w", r.Offset, f.name, err)
		}
		f.pending += int64(v.size + bytesOfLeaf*len(f.typed[i].values))
	}
	f.records++
	f.pending += int64(size)
	return nil
}

// writeBatch gives the rows that are collected to the columns.
func (f *parquetFile) writeBatch() error {
	if f.batch.rows == 0 {
		return nil
	}
	for i, values := range f.batch.columns {
		if _, err := f.columns[i].WriteRowValues(values); err != nil {
			return fmt.Errorf("write %d records to %s: %w", f.batch.rows, f.name, err)
		}
	}
	f.batch.reset()
	return nil
}

// endRowGroup ends the row group.
func (f *parquetFile) endRowGroup() error {
	if err := f.writeBatch(); err != nil {
		return err
	}
	f.pending = 0
	if err := f.writer.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// end writes what is left of the file. After it the file takes no memory.
func (f *parquetFile) end() error {
	if err := f.endRowGroup(); err != nil {
		return err
	}
	f.tail.keeps = true
	err := f.writer.Close()
	if err == nil {
		err = f.tail.passTail()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	f.tail, f.writer, f.columns, f.values, f.typed, f.batch = nil, nil, nil, nil, nil, rowBatch{}
	return nil
}

// complete makes the file visible, after end.
func (f *parquetFile) complete(ctx context.Context) error {
	if err := f.to.Complete(ctx); err != nil {
		return fmt.Errorf("complete %s: %w", f.name, err)
	}
	return nil
}

// bytesOfLeaf is about what each record costs in each leaf of a schema, null or not.
const bytesOfLeaf = 16

// bytesOfHeader is what the two values of a header take beside what they hold.
const bytesOfHeader = 48

// bytesOfRow is about what a row takes beside keys, values and headers.
const bytesOfRow = 64

// sizeOf is about what a record takes in memory, and no less than its bytes.
func sizeOf(r *baldr.Record, d *Decoded) int {
	size := len(r.Key) + len(r.Value) + bytesOfRow
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value) + bytesOfHeader
	}
	if d != nil {
		size += len(d.KeyJSON) + len(d.KeyError) + len(d.ValueJSON) + len(d.ValueError)
	}
	return size
}
