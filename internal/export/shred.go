// The columns of a schema in a Parquet file.

package export

import (
	"math/big"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/internal/schema"
)

// group is a Parquet group with its fields in their order; the library's own sorts them.
type group struct {
	parquet.Group
	fields []parquet.Field
}

// Fields implements parquet.Node.
func (g group) Fields() []parquet.Field { return g.fields }

// GoType implements parquet.Node: nothing of Go is ever put into a file.
func (g group) GoType() reflect.Type { return reflect.TypeFor[struct{}]() }

type field struct {
	parquet.Node
	name string
}

// Name implements parquet.Field.
func (f field) Name() string { return f.name }

// Value implements parquet.Field: nothing of Go is ever put into a file.
func (f field) Value(reflect.Value) reflect.Value { return reflect.Value{} }

// addTo adds the columns of the topic's schemas, with one for the reason of each that is
// missing.
func (t typedTopic) addTo(s *parquet.Schema) (*parquet.Schema, []*shredder) {
	if len(t) == 0 {
		return s, nil
	}
	fields := s.Fields()
	leaves := leafCounter(len(s.Columns()))
	var shredders []*shredder
	for _, side := range t {
		fields = append(fields[:len(fields):len(fields)],
			field{nodeOf(side.column), side.name},
			field{parquet.Optional(parquet.String()), side.name + "_error"})
		first := int(leaves)
		root := leaves.place(side.column, 0)
		values := make([][]parquet.Value, leaves.next()-first)
		shredders = append(shredders, &shredder{root: root, first: first, values: values})
	}
	return parquet.NewSchema(s.Name(), group{fields: fields}), shredders
}

// leaves is how many columns of a file have what is in those of the schemas.
func (t typedTopic) leaves() int64 {
	var all leafCounter
	for _, side := range t {
		all.place(side.column, 0)
	}
	return int64(all)
}

// nodeOf is the node of a column, which is optional.
func nodeOf(c *schema.Column) parquet.Node {
	switch c.Kind {
	case schema.KindStruct:
		g := group{}
		for _, f := range c.Fields {
			g.fields = append(g.fields, field{nodeOf(f), f.Name})
		}
		return parquet.Optional(g)
	case schema.KindList:
		return parquet.Optional(parquet.List(nodeOf(c.Items)))
	case schema.KindMap:
		return parquet.Optional(parquet.Map(parquet.String(), nodeOf(c.Items)))
	case schema.KindDecimal:
		return parquet.Optional(decimalNode(c))
	}
	return parquet.Optional(leafNodes[c.Kind])
}

var leafNodes = map[schema.ColumnKind]parquet.Node{
	schema.KindBoolean:     parquet.Leaf(parquet.BooleanType),
	schema.KindInt:         parquet.Leaf(parquet.Int32Type),
	schema.KindLong:        parquet.Leaf(parquet.Int64Type),
	schema.KindFloat:       parquet.Leaf(parquet.FloatType),
	schema.KindDouble:      parquet.Leaf(parquet.DoubleType),
	schema.KindBytes:       parquet.Leaf(parquet.ByteArrayType),
	schema.KindText:        parquet.String(),
	schema.KindSymbol:      parquet.Encoded(parquet.String(), &parquet.RLEDictionary),
	schema.KindJSON:        parquet.String(),
	schema.KindUUID:        parquet.UUID(),
	schema.KindDate:        parquet.Date(),
	schema.KindTimeMillis:  parquet.TimeAdjusted(parquet.Millisecond, false),
	schema.KindTimeMicros:  parquet.TimeAdjusted(parquet.Microsecond, false),
	schema.KindMillis:      parquet.TimestampAdjusted(parquet.Millisecond, true),
	schema.KindMicros:      parquet.TimestampAdjusted(parquet.Microsecond, true),
	schema.KindNanos:       parquet.TimestampAdjusted(parquet.Nanosecond, true),
	schema.KindLocalMillis: parquet.TimestampAdjusted(parquet.Millisecond, false),
	schema.KindLocalMicros: parquet.TimestampAdjusted(parquet.Microsecond, false),
	schema.KindLocalNanos:  parquet.TimestampAdjusted(parquet.Nanosecond, false),
}

// How many digits of a decimal an integer of 32 or 64 bits holds, and how many bytes those
// have that are larger.
const (
	digitsOf32   = 9
	digitsOf64   = 18
	decimalBytes = 16
)

func decimalNode(c *schema.Column) parquet.Node {
	stored := parquet.FixedLenByteArrayType(decimalBytes)
	if c.Precision <= digitsOf32 {
		stored = parquet.Int32Type
	} else if c.Precision <= digitsOf64 {
		stored = parquet.Int64Type
	}
	return parquet.Decimal(c.Scale, c.Precision, stored)
}

