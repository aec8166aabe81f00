package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"pgregory.net/rapid"
)

// shown is a column as a test compares it: decimals and bytes as people read them.
func shown(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, x := range v {
			list = append(list, shown(x))
		}
		return list
	case []Entry:
		entries := map[string]any{}
		for _, e := range v {
			entries[e.Key] = shown(e.Value)
		}
		return entries
	case *big.Int:
		return "digits " + v.String()
	case []byte:
		return fmt.Sprintf("bytes %x", v)
	case [16]byte:
		return uuid(v)
	}
	return v
}

func encodeAvro(t *testing.T, schema string, value any) []byte {
	t.Helper()
	parsed, err := avro.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	data, err := parsed.Encode(value)
	if err != nil {
		t.Fatalf("%s, %v: %v", schema, value, err)
	}
	return data
}

func recordOf(fields ...string) string {
	return `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
}

func fieldOf(schema string) string { return recordOf(`{"name":"f","type":` + schema + `}`) }

// TestDataBecomesColumnsOfAnotherSchema: the newest schema's fields, null where the writer
// had none, and a reason instead of a value that would not be the writer's.
func TestDataBecomesColumnsOfAnotherSchema(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 5_000_000, time.UTC)
	for _, c := range []struct {
		writer string
		value  any
		newest string
		want   string // JSON, or the reason
	}{
		{`"int"`, 7, `"long"`, `[7]`}, {`"int"`, 7, `"float"`, `[7]`}, {`"int"`, 7, `"double"`, `[7]`}, {`"long"`, int64(7), `"double"`, `[7]`},
		{`"int"`, 1<<24 + 1, `"float"`, "more digits"}, {`"long"`, int64(1<<53 + 1), `"double"`, "more digits"}, {`"long"`, int64(math.MaxInt64), `"double"`, "more digits"},
		{`"float"`, float32(0.5), `"double"`, `[0.5]`}, {`"double"`, 0.5, `"float"`, "double does not become float"}, {`"long"`, int64(7), `"int"`, "long does not become int"},
		{`"double"`, 7.0, `"long"`, "does not become"}, {`"string"`, "7", `"long"`, "does not become"}, {`"boolean"`, true, `"string"`, "does not become"},
		{`"string"`, "é", `"bytes"`, `["bytes c3a9"]`}, {`"bytes"`, []byte("é"), `"string"`, `["é"]`}, {`"bytes"`, []byte{0xff}, `"string"`, "not UTF-8"},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, "B", `{"type":"enum","name":"E","symbols":["A"]}`, `["B"]`}, // as it was written
		{`{"type":"fixed","name":"F","size":2}`, []byte{1, 2}, `"bytes"`, `["bytes 0102"]`},
		{`["null","int"]`, nil, `"int"`, `[null]`}, {`["null","int"]`, 7, `"long"`, `[7]`}, {`"int"`, 7, `["null","long"]`, `[7]`},
		{`["int","string"]`, "x", `["string","long","null"]`, `[["x",null]]`}, {`["int","string"]`, 7, `["string","long","null"]`, `[[null,7]]`}, {`"boolean"`, true, `["string","long"]`, "no branch of the union takes boolean"},
		{`["string","bytes"]`, map[string]any{"bytes": []byte{0xff}}, `["string","bytes"]`, `[[null,"bytes ff"]]`},
		{`{"type":"array","items":"int"}`, []any{1, 2}, `{"type":"array","items":["null","long"]}`, `[[1,2]]`}, {`{"type":"array","items":"int"}`, []any{}, `{"type":"array","items":"int"}`, `[[]]`},
		{`{"type":"map","values":"int"}`, map[string]any{"b": 1, "a": 2}, `{"type":"map","values":"long"}`, `[{"a":2,"b":1}]`}, {`{"type":"map","values":"int"}`, map[string]any{"a": 1}, `{"type":"array","items":"int"}`, "does not become"},
		{`{"type":"map","values":"int"}`, map[string]any{"x": 1}, `{"type":"record","name":"M","fields":[{"name":"x","type":"int"}]}`, "map does not become record M"},
		// Logical types: what they count is not changed, what has none counts what the newest says.
		{`{"type":"long","logicalType":"timestamp-millis"}`, at, `{"type":"long","logicalType":"timestamp-micros"}`, `[1769860800005000]`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, at, `{"type":"long","logicalType":"timestamp-millis"}`, "does not become"},
		{`{"type":"long","logicalType":"timestamp-millis"}`, at, `"long"`, `[1769860800005]`}, {`"long"`, int64(5), `{"type":"long","logicalType":"timestamp-millis"}`, `[5]`},
		{`{"type":"int","logicalType":"date"}`, at, `{"type":"long","logicalType":"timestamp-millis"}`, "does not become"}, {`{"type":"int","logicalType":"date"}`, time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), `{"type":"int","logicalType":"date"}`, `[-1]`},
		{`"int"`, 86_400_000, `{"type":"int","logicalType":"time-millis"}`, "no time of a day"}, {`"int"`, -1, `{"type":"int","logicalType":"time-millis"}`, "no time of a day"}, {`"int"`, 86_399_999, `{"type":"int","logicalType":"time-millis"}`, `[86399999]`},
		{`{"type":"int","logicalType":"time-millis"}`, time.Second, `{"type":"long","logicalType":"time-micros"}`, `[1000000]`},
		{`"long"`, int64(math.MaxInt64), `{"type":"long","logicalType":"timestamp-millis"}`, "years 1 to 9999"}, {`"long"`, int64(-62_135_596_800_001), `{"type":"long","logicalType":"timestamp-millis"}`, "years 1 to 9999"},
		{`"long"`, int64(253_402_300_799_999), `{"type":"long","logicalType":"local-timestamp-millis"}`, `[253402300799999]`}, {`"long"`, int64(253_402_300_800_000), `{"type":"long","logicalType":"local-timestamp-millis"}`, "years 1 to 9999"},
		{`"int"`, math.MaxInt32, `{"type":"int","logicalType":"date"}`, "years 1 to 9999"}, {`"int"`, 2_932_896, `{"type":"int","logicalType":"date"}`, `[2932896]`},
		{`{"type":"string","logicalType":"uuid"}`, "00000000-0000-0000-0000-00000000000f", `{"type":"string","logicalType":"uuid"}`, `["00000000-0000-0000-0000-00000000000f"]`}, {`"string"`, "nobody", `{"type":"string","logicalType":"uuid"}`, "no UUID"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, big.NewRat(-1234, 100), `{"type":"bytes","logicalType":"decimal","precision":6,"scale":3}`, `["digits -12340"]`},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, big.NewRat(-1234, 100), `{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`, "more than 1 digits behind"},
		{`"bytes"`, []byte{0xff, 0}, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `["digits -256"]`}, {`"bytes"`, []byte{0x7f, 0xff}, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "more than 4 digits"},
		{`{"type":"bytes","logicalType":"decimal","precision":60,"scale":2}`, big.NewRat(1234, 100), `{"type":"bytes","logicalType":"decimal","precision":60,"scale":2}`, `["12.34"]`},
	} {
		l := NewLog()
		addVersion(l, "s", 1, 1, Avro, fieldOf(c.writer), "")
		addVersion(l, "s", 2, 2, Avro, fieldOf(c.newest), "")
		got, reason := decodeNewest(t, l, "s", headed(1, encodeAvro(t, fieldOf(c.writer), map[string]any{"f": c.value})...))
		if reason != "" && !strings.HasPrefix(c.want, "[") && strings.Contains(reason, c.want) && strings.Contains(reason, "field f: ") {
			continue
		}
		if got != c.want || reason != "" {
			t.Errorf("%v, %s to %s: %s %s, want %s", c.value, c.writer, c.newest, got, reason, c.want)
		}
	}
}

// TestBigDecimalsKeepTheirDigits: each value has its own number of them.
func TestBigDecimalsKeepTheirDigits(t *testing.T) {
	t.Parallel()
	const kind = `{"type":"bytes","logicalType":"big-decimal"}`
	l := NewLog()
	addVersion(l, "s", 1, 1, Avro, fieldOf(kind), "")
	data := headed(1, encodeAvro(t, fieldOf(kind), map[string]any{"f": big.NewRat(-12345, 1000)})...)
	if decoded := decodeOne(t, l, data); string(decoded.JSON) != `{"f":"-12.345"}` {
		t.Errorf("%s %s", decoded.JSON, decoded.Reason)
	}
	if got, reason := decodeNewest(t, l, "s", data); got != `["-12.345"]` {
		t.Errorf("%s %s", got, reason)
	}
}

func decodeNewest(t *testing.T, source Source, subject string, data []byte) (value, reason string) {
	t.Helper()
	v, err := Find(t.Context(), source, subject)
	if err != nil {
		t.Fatal(err)
	}
	column, err := NewColumn(v.Schema)
	if err != nil {
		t.Fatal(err)
	}
	decoded, reason, err := NewDecoder(source).DecodeInto(t.Context(), data, column)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(shown(decoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), reason
}

// TestFieldsOfOlderVersions: fields come by their names, old ones too, and what the writer
// did not write is null, whatever default the newest schema has for it.
func TestFieldsOfOlderVersions(t *testing.T) {
	t.Parallel()
	l := NewLog()
	addVersion(l, "s", 1, 1, Avro, recordOf(`{"name":"a","type":"int"}`, `{"name":"gone","type":"string"}`, `{"name":"old","type":"string"}`), "")
	addVersion(l, "s", 2, 2, Avro, recordOf(`{"name":"b","type":"string","default":"x"}`, `{"name":"new","type":"string","aliases":["older","old"]}`, `{"name":"a","type":"long"}`,
		`{"name":"r","type":["null",{"type":"record","name":"In","fields":[{"name":"x","type":"int"}]}],"default":null}`), "")
	data := encodeAvro(t, recordOf(`{"name":"a","type":"int"}`, `{"name":"gone","type":"string"}`, `{"name":"old","type":"string"}`), map[string]any{"a": 1, "gone": "g", "old": "o"})
	if got, reason := decodeNewest(t, l, "s", headed(1, data...)); got != `[null,"o",1,null]` || reason != "" {
		t.Errorf("%s %s", got, reason)
	}
	// Of a writer that has both, the field's own name counts, and then the first of its aliases.
	both := recordOf(`{"name":"old","type":"string"}`, `{"name":"older","type":"string"}`, `{"name":"a","type":"int"}`)
	addVersion(l, "s2", 1, 4, Avro, both, "")
	data = encodeAvro(t, both, map[string]any{"old": "o", "older": "oo", "a": 1})
	if got, reason := decodeNewest(t, l, "s", headed(4, data...)); got != `[null,"oo",1,null]` || reason != "" {
		t.Errorf("%s %s", got, reason)
	}
	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"tombstone": {nil, ""}, "no header": {[]byte("text"), "does not begin with the ID"}, "empty": {[]byte{}, "does not begin with the ID"},
		"cut short": {headed(1, 2), "does not fit"}, "unknown": {headed(77, 2), "none of this ID"},
	} {
		if got, reason := decodeNewest(t, l, "s", c.data); got != "null" || (reason == "") != (c.reason == "") || !strings.Contains(reason, c.reason) {
			t.Errorf("%s: %s, %q", name, got, reason)
		}
	}
	addVersion(l, "j", 1, 3, JSON, `{"type":"object"}`, "")
	if got, reason := decodeNewest(t, l, "s", headed(3, []byte(`{}`)...)); got != "null" || reason != "schema 3 is not Avro" {
		t.Errorf("JSON: %s %s", got, reason)
	}
}

func describe(c *Column) string {
	var below []string
	for _, f := range c.Fields {
		below = append(below, f.Name+" "+describe(f))
	}
	if c.Items != nil {
		below = append(below, describe(c.Items))
	}
	names := map[ColumnKind]string{KindStruct: "struct", KindList: "list", KindMap: "map", KindJSON: "json", KindLong: "long", KindText: "text", KindSymbol: "symbol",
		KindBytes: "bytes", KindDecimal: "decimal", KindUUID: "uuid", KindInt: "int", KindDate: "date", KindNanos: "nanos"}
	text := names[c.Kind]
	if len(below) > 0 {
		text += "(" + strings.Join(below, ", ") + ")"
	}
	return text
}

// TestColumnsOfSchemas: what no column can hold is JSON; what would be too many is refused.
func TestColumnsOfSchemas(t *testing.T) {
	t.Parallel()
	wide := `"long"`
	for n := range 5 { // 8 to the power of 5
		fields := []string{}
		for f := range 8 {
			inner := fmt.Sprintf(`"W%d"`, n-1)
			if n == 0 {
				inner = `"long"`
			} else if f == 0 {
				inner = wide
			}
			fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, f, inner))
		}
		wide = fmt.Sprintf(`{"type":"record","name":"W%d","fields":[%s]}`, n, strings.Join(fields, ","))
	}
	for schema, want := range map[string]string{
		`"long"`: "long",
		recordOf(`{"name":"a","type":"long"}`, `{"name":"A","type":"string"}`, `{"name":"A_2","type":"null"}`): "struct(a long, A_2 text, A_2_2 json)",
		recordOf(`{"name":"next","type":["null","R"]}`, `{"name":"all","type":{"type":"array","items":"R"}}`):  "struct(next json, all list(json))",
		recordOf(): "json", `["null"]`: "json", `["null","long"]`: "long",
		`["null",{"type":"record","name":"x.E","fields":[]},{"type":"enum","name":"y.E","symbols":["A"]},"string"]`: "struct(E json, E_2 symbol, string text)",
		fieldOf(`{"type":"map","values":{"type":"array","items":"int"}}`):                                           "struct(f map(list(int)))",
		fieldOf(`{"type":"string","logicalType":"date"}`):                                                           "struct(f text)", fieldOf(`{"type":"long","logicalType":"timestamp-nanos"}`): "struct(f nanos)",
		fieldOf(`{"type":"bytes","logicalType":"decimal","precision":39,"scale":1}`): "struct(f text)", fieldOf(`{"type":"bytes","logicalType":"decimal","precision":38,"scale":1}`): "struct(f decimal)",
		fieldOf(`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`): "struct(f uuid)", fieldOf(`{"type":"fixed","name":"U","size":12,"logicalType":"duration"}`): "struct(f text)",
		wide: "more than 5000 columns",
		strings.Repeat(`{"type":"array","items":`, 60) + `"long"` + strings.Repeat("}", 60): strings.Repeat("list(", 41) + "json" + strings.Repeat(")", 41),
	} {
		column, err := NewColumn(Schema{Type: Avro, Text: schema})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.200s: %v, want %s", schema, err, want)
			}
			continue
		}
		if got := describe(column); got != want {
			t.Errorf("%.200s: %s, want %s", schema, got, want)
		}
	}
	if _, err := NewColumn(Schema{Type: Protobuf, Text: `syntax = "proto3";`}); err == nil || !strings.Contains(err.Error(), "PROTOBUF") {
		t.Errorf("Protobuf: %v", err)
	}
}

// TestNewestOfASubject is what a registry would say, and of a deleted subject what it said last.
func TestNewestOfASubject(t *testing.T) {
	t.Parallel()
	l := NewLog()
	deleted := func(subject string, version, id int) {
		l.Add(fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":%q,"version":%d,"magic":1}`, subject, version), fmt.Appendf(nil, `{"subject":%q,"version":%d,"id":%d,"schema":"\"int\"","deleted":true}`, subject, version, id))
	}
	for version := range 3 {
		for i, subject := range []string{"plain", "soft", "hard", "gone", "again"} {
			addVersion(l, subject, version+1, 10*i+version+1, Avro, `"int"`, "")
		}
	}
	deleted("soft", 3, 13)
	deleted("soft", 1, 11)
	l.Add([]byte(`{"keytype":"SCHEMA","subject":"hard","version":3,"magic":1}`), nil)
	l.Add([]byte(`{"keytype":"DELETE_SUBJECT","subject":"gone","magic":0}`), []byte(`{"subject":"gone","version":3}`))
	l.Add([]byte(`{"keytype":"DELETE_SUBJECT","subject":"again","magic":0}`), []byte(`{"subject":"again","version":3}`))
	addVersion(l, "again", 1, 50, Avro, `"int"`, "")
	deleted("compacted", 2, 61)
	deleted("compacted", 1, 60)
	addVersion(l, ":.one:here", 1, 70, Avro, `"int"`, "")
	addVersion(l, ":.one:both", 1, 71, Avro, `"int"`, "")
	addVersion(l, ":.two:both", 1, 72, Avro, `"int"`, "")
	for subject, want := range map[string]int{"plain": 3, "soft": 12, "hard": 22, "gone": 33, "again": 50, "compacted": 61, "here": 70, ":.two:both": 72, "13": 13} {
		if v, err := Find(t.Context(), l, subject); err != nil || v.ID != want {
			t.Errorf("%s: %+v, %v; want %d", subject, v, err, want)
		}
	}
	for subject, want := range map[string]string{"both": "2 contexts", "nobody": `no subject "nobody"`, "99": "none of this ID", "": "no subject"} {
		if v, err := Find(t.Context(), l, subject); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", subject, v, err)
		}
	}
	if _, err := Find(t.Context(), directory{}, "s"); err == nil || !strings.Contains(err.Error(), "give the ID") {
		t.Errorf("files: %v", err)
	}
}

