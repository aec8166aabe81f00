package schema

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// TestValuesAtTheirBounds: the last value that a column takes, and the first that it does not.
func TestValuesAtTheirBounds(t *testing.T) {
	t.Parallel()
	decimal := func(precision, scale int) string {
		return fmt.Sprintf(`{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, precision, scale)
	}
	long := func(logical string) string { return fmt.Sprintf(`{"type":"long","logicalType":%q}`, logical) }
	records := `[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"x","type":"int"}]}]`
	const most = int64(math.MaxInt64 / 1_000_000)
	for _, c := range []struct {
		writer string
		value  any
		newest string
		want   string // JSON, or the reason
	}{
		{`"bytes"`, []byte{0x80}, decimal(3, 0), `["digits -128"]`},
		{`"bytes"`, []byte{0x7f}, decimal(3, 0), `["digits 127"]`},
		{`"bytes"`, []byte{0xfc, 0x19}, decimal(3, 0), `["digits -999"]`},
		{`"bytes"`, []byte{0xfc, 0x18}, decimal(3, 0), "more than 3 digits"},
		{`"bytes"`, []byte{99}, decimal(2, 2), `["digits 99"]`},
		{`"string"`, "0000000000000000000000000000000f", `{"type":"string","logicalType":"uuid"}`, `["00000000-0000-0000-0000-00000000000f"]`},
		{`"string"`, "00000000-0000-0000-0000-00000000000", `{"type":"string","logicalType":"uuid"}`, "no UUID"},
		{`"string"`, "00000000-0000-0000-0000-00000000000ff", `{"type":"string","logicalType":"uuid"}`, "no UUID"},
		{`"string"`, "00000000-0000-0000-0000-00000000000g", `{"type":"string","logicalType":"uuid"}`, "no UUID"},
		{long("timestamp-millis"), most, long("timestamp-nanos"), fmt.Sprintf(`[%d]`, most*1_000_000)},
		{long("timestamp-millis"), -most, long("timestamp-nanos"), fmt.Sprintf(`[%d]`, -most*1_000_000)},
		{long("timestamp-millis"), most + 1, long("timestamp-nanos"), "too far away"},
		{long("timestamp-millis"), -most - 1, long("timestamp-nanos"), "too far away"},
		{records, map[string]any{"B": map[string]any{"x": 7}}, records, `[[null,[7]]]`},
		{records, map[string]any{"A": map[string]any{"x": 7}}, records, `[[[7],null]]`},
	} {
		l := NewLog()
		addVersion(l, "s", 1, 1, Avro, fieldOf(c.writer), "")
		addVersion(l, "s", 2, 2, Avro, fieldOf(c.newest), "")
		data := []byte{}
		if n, whole := c.value.(int64); whole {
			data = binary.AppendVarint(data, n)
		} else {
			data = encodeAvro(t, fieldOf(c.writer), map[string]any{"f": c.value})
		}
		got, reason := decodeNewest(t, l, "s", headed(1, data...))
		if got != c.want && (reason == "" || !strings.Contains(reason, c.want)) {
			t.Errorf("%v, %s to %s: %s %s, want %s", c.value, c.writer, c.newest, got, reason, c.want)
		}
	}
	for size, want := range map[int]ColumnKind{16: KindUUID, 15: KindBytes, 17: KindBytes} {
		if got := leafKind(&avroShape{kind: "fixed", logical: "uuid", size: size}); got != want {
			t.Errorf("a UUID of %d bytes is of kind %d, want %d", size, got, want)
		}
	}
	for scale, want := range map[int]ColumnKind{0: KindDecimal, 2: KindDecimal, 3: KindBytes, -1: KindBytes} { // no point is behind all digits
		if got := leafKind(&avroShape{kind: "bytes", logical: "decimal", precision: 2, scale: scale}); got != want {
			t.Errorf("two digits, %d of them behind the point: kind %d, want %d", scale, got, want)
		}
	}
	for fields, fits := range map[int]bool{mostColumns - 1: true, mostColumns: false} {
		var all []string
		for n := range fields {
			all = append(all, fmt.Sprintf(`{"name":"f%d","type":"int"}`, n))
		}
		if _, err := NewColumn(Schema{Type: Avro, Text: recordOf(all...)}); (err == nil) != fits {
			t.Errorf("a record of %d fields: %v", fields, err)
		}
	}
}

// TestNamesOfAvro: a name is first one of its namespace, and one with a point is whole; times of a zone end in Z
// and local ones do not, however fine they are.
func TestNamesOfAvro(t *testing.T) {
	t.Parallel()
	l := NewLog()
	for n, c := range []struct {
		schema string
		data   []byte
		want   string
	}{
		{`{"type":"record","name":"ns.R","fields":[
			{"name":"a","type":{"type":"record","name":"X","namespace":"","fields":[{"name":"p","type":"int"}]}},
			{"name":"b","type":{"type":"record","name":"X","namespace":"ns","fields":[{"name":"q","type":"int"}]}},
			{"name":"c","type":"X"}]}`, []byte{2, 4, 6}, `{"a":{"p":1},"b":{"q":2},"c":{"q":3}}`},
		{`["null",{"type":"record","name":"a.B","namespace":"ns","fields":[{"name":"p","type":"int"}]}]`, []byte{2, 2}, `{"p":1}`},
		{`["null",{"type":"record","name":"B","namespace":"ns","fields":[{"name":"p","type":"int"}]}]`, []byte{2, 2}, `{"p":1}`},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, []byte{2}, `"1970-01-01T00:00:00.000000001Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, []byte{2}, `"1970-01-01T00:00:00.000001Z"`},
		{`{"type":"long","logicalType":"local-timestamp-nanos"}`, []byte{2}, `"1970-01-01T00:00:00.000000001"`},
		{`{"type":"long","logicalType":"local-timestamp-micros"}`, []byte{2}, `"1970-01-01T00:00:00.000001"`},
	} {
		addVersion(l, fmt.Sprint("s", n), 1, n+1, Avro, c.schema, "")
		if decoded := decodeOne(t, l, headed(n+1, c.data...)); string(decoded.JSON) != c.want {
			t.Errorf("%s: %s, %q; want %s", c.schema, decoded.JSON, decoded.Reason, c.want)
		}
	}
}

