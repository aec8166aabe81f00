// The columns that an Avro schema makes.

package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ColumnKind says what a column holds, and as which Go type.
type ColumnKind int

// The kinds of columns. Times are counted from 1970-01-01 or from midnight; those of
// Local have no time zone.
const (
	KindBoolean     ColumnKind = iota // bool
	KindInt                           // int32
	KindLong                          // int64
	KindFloat                         // float32
	KindDouble                        // float64
	KindBytes                         // []byte
	KindText                          // string, in UTF-8
	KindSymbol                        // string, one of few
	KindJSON                          // string, a JSON value: what columns have no form for
	KindUUID                          // [16]byte
	KindDecimal                       // *big.Int, without the point; Precision, Scale
	KindDate                          // int32, days
	KindTimeMillis                    // int32
	KindTimeMicros                    // int64
	KindMillis                        // int64
	KindMicros                        // int64
	KindNanos                         // int64
	KindLocalMillis                   // int64
	KindLocalMicros                   // int64
	KindLocalNanos                    // int64
	KindStruct                        // []any, for each of Fields its value
	KindList                          // []any, each of them as Items says
	KindMap                           // []Entry, the values as Items says, sorted by the keys
)

// Entry is an entry of a map.
type Entry struct {
	Key   string
	Value any
}

// A Column is where the values of an Avro schema go. Each may be null.
type Column struct {
	Name      string // of a field, no two of a struct the same in whatever case
	Kind      ColumnKind
	Precision int
	Scale     int
	Fields    []*Column
	Items     *Column

	names []string   // that the field has or had
	from  *avroShape // what it was made from; nil of a union's struct
}

// What a schema may make: engines take no more, nor does Parquet.
const (
	mostColumns   = 5000
	deepestColumn = 40
)

// longestDecimal is how many digits engines have decimals of.
const longestDecimal = 38

// NewColumn returns the column of an Avro schema. Fields are as the schema has them in
// order; a union of several types is a struct with a field for each, one of which has a
// value; what refers to itself is JSON where it does, as is what no column can hold.
func NewColumn(s Schema) (*Column, error) {
	if s.Type != Avro {
		return nil, fmt.Errorf("a schema of type %s has no columns: only Avro's have", s.Type)
	}
	c, err := compileAvro(s)
	if err != nil {
		return nil, err
	}
	return (&columnMaker{}).column(c.shape, nil, 0)
}

// columnMaker counts the columns.
type columnMaker struct{ made int }

func (m *columnMaker) column(s *avroShape, above []*avroShape, depth int) (*Column, error) {
	if m.made++; m.made > mostColumns {
		return nil, fmt.Errorf("the schema makes more than %d columns", mostColumns)
	}
	c := &Column{Kind: leafKind(s), Precision: s.precision, Scale: s.scale, from: s}
	switch {
	case depth > deepestColumn || slices.Contains(above, s):
		c.Kind = KindJSON
		return c, nil
	case s.kind == "record" || s.kind == "error":
		return c, m.addFields(c, s, append(slices.Clone(above), s), depth)
	case s.kind == "union":
		return m.unionColumn(s, above, depth)
	case s.kind == "array" || s.kind == "map":
		items, err := m.column(s.items, above, depth+1)
		c.Items = items
		return c, err
	}
	return c, nil
}

func (m *columnMaker) addFields(c *Column, s *avroShape, above []*avroShape, depth int) error {
	for _, f := range s.fields {
		field, err := m.column(f.shape, above, depth+1)
		if err != nil {
			return err
		}
		field.names = append([]string{f.name}, f.aliases...)
		c.addField(f.name, field)
	}
	if len(c.Fields) == 0 {
		c.Kind = KindJSON // no struct is empty
	}
	return nil
}

// addField gives the field a name that it has alone: engines do not tell cases apart.
func (c *Column) addField(name string, field *Column) {
	field.Name = name
	for n := 2; slices.ContainsFunc(c.Fields, func(f *Column) bool { return strings.EqualFold(f.Name, field.Name) }); n++ {
		field.Name = name + "_" + strconv.Itoa(n)
	}
	c.Fields = append(c.Fields, field)
}

// unionColumn leaves null out, which every column may be.
func (m *columnMaker) unionColumn(s *avroShape, above []*avroShape, depth int) (*Column, error) {
	names := slices.DeleteFunc(slices.Clone(s.order), func(name string) bool { return s.branches[name].kind == "null" })
	switch len(names) {
	case 0:
		return &Column{Kind: KindJSON, from: s}, nil
	case 1:
		return m.column(s.branches[names[0]], above, depth)
	}
	c := &Column{Kind: KindStruct}
	for _, name := range names {
		branch, err := m.column(s.branches[name], above, depth+1)
		if err != nil {
			return nil, err
		}
		c.addField(name[strings.LastIndexByte(name, '.')+1:], branch)
	}
	return c, nil
}

// leafKind is the kind of a type's column. A logical type that does not fit the type
// below it does not count, nor does a decimal with more digits than engines have.
func leafKind(s *avroShape) ColumnKind {
	switch s.kind + " " + s.logical {
	case "int date":
		return KindDate
	case "int time-millis":
		return KindTimeMillis
	case "long time-micros":
		return KindTimeMicros
	case "long timestamp-millis":
		return KindMillis
	case "long timestamp-micros":
		return KindMicros
	case "long timestamp-nanos":
		return KindNanos
	case "long local-timestamp-millis":
		return KindLocalMillis
	case "long local-timestamp-micros":
		return KindLocalMicros
	case "long local-timestamp-nanos":
		return KindLocalNanos
	case "string uuid":
		return KindUUID
	case "bytes big-decimal":
		return KindText
	case "bytes decimal", "fixed decimal":
		return decimalKind(s)
	case "fixed uuid":
		if s.size == len([16]byte{}) {
			return KindUUID
		}
	case "fixed duration":
		if s.size == 12 {
			return KindText
		}
	}
	return plainKinds[s.kind]
}

func decimalKind(s *avroShape) ColumnKind {
	switch {
	case s.precision < 1 || s.scale < 0 || s.scale > s.precision:
		return KindBytes
	case s.precision > longestDecimal:
		return KindText
	}
	return KindDecimal
}

var plainKinds = map[string]ColumnKind{
	"null": KindJSON, "boolean": KindBoolean, "int": KindInt, "long": KindLong, "float": KindFloat, "double": KindDouble,
	"bytes": KindBytes, "fixed": KindBytes, "string": KindText, "enum": KindSymbol,
	"record": KindStruct, "error": KindStruct, "array": KindList, "map": KindMap,
}
