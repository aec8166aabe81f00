package schema

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// headed is data behind the header of a schema.
func headed(id int, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), payload...)
}

func addVersion(l *Log, subject string, version, id int, kind Type, text, references string) {
	l.Add(fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":%q,"version":%d,"magic":1}`, subject, version),
		fmt.Appendf(nil, `{"subject":%q,"version":%d,"id":%d,"schemaType":%q,"references":[%s],"schema":%q,"deleted":false}`, subject, version, id, kind, references, text))
}

func decodeOne(t *testing.T, source Source, data []byte) Decoded {
	t.Helper()
	decoded, err := NewDecoder(source).Decode(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// What does not begin as serializers begin stays what it is, and says nothing.
func TestDataWithoutAHeader(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{nil, {}, {0}, {0, 0, 0, 0}, {1, 0, 0, 0, 1, 2}, []byte("text"), []byte(`{"a":1}`)} {
		if decoded := decodeOne(t, NewLog(), data); decoded.HasHeader || decoded.JSON != nil || decoded.Reason != "" {
			t.Errorf("%q: %+v", data, decoded)
		}
	}
}

// The registry's topic: compacted, with settings, deletions, contexts and versions
// that have been another schema once.
func TestLog(t *testing.T) {
	t.Parallel()
	l := NewLog()
	l.Add([]byte(`{"keytype":"NOOP","magic":0}`), nil)
	l.Add([]byte(`{"keytype":"CONFIG","subject":null,"magic":0}`), []byte(`{"compatibilityLevel":"NONE"}`))
	addVersion(l, "a", 1, 1, Avro, `"int"`, "")
	addVersion(l, "b", 1, 1, Avro, `"int"`, "") // the same schema of another subject
	l.Add([]byte(`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`), []byte(`{"subject":"a","version":1,"id":1,"schema":"\"int\"","deleted":true}`))
	l.Add([]byte(`{"keytype":"DELETE_SUBJECT","subject":"b","magic":0}`), []byte(`{"subject":"b","version":1}`))
	l.Add([]byte(`{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}`), nil)
	addVersion(l, ":.other:a", 1, 1, Avro, `"string"`, "") // IDs of another context
	addVersion(l, ":.other:b", 1, 5, Avro, `"string"`, "")
	addVersion(l, ":.one:c", 1, 6, Avro, `"string"`, "")
	addVersion(l, ":.two:c", 1, 6, Avro, `"int"`, "")
	addVersion(l, "twice", 1, 7, Avro, `"int"`, "")
	addVersion(l, "twice", 2, 7, Avro, `"long"`, "")

	common := `{"name":"X","subject":"common","version":1}`
	addVersion(l, "common", 1, 8, Avro, `{"type":"enum","name":"X","symbols":["OLD"]}`, "")
	addVersion(l, "uses", 1, 9, Avro, `{"type":"array","items":"X"}`, common)
	addVersion(l, "common", 1, 10, Avro, `{"type":"enum","name":"X","symbols":["NEW"]}`, "") // after somebody deleted it
	addVersion(l, "uses", 2, 11, Avro, `{"type":"map","values":"X"}`, common)
	addVersion(l, "newest", 1, 12, Avro, `{"type":"map","values":"X"}`, `{"name":"X","subject":"common","version":-1}`)
	addVersion(l, "misses", 1, 13, Avro, `"int"`, `{"name":"X","subject":"nobody","version":1}`)
	addVersion(l, ":.one:uses", 1, 14, Avro, `{"type":"array","items":"X"}`, common) // "common" of that context
	addVersion(l, "self", 1, 15, Avro, `"int"`, `{"name":"X","subject":"self","version":1}`)
	addVersion(l, "odd", 1, 16, "THRIFT", `struct`, "")
	l.Add([]byte("{"), []byte("{}"))

	for _, c := range []struct {
		data []byte
		want string
	}{
		{headed(1, 2), "1"},
		{headed(5, 2, 'x'), `"x"`},
		{headed(6, 2, 'x'), "2 contexts"},
		{headed(7, 2), "the ID stands for two schemas"},
		{headed(9, 2, 0, 0), `["OLD"]`},
		{headed(11, 2, 2, 'k', 0, 0), `{"k":"NEW"}`},
		{headed(12, 2, 2, 'k', 0, 0), `{"k":"NEW"}`},
		{headed(13, 2), "version 1 of nobody"},
		{headed(14, 2), "version 1 of :.one:common"},
		{headed(15, 2), "refers to itself"},
		{headed(16, 2), `its type is "THRIFT"`},
		{headed(99, 2), "none of this ID, and 1 records that are no JSON"},
		{headed(1), "does not fit"},
		{headed(1, 2, 2), "1 of 2 bytes are left over"},
		{headed(5, 2, 0xff), "a string is not UTF-8"},
		{headed(5, 0xff, 0xff, 0xff, 0xff, 0x0f), "does not fit"},
	} {
		decoded := decodeOne(t, l, c.data)
		if string(decoded.JSON) != c.want && (decoded.JSON != nil || !strings.Contains(decoded.Reason, c.want)) {
			t.Errorf("%x: %s, %q; want %s", c.data, decoded.JSON, decoded.Reason, c.want)
		}
	}
}

func TestProtobufThatDoesNotFit(t *testing.T) {
	t.Parallel()
	const text = `syntax = "proto3"; import "confluent/meta.proto"; import "confluent/type/decimal.proto";
message A { option (confluent.message_meta).doc = "x"; confluent.type.Decimal d = 1; }
message B { map<string, string> m = 1; message C { string s = 1; } message D { int32 n = 2; } C c = 2; }`
	l := NewLog()
	addVersion(l, "p", 1, 1, Protobuf, text, "")
	addVersion(l, "q", 1, 2, Protobuf, `syntax = "proto3"; import "missing.proto"; message A {}`, "")
	addVersion(l, "r", 1, 3, Protobuf, `message {`, "")
	addVersion(l, "s", 1, 4, Protobuf, `syntax = "proto3"; message A {}`, `{"name":"p","subject":"v","version":1}`)
	addVersion(l, "v", 1, 5, Avro, `"int"`, "")
	for _, c := range []struct {
		data []byte
		want string
	}{
		{headed(1, 0, 0x0a, 0x02, 0x10, 0x03), `{"d":{"precision":3}}`},
		{headed(1, 4, 2, 0, 0x0a, 1, 'x'), `{"s":"x"}`}, // as Java counts
		{headed(1, 4, 2, 2, 0x0a, 1, 'x'), `{"s":"x"}`}, // as Python counts
		{headed(1, 4, 2, 2, 0x10, 5), `{"n":5}`},
		{headed(1, 4, 2, 4, 0x10, 5), `{"n":5}`},
		{headed(1, 2, 8), "no message [4]"},
		{headed(1), "cut or damaged"},
		{headed(1, 200, 1), "cut or damaged"},
		{headed(1, 1), "cut or damaged"},
		{headed(1, 4, 2, 0, 0x0a, 1, 0xff), "UTF-8"},
		{headed(2, 0), "none of its references is called missing.proto"},
		{headed(3, 0), "cannot be used"},
		{headed(4, 0), "p, which it imports, is of type AVRO"},
	} {
		decoded := decodeOne(t, l, c.data)
		if string(decoded.JSON) != c.want && (decoded.JSON != nil || !strings.Contains(decoded.Reason, c.want)) {
			t.Errorf("%x: %s, %q; want %s", c.data, decoded.JSON, decoded.Reason, c.want)
		}
	}
}

func TestJSONSchema(t *testing.T) {
	t.Parallel()
	l := NewLog()
	addVersion(l, "j", 1, 1, JSON, `{"type":"object","required":["n"],"properties":{"n":{"$ref":"number.json"}}}`, `{"name":"number.json","subject":"n","version":1}`)
	addVersion(l, "n", 1, 2, JSON, `{"type":"number"}`, "")
	addVersion(l, "n", 1, 2, JSON, `{"type":"number"}`, "")
	addVersion(l, "m", 1, 3, JSON, `{"$ref":"https://example.com/other.json"}`, "")
	addVersion(l, "j", 1, 4, JSON, `{"type":"object","required":["n"],"properties":{"n":{"$ref":"number.json"}}}`, `{"name":"number.json","subject":"n","version":1}`)
	for _, c := range []struct {
		data []byte
		want string
	}{
		{headed(4, []byte(` { "n": 12345678901234567890.10, "x" : "<é>" } `)...), `{"n":12345678901234567890.10,"x":"<é>"}`},
		{headed(4, []byte(`{"n":"1"}`)...), "does not fit"},
		{headed(4, []byte(`{}`)...), "does not fit"},
		{headed(4, []byte(`{"n":1} 2`)...), "it is no JSON"},
		{headed(4), "it is no JSON"},
		{headed(1, []byte(`{"n":1}`)...), `{"n":1}`}, // what it refers to came later: compaction moved it
		{headed(3, []byte(`1`)...), "none of its references is called so"},
	} {
		decoded := decodeOne(t, l, c.data)
		if string(decoded.JSON) != c.want && (decoded.JSON != nil || !strings.Contains(decoded.Reason, c.want)) {
			t.Errorf("%s: %s, %q; want %s", c.data, decoded.JSON, decoded.Reason, c.want)
		}
		if strings.ContainsRune(decoded.Reason, '\n') {
			t.Errorf("a reason of several lines: %q", decoded.Reason)
		}
	}
}

// A registry that says there is none is believed, one that says something else is not.
func TestRegistry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "me" || password != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/schemas/ids/1":
			fmt.Fprint(w, `{"schema":"{\"type\":\"array\",\"items\":\"X\"}","references":[{"name":"X","subject":"x","version":3}]}`)
		case r.URL.Path == "/subjects/x/versions/3" && r.URL.Query().Get("deleted") == "true":
			fmt.Fprint(w, `{"subject":"x","version":3,"id":2,"schema":"{\"type\":\"enum\",\"name\":\"X\",\"symbols\":[\"A\"]}"}`)
		case r.URL.Path == "/schemas/ids/3":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<html>no such page</html>`)
		}
	}))
	defer server.Close()
	source, err := NewRegistry(strings.Replace(server.URL, "://", "://me:secret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	if decoded := decodeOne(t, source, headed(1, 2, 0, 0)); string(decoded.JSON) != `["A"]` {
		t.Errorf("%+v", decoded)
	}
	if decoded := decodeOne(t, source, headed(3, 2)); !strings.Contains(decoded.Reason, "the registry has none of this ID") {
		t.Errorf("%+v", decoded)
	}
	if decoded, err := NewDecoder(source).Decode(t.Context(), headed(4, 2)); err == nil || errors.Is(err, ErrNoSchema) {
		t.Errorf("a page that is not there counts as no schema: %+v, %v", decoded, err)
	}
	if _, err := NewRegistry("ftp://me:secret@host"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("ftp: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"1.avsc": `{"type":"array","items":"Z"}`, "z.avsc": `{"type":"record","name":"Z","fields":[{"name":"y","type":"Y"}]}`,
		"a/y.avsc": `{"type":"enum","name":"Y","symbols":["A"]}`, "2.proto": `syntax = "proto3"; import "a/b.proto"; message M { B b = 1; }`,
		"a/b.proto": `syntax = "proto3"; message B { int32 n = 1; }`, "3.json": `{"$ref":"a/c.json"}`, "a/c.json": `{"type":"boolean"}`, "README": "",
		"broken.avsc": "{",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := ReadFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{
		`[{"y":"A"}]`: headed(1, 2, 0, 0), `{"b":{"n":1}}`: headed(2, 0, 0x0a, 2, 8, 1), `true`: headed(3, []byte("true")...),
	} {
		if decoded := decodeOne(t, source, data); string(decoded.JSON) != want {
			t.Errorf("%+v, want %s", decoded, want)
		}
	}
	lines := filepath.Join(dir, "log")
	long := strings.Repeat(" ", 1<<20) // a schema may be longer than what is read at a time
	for text, wrong := range map[string]string{
		"": "has no schema", "x": "line 1", "\n{\"value\":\"x\"}\n": "without a key",
		`{"key":"{\"keytype\":\"SCHEMA\",\"subject\":\"a\",\"version\":1}","value":"{\"id\":1,\"schema\":\"\\\"int\\\"\"}"}`: "",
		`{"key":"{\"keytype\":\"SCHEMA\",\"subject\":\"a\",\"version\":1}",` + long +
			`"value":"{\"id\":1,\"schema\":\"\\\"int\\\"\"}"}`: "",
	} {
		if err := os.WriteFile(lines, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := ReadFiles(lines)
		if wrong != "" {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%q: %v, want %s", text, err, wrong)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if decoded := decodeOne(t, source, headed(1, 2)); string(decoded.JSON) != "1" {
			t.Errorf("%+v", decoded)
		}
	}
}

// askedOnce fails the first question.
type askedOnce struct {
	Source
	asked int
}

func (s *askedOnce) Schema(ctx context.Context, id int) (Schema, error) {
	if s.asked++; s.asked == 1 {
		return Schema{}, errors.New("no answer")
	}
	return s.Source.Schema(ctx, id)
}

// A source that gives no answer is no verdict on the schema.
func TestNoAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	l := NewLog()
	addVersion(l, "a", 1, 1, Avro, `"int"`, "")
	source := &askedOnce{Source: l}
	decoder := NewDecoder(source)
	if _, err := decoder.Decode(t.Context(), headed(1, 2)); err == nil {
		t.Error("no error")
	}
	for range 2 {
		if decoded, err := decoder.Decode(t.Context(), headed(1, 2)); err != nil || string(decoded.JSON) != "1" {
			t.Errorf("%+v, %v", decoded, err)
		}
	}
	if source.asked != 2 {
		t.Errorf("asked %d times", source.asked)
	}
}

// Whatever bytes come behind a header, there is JSON or a reason, and never both.
func TestAnyBytes(t *testing.T) {
	t.Parallel()
	l := NewLog()
	addVersion(l, "a", 1, 1, Avro, `{"type":"record","name":"R","fields":[{"name":"u","type":["null","R",{"type":"array","items":["double","string",{"type":"fixed","name":"F","size":12,"logicalType":"duration"}]}]},
		{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}},{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"o","type":{"type":"int","logicalType":"time-millis"}},{"name":"m","type":{"type":"map","values":"float"}}]}`, "")
	addVersion(l, "b", 1, 2, Protobuf, `syntax = "proto3"; import "google/protobuf/any.proto"; message M { M m = 1; google.protobuf.Any a = 2; map<string, double> d = 3; repeated string s = 4; }`, "")
	addVersion(l, "c", 1, 3, JSON, `{"type":["object","array"]}`, "")
	decoder := NewDecoder(l)
	rapid.Check(t, func(t *rapid.T) {
		data := headed(rapid.IntRange(1, 3).Draw(t, "id"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload")...)
		decoded, err := decoder.Decode(context.Background(), data)
		if err != nil {
			t.Fatal(err)
		}
		if !decoded.HasHeader || (decoded.JSON == nil) == (decoded.Reason == "") {
			t.Fatalf("%+v", decoded)
		}
		if decoded.JSON != nil && strings.HasPrefix(ordered(t, decoded.JSON), "no JSON") {
			t.Fatalf("no JSON: %s", decoded.JSON)
		}
	})
}

// ordered is JSON with its names in order and its numbers as they are.
func ordered(t interface {
	Helper()
	Fatal(...any)
}, text []byte) string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "no JSON: " + string(text)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}