// TestSubjectsOfContexts: a name that says its context keeps it, a schema is told with the name that it was found
// by, and one ID for texts of two languages is two schemas.
func TestSubjectsOfContexts(t *testing.T) {
	t.Parallel()
	l := NewLog()
	addVersion(l, ":.one:x", 1, 1, Avro, `{"type":"enum","name":"X","symbols":["ONE"]}`, "")
	addVersion(l, ":.two:x", 1, 2, Avro, `{"type":"enum","name":"X","symbols":["TWO"]}`, "")
	for id, subject := range map[int]string{10: "x", 11: ":.one:x", 12: ":.two:x"} {
		addVersion(l, ":.one:uses", id, id, Avro, `{"type":"array","items":"X"}`, fmt.Sprintf(`{"name":"X","subject":%q,"version":1}`, subject))
	}
	addVersion(l, "same", 1, 20, Avro, `"string"`, "")
	addVersion(l, "same", 2, 20, JSON, `"string"`, "")
	for id, want := range map[int]string{10: `["ONE"]`, 11: `["ONE"]`, 12: `["TWO"]`, 20: "the ID stands for two schemas, version 1 of same and version 2 of same"} {
		if decoded := decodeOne(t, l, headed(id, 2, 0, 0)); string(decoded.JSON) != want && !strings.Contains(decoded.Reason, want) {
			t.Errorf("%d: %s, %q; want %s", id, decoded.JSON, decoded.Reason, want)
		}
	}
	if v, err := Find(t.Context(), l, "uses"); err != nil || v.Subject != ":.one:uses" || v.Version != 12 || v.ID != 12 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestEachReferenceComesOnce: behind what it refers to itself, and one that was met before hides none that follows.
func TestEachReferenceComesOnce(t *testing.T) {
	t.Parallel()
	named := func(name string, inner ...Reference) Reference {
		return Reference{name, Schema{Type: Avro, References: inner}}
	}
	s := Schema{References: []Reference{named("p", named("a")), named("a"), named("q", named("b", named("a")), named("p"), named("c")), named("z")}}
	var met []string
	if err := s.eachReference(func(r Reference) error { met = append(met, r.Name); return nil }); err != nil || !slices.Equal(met, []string{"a", "p", "b", "c", "q", "z"}) {
		t.Errorf("met %q: %v", met, err)
	}
	for kind, want := range map[Type]bool{Avro: true, Protobuf: false, JSON: false} {
		other := Reference{"X", Schema{Type: kind, Text: `{"type":"enum","name":"X","symbols":["A"]}`}}
		_, err := parseAvro(Schema{Type: Avro, Text: `{"type":"array","items":"X"}`, References: []Reference{other}})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "X, which it refers to, is of type "+string(kind)) {
			t.Errorf("a reference of type %s: %v", kind, err)
		}
	}
}