// Whatever bytes come, there is a value or a reason.
func TestAnyBytesIntoColumns(t *testing.T) {
	t.Parallel()
	l := NewLog()
	fields := func(items string) string {
		return recordOf(`{"name":"u","type":["null","R",{"type":"array","items":`+items+`},{"type":"fixed","name":"F","size":12,"logicalType":"duration"}]}`,
			`{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}}`, `{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}}`,
			`{"name":"o","type":{"type":"int","logicalType":"time-millis"}}`, `{"name":"m","type":{"type":"map","values":"float"}}`)
	}
	addVersion(l, "a", 1, 1, Avro, fields(`"string"`), "")
	addVersion(l, "a", 2, 2, Avro, fields(`["double","string"]`), "")
	v, err := Find(t.Context(), l, "a")
	if err != nil {
		t.Fatal(err)
	}
	column, err := NewColumn(v.Schema)
	if err != nil {
		t.Fatal(err)
	}
	decoder := NewDecoder(l)
	rapid.Check(t, func(t *rapid.T) {
		data := headed(rapid.IntRange(1, 2).Draw(t, "id"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload")...)
		value, reason, err := decoder.DecodeInto(context.Background(), data, column)
		if err != nil || (value == nil) == (reason == "") {
			t.Fatalf("%v, %q, %v", value, reason, err)
		}
	})
}