func decimalValue(digits *big.Int, precision int) parquet.Value {
	if precision <= digitsOf32 {
		return parquet.Int32Value(int32(digits.Int64()))
	}
	if precision <= digitsOf64 {
		return parquet.Int64Value(digits.Int64())
	}
	if digits.Sign() < 0 { // as two's complement
		digits = new(big.Int).Add(digits, new(big.Int).Lsh(big.NewInt(1), 8*decimalBytes))
	}
	return parquet.FixedLenByteArrayValue(digits.FillBytes(make([]byte, decimalBytes)))
}

// leafCounter gives leaves their numbers, which are those of a file's columns.
type leafCounter int

func (l *leafCounter) next() int {
	*l++
	return int(*l) - 1
}

// A branch is a column with the leaves below it.
type branch struct {
	*schema.Column
	leaf       int // of a leaf; of the keys of a map
	repetition int // the level at which what is in a list or map repeats
	fields     []*branch
	items      *branch
}

func (l *leafCounter) place(c *schema.Column, repetition int) *branch {
	b := &branch{Column: c, repetition: repetition + 1}
	switch c.Kind {
	case schema.KindStruct:
		for _, f := range c.Fields {
			b.fields = append(b.fields, l.place(f, repetition))
		}
	case schema.KindMap:
		b.leaf = l.next()
		b.items = l.place(c.Items, repetition+1)
	case schema.KindList:
		b.items = l.place(c.Items, repetition+1)
	default:
		b.leaf = l.next()
	}
	return b
}

// A shredder writes the values of a column to its leaves, with the levels that say where
// lists begin and what is null (https://parquet.apache.org/docs/file-format/nestedencoding/).
type shredder struct {
	root   *branch
	first  int               // leaf; the one after the last is that of the reason
	values [][]parquet.Value // of one record, by the leaf
}

func (s *shredder) write(columns []*parquet.ColumnWriter, v typedValue) error {
	for i := range s.values {
		s.values[i] = s.values[i][:0]
	}
	s.put(s.root, v.value, 0, 0)
	for i, values := range s.values {
		if _, err := columns[s.first+i].WriteRowValues(values); err != nil {
			return err
		}
	}
	reason := s.first + len(s.values)
	_, err := columns[reason].WriteRowValues([]parquet.Value{bytesOrNull(v.reason, 0)})
	return err
}

func (s *shredder) putLeaf(leaf int, v parquet.Value, repeated, defined int) {
	s.values[leaf-s.first] = append(s.values[leaf-s.first], v.Level(repeated, defined, leaf))
}

// put takes in a value. What it is in is defined at a level.
func (s *shredder) put(b *branch, value any, repeated, defined int) {
	if value == nil {
		s.putNull(b, repeated, defined)
		return
	}
	defined++
	switch b.Kind {
	case schema.KindStruct:
		for i, v := range value.([]any) {
			s.put(b.fields[i], v, repeated, defined)
		}
	case schema.KindList:
		items := value.([]any)
		if len(items) == 0 {
			s.putNull(b.items, repeated, defined)
		}
		for _, v := range items {
			s.put(b.items, v, repeated, defined+1)
			repeated = b.repetition
		}
	case schema.KindMap:
		entries := value.([]schema.Entry)
		if len(entries) == 0 {
			s.putNull(b, repeated, defined)
		}
		for _, e := range entries {
			s.putLeaf(b.leaf, parquet.ByteArrayValue([]byte(e.Key)), repeated, defined+1)
			s.put(b.items, e.Value, repeated, defined+1)
			repeated = b.repetition
		}
	case schema.KindDecimal:
		s.putLeaf(b.leaf, decimalValue(value.(*big.Int), b.Precision), repeated, defined)
	default:
		s.putLeaf(b.leaf, leafValue(value), repeated, defined)
	}
}

// putNull says of each leaf below a column that there is nothing.
func (s *shredder) putNull(b *branch, repeated, defined int) {
	for _, f := range b.fields {
		s.putNull(f, repeated, defined)
	}
	if b.items != nil {
		s.putNull(b.items, repeated, defined)
	}
	if b.Kind != schema.KindStruct && b.Kind != schema.KindList {
		s.putLeaf(b.leaf, parquet.NullValue(), repeated, defined)
	}
}

func leafValue(value any) parquet.Value {
	switch v := value.(type) {
	case bool:
		return parquet.BooleanValue(v)
	case int32:
		return parquet.Int32Value(v)
	case int64:
		return parquet.Int64Value(v)
	case float32:
		return parquet.FloatValue(v)
	case float64:
		return parquet.DoubleValue(v)
	case string:
		return parquet.ByteArrayValue([]byte(v))
	case [16]byte:
		return parquet.FixedLenByteArrayValue(v[:])
	}
	return parquet.ByteArrayValue(value.([]byte))
}