// TestFilesThatReferToEachOther: in whatever order they are read; and no two files have one ID.
func TestFilesThatReferToEachOther(t *testing.T) {
	t.Parallel()
	write := func(files map[string]string) (Source, error) {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return ReadFiles(dir)
	}
	record := func(name, inner string) string {
		return fmt.Sprintf(`{"type":"record","name":%q,"fields":[{"name":"f","type":%q}]}`, name, inner)
	}
	source, err := write(map[string]string{"1.avsc": record("R", "A"), "a.avsc": record("A", "B"), "b.avsc": record("B", "C"), "c.avsc": record("C", "D"), "d.avsc": record("D", "int")})
	if err != nil {
		t.Fatal(err)
	}
	if decoded := decodeOne(t, source, headed(1, 2)); string(decoded.JSON) != `{"f":{"f":{"f":{"f":{"f":1}}}}}` {
		t.Errorf("%s, %q", decoded.JSON, decoded.Reason)
	}
	for _, twice := range [][2]string{{"1.avsc", "1.proto"}, {"1.json", "1.proto"}, {"01.json", "1.json"}, {"1.avsc", "1.json"}} {
		if _, err := write(map[string]string{twice[0]: `"int"`, twice[1]: `"int"`}); err == nil || !strings.Contains(err.Error(), "two files have the ID 1") {
			t.Errorf("%q: error %v", twice, err)
		}
	}
}

