package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// Values that look alike, and containers of more than two: each is written as what it is.
func TestValuesOfAvro(t *testing.T) {
	t.Parallel()
	four := func(f float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)) }
	eight := func(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }
	entry := func(key byte, value byte) []byte { return []byte{2, key, value} }
	l := NewLog()
	for n, c := range []struct {
		schema string
		data   []byte
		want   string
	}{
		{`{"type":"array","items":"int"}`, []byte{6, 2, 4, 6, 0}, `[1,2,3]`},
		{`{"type":"map","values":"int"}`, append(slices.Concat([]byte{8}, entry('d', 8), entry('b', 4), entry('c', 6), entry('a', 2)), 0), `{"a":1,"b":2,"c":3,"d":4}`},
		{`"float"`, four(0.1), `0.1`},
		{`"double"`, eight(0.1), `0.1`},
		{`"double"`, eight(math.Inf(1)), `"Infinity"`},
		{`"double"`, eight(math.Inf(-1)), `"-Infinity"`},
		{`"float"`, four(float32(math.Inf(-1))), `"-Infinity"`},
		{`"string"`, []byte{10, '<', '&', '>', '"', 'a'}, `"<&>\"a"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, []byte{1}, `"1969-12-31T23:59:59.999Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, []byte{1}, `"1969-12-31T23:59:59.999999Z"`},
		{`{"type":"long","logicalType":"local-timestamp-millis"}`, []byte{1}, `"1969-12-31T23:59:59.999"`},
	} {
		id := n + 1
		addVersion(l, fmt.Sprint("s", id), 1, id, Avro, c.schema, "")
		if decoded := decodeOne(t, l, headed(id, c.data...)); string(decoded.JSON) != c.want {
			t.Errorf("%s: %s, %q; want %s", c.schema, decoded.JSON, decoded.Reason, c.want)
		}
	}
}

// A schema may refer to several, in any order, which refer to others; and to none in a circle,
// however long. The tombstone of a version may be a null.
func TestSchemasThatReferToSeveral(t *testing.T) {
	t.Parallel()
	refers := func(names ...string) string {
		var all []string
		for _, name := range names {
			all = append(all, fmt.Sprintf(`{"name":%q,"subject":%q,"version":1}`, name, name))
		}
		return strings.Join(all, ",")
	}
	l := NewLog()
	addVersion(l, "A", 1, 1, Avro, `{"type":"enum","name":"A","symbols":["a"]}`, "")
	addVersion(l, "B", 1, 2, Avro, `{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}`, refers("A"))
	addVersion(l, "C", 1, 3, Avro, `{"type":"record","name":"C","fields":[{"name":"b","type":"B"},{"name":"a","type":"A"}]}`, refers("B", "A"))
	addVersion(l, "D", 1, 4, Avro, `{"type":"record","name":"D","fields":[{"name":"c","type":"C"},{"name":"b","type":"B"},{"name":"a","type":"A"}]}`, refers("C", "B", "A"))
	addVersion(l, "E", 1, 5, Avro, `{"type":"record","name":"E","fields":[{"name":"a","type":"A"},{"name":"b","type":"B"},{"name":"c","type":"C"}]}`, refers("A", "B", "C"))
	addVersion(l, "x", 1, 6, Avro, `"int"`, refers("y"))
	addVersion(l, "y", 1, 7, Avro, `"int"`, refers("z"))
	addVersion(l, "z", 1, 8, Avro, `"int"`, refers("y"))
	addVersion(l, "p1", 1, 9, Protobuf, `syntax = "proto3"; message One { int32 n = 1; }`, "")
	addVersion(l, "p2", 1, 10, Protobuf, `syntax = "proto3"; message Two { string s = 1; }`, "")
	addVersion(l, "p3", 1, 11, Protobuf, `syntax = "proto3"; import "p1"; import "p2"; message M { One one = 1; Two two = 2; }`, refers("p1", "p2"))
	for id, c := range map[int]struct {
		data []byte
		want string
	}{
		4: {[]byte{0, 0, 0, 0}, `{"c":{"b":{"a":"a"},"a":"a"},"b":{"a":"a"},"a":"a"}`},
		5: {[]byte{0, 0, 0, 0}, `{"a":"a","b":{"a":"a"},"c":{"b":{"a":"a"},"a":"a"}}`},
		6: {[]byte{0}, "refers to itself"}, 8: {[]byte{0}, "refers to itself"},
		11: {[]byte{0, 0x0a, 2, 8, 5, 0x12, 3, 0x0a, 1, 'x'}, `{"one":{"n":5},"two":{"s":"x"}}`},
	} {
		decoded := decodeOne(t, l, headed(id, c.data...))
		got := strings.ReplaceAll(string(decoded.JSON), " ", "")
		if got != c.want && (decoded.JSON != nil || !strings.Contains(decoded.Reason, c.want)) {
			t.Errorf("%d: %s, %q; want %s", id, decoded.JSON, decoded.Reason, c.want)
		}
	}
	for _, tombstone := range []string{"", "null"} {
		l := NewLog()
		addVersion(l, "s", 1, 1, Avro, `"int"`, "")
		addVersion(l, "s", 2, 300, Avro, `"long"`, "")
		l.Add([]byte(`{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}`), []byte(tombstone))
		if newest, err := Find(t.Context(), l, "s"); err != nil || newest.ID != 1 {
			t.Errorf("behind the tombstone %q: %+v, %v", tombstone, newest, err)
		}
		if found, err := Find(t.Context(), l, "300"); err != nil || found.ID != 300 {
			t.Errorf("by its ID: %+v, %v", found, err)
		}
	}
}