// TestMessagesOfProtobuf: where two readings fit partly, Java's counts; an index below 0 is damage; what an Any holds
// may be in any of the imports; a packed descriptor may have fields of several words in messages inside of others.
func TestMessagesOfProtobuf(t *testing.T) {
	t.Parallel()
	packed, err := proto.Marshal(&descriptorpb.FileDescriptorProto{Syntax: proto.String("proto3"), MessageType: []*descriptorpb.DescriptorProto{{
		Name: proto.String("A"), NestedType: []*descriptorpb.DescriptorProto{{Name: proto.String("B"), Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("two_words"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			{Name: proto.String("and_some_more"), Number: proto.Int32(2), Type: descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLog()
	addVersion(l, "m", 1, 1, Protobuf, `syntax = "proto3"; message B { map<string, string> m = 1; message C { string s = 1; } message D { int32 n = 2; } }`, "")
	addVersion(l, "one", 1, 2, Protobuf, `syntax = "proto3"; message One { int32 n = 1; }`, "")
	addVersion(l, "two", 1, 3, Protobuf, `syntax = "proto3"; message Two { int32 n = 1; }`, "")
	addVersion(l, "any", 1, 4, Protobuf, `syntax = "proto3"; import "google/protobuf/any.proto"; import "one"; import "two"; message M { google.protobuf.Any a = 1; One o = 2; Two t = 3; }`,
		`{"name":"one","subject":"one","version":1},{"name":"two","subject":"two","version":1}`)
	addVersion(l, "packed", 1, 5, Protobuf, base64.StdEncoding.EncodeToString(packed), "")
	anyOf := func(name string) []byte {
		inside := slices.Concat([]byte{0x0a, byte(2 + len(name))}, []byte("x/"+name), []byte{0x12, 2, 8, 5})
		return slices.Concat([]byte{0, 0x0a, byte(len(inside))}, inside)
	}
	for _, c := range []struct {
		id   int
		data []byte
		want string
	}{
		{1, []byte{4, 0, 2, 0x10, 5, 0x48, 1}, `{"n":5}`}, // D as Java counts, C as Python does
		{1, []byte{2, 1}, "the indexes of its message are cut or damaged"},
		{4, anyOf("One"), `{"a":{"@type":"x/One","n":5}}`}, {4, anyOf("Two"), `{"a":{"@type":"x/Two","n":5}}`},
		{5, []byte{4, 0, 0, 8, 7, 16, 8}, `{"two_words":7,"and_some_more":8}`},
	} {
		if decoded := decodeOne(t, l, headed(c.id, c.data...)); string(decoded.JSON) != c.want && !strings.Contains(decoded.Reason, c.want) {
			t.Errorf("%d, %x: %s, %q; want %s", c.id, c.data, decoded.JSON, decoded.Reason, c.want)
		}
	}
}

// TestReferencesOfARegistry: all of a schema are asked for, one that is not there is none for certain, whatever the
// registry does not have of it, and a circle ends.
func TestReferencesOfARegistry(t *testing.T) {
	t.Parallel()
	refers := func(name string, version int) string {
		return fmt.Sprintf(`{"name":%q,"subject":%q,"version":%d}`, name, name, version)
	}
	schemas := map[string]string{
		"/schemas/ids/1":            `{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"X\"},{\"name\":\"y\",\"type\":\"Y\"}]}","references":[` + refers("X", 1) + "," + refers("Y", 2) + `]}`,
		"/subjects/X/versions/1":    `{"subject":"X","version":1,"id":2,"schema":"{\"type\":\"enum\",\"name\":\"X\",\"symbols\":[\"A\"]}"}`,
		"/subjects/Y/versions/2":    `{"subject":"Y","version":2,"id":3,"schema":"{\"type\":\"enum\",\"name\":\"Y\",\"symbols\":[\"B\"]}"}`,
		"/schemas/ids/4":            `{"schema":"\"int\"","references":[` + refers("loop", 1) + `]}`,
		"/subjects/loop/versions/1": `{"subject":"loop","version":1,"id":5,"schema":"\"int\"","references":[` + refers("loop", 1) + `]}`,
		"/schemas/ids/40401":        `{"schema":"\"int\"","references":[` + refers("code40401", 1) + `]}`,
		"/schemas/ids/40402":        `{"schema":"\"int\"","references":[` + refers("code40402", 7) + `]}`,
		"/schemas/ids/50001":        `{"schema":"\"int\"","references":[` + refers("code50001", 1) + `]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := schemas[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			code := 40403
			for _, other := range []int{40401, 40402, 50001} {
				if strings.Contains(r.URL.Path, fmt.Sprint("code", other)) {
					code = other
				}
			}
			text = fmt.Sprintf(`{"error_code":%d,"message":"m"}`, code)
		}
		fmt.Fprint(w, text)
	}))
	defer server.Close()
	source, err := NewRegistry(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int]string{
		1: `{"x":"A","y":"B"}`, 4: "its references go on for more than 100 schemas", 99: "the registry has none of this ID",
		40401: "it refers to version 1 of code40401, which the registry does not have", 40402: "it refers to version 7 of code40402, which the registry does not have",
	} {
		if decoded := decodeOne(t, source, headed(id, 0, 0)); string(decoded.JSON) != want && !strings.Contains(decoded.Reason, want) {
			t.Errorf("%d: %s, %q; want %s", id, decoded.JSON, decoded.Reason, want)
		}
	}
	if decoded, err := NewDecoder(source).Decode(t.Context(), headed(50001, 0, 0)); err == nil {
		t.Errorf("an error of the registry counts as no schema: %+v", decoded)
	}
}

// TestSchemasOfAnArchivedTopic: of all partitions, by their keys.
func TestSchemasOfAnArchivedTopic(t *testing.T) {
	t.Parallel()
	ledger, store := bifrosttest.NewLedger(), bifrosttest.NewStore()
	reader := &readback.Reader{Catalogue: ledger, Objects: store}
	var partitions []bifrost.Progress
	for n := range 3 {
		p := bifrost.Partition{Name: "_schemas", Number: int32(n)}
		record := baldr.Record{Key: fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":"s%d","version":1,"magic":1}`, n), Value: fmt.Appendf(nil, `{"id":%d,"schema":"\"int\""}`, n+1)}
		var object bytes.Buffer
		w := baldr.NewWriter(&object, baldr.Options{})
		if err := w.WriteRecord(&record); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Close(baldr.Summary{Topic: "_schemas", Partition: int32(n), End: 1}); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint("object ", n)
		store.Put(key, object.Bytes())
		ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{End: 1}, State: bifrost.StateArchived, Facts: bifrost.Facts{Key: key, Records: 1}})
		partitions = append(partitions, bifrost.Progress{Partition: p})
	}
	log, err := ReadTopic(t.Context(), reader, partitions)
	if err != nil || log.Len() != 3 {
		t.Fatalf("%d schemas: %v", log.Len(), err)
	}
	for n := range 3 {
		if v, err := Find(t.Context(), log, fmt.Sprint("s", n)); err != nil || v.ID != n+1 {
			t.Errorf("s%d: %+v, %v", n, v, err)
		}
	}
	if _, err := ReadTopic(t.Context(), reader, nil); err == nil || !strings.Contains(err.Error(), "the archive has none") {
		t.Errorf("of no partition: %v", err)
	}
}
