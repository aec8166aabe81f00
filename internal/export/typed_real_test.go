//go:build real

package export

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// readTyped prints the typed column of each record as DuckDB and as pyarrow read it, by
// the topic.
const readTyped = `
import base64, datetime, decimal, json, math, sys, uuid
import duckdb, pyarrow as pa, pyarrow.parquet as pq, glob

def plain(v, t):
    if v is None: return None
    if pa.types.is_struct(t): return {f.name: plain(v[f.name], f.type) for f in t}
    if pa.types.is_map(t): return {k: plain(x, t.item_type) for k, x in v}
    if pa.types.is_list(t): return [plain(x, t.value_type) for x in v]
    if isinstance(v, uuid.UUID): return str(v)
    if isinstance(v, bytes) and "uuid" in str(t): return str(uuid.UUID(bytes=v))
    if isinstance(v, bytes): return base64.b64encode(v).decode()
    if isinstance(v, decimal.Decimal): return format(v, "f")
    if isinstance(v, datetime.datetime): return v.replace(tzinfo=None).isoformat(timespec="microseconds") + ("Z" if v.tzinfo else "")
    if isinstance(v, datetime.time): return v.isoformat(timespec="microseconds")
    if isinstance(v, datetime.date): return v.isoformat()
    if isinstance(v, float) and math.isnan(v): return "NaN"
    if isinstance(v, float) and math.isinf(v): return "Infinity" if v > 0 else "-Infinity"
    return v

for folder in sorted(glob.glob(sys.argv[1] + "/topic=*")):
    topic, files = folder.split("topic=")[1], sorted(glob.glob(folder + "/date=*/*.parquet"))
    duck = duckdb.sql(f"""set timezone = 'UTC'; select record, record_error from read_parquet({files}) order by "offset" """).to_arrow_table()
    arrow = pa.concat_tables(pq.read_table(f, columns=["offset", "record", "record_error"]) for f in files).sort_by("offset")
    for engine, table in [("DuckDB", duck), ("pyarrow", arrow)]:
        t = table.schema.field("record").type
        rows = [[plain(v, t), e] for v, e in zip(table["record"].to_pylist(), table["record_error"].to_pylist())]
        print(json.dumps({"topic": topic, "engine": engine, "rows": rows}))
`

// TestEnginesReadTypedColumnsAsConfluentsDeserializers: what Confluent's own serializers
// wrote, with every version of each schema, as columns of the newest one.
func TestEnginesReadTypedColumnsAsConfluentsDeserializers(t *testing.T) {
	t.Parallel()
	python := localservices.PythonForTest(t)
	type line struct {
		Key, Value string // of the registry's topic
		Name       string // of a case
		Data       []byte
		Want       any
	}
	l := schema.NewLog()
	archives, want := map[string]*archived{}, map[string][]any{}
	records := map[string][]baldr.Record{}
	for _, text := range linesOf(t, python, "../schema/testdata/confluent.py") {
		var c line
		decode(t, text, &c)
		topic, isAvro := strings.CutPrefix(c.Name, "avro ")
		if c.Key != "" {
			l.Add([]byte(c.Key), []byte(c.Value))
		} else if isAvro {
			records[topic] = append(records[topic], baldr.Record{Value: c.Data})
			want[topic] = append(want[topic], c.Want)
		}
	}
	lake := filepath.Join(t.TempDir(), "lake")
	for topic, of := range records {
		a := newArchived()
		a.topic = topic
		a.add(of...)
		archives[topic] = a
		place, err := InDirectory(lake)
		if err != nil {
			t.Fatal(err)
		}
		e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1, Typed: TopicSubject}, Typing: typing(l)}
		if err := e.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Export(t.Context(), &Summary{}, Part{a.partition(), readback.Everything}); err != nil {
			t.Fatal(err)
		}
	}
	read := 0
	for _, text := range linesOf(t, python, "-c", readTyped, lake) {
		var got struct {
			Topic, Engine string
			Rows          [][2]any
		}
		decode(t, text, &got)
		if len(got.Rows) != len(want[got.Topic]) {
			t.Fatalf("%s reads %d records of %s, want %d", got.Engine, len(got.Rows), got.Topic, len(want[got.Topic]))
		}
		for i, w := range want[got.Topic] {
			if row := got.Rows[i]; row[1] != nil || !sameTyped(row[0], w) {
				t.Errorf("%s reads from %s %v, %v, the deserializer %v", got.Engine, got.Topic, row[0], row[1], w)
			}
			read++
		}
	}
	if read < 50 {
		t.Errorf("%d values were compared", read)
	}
}

func linesOf(t *testing.T, program string, args ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problem.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// zeros are those at the end of a time, of which columns have three or six.
var zeros = regexp.MustCompile(`(:\d\d(\.\d*[1-9])?)\.?0+(Z?)$`)

// sameTyped compares what an engine reads with what a deserializer returns: fields that
// the writer did not have are null, a union is a struct with one value, and what no column
// can hold is JSON.
func sameTyped(got, want any) bool {
	switch got := got.(type) {
	case map[string]any:
		fields, ok := want.(map[string]any)
		for name := range fields {
			if _, known := got[name]; !known {
				ok = false
			}
		}
		if !ok {
			return sameBranch(got, want)
		}
		for name, v := range got {
			if !sameTyped(v, fields[name]) {
				return false
			}
		}
		return true
	case []any:
		list, ok := want.([]any)
		if !ok || len(list) != len(got) {
			return false
		}
		for i := range got {
			if !sameTyped(got[i], list[i]) {
				return false
			}
		}
		return true
	case string:
		text, ok := want.(string)
		if !ok {
			var value any
			decoder := json.NewDecoder(strings.NewReader(got))
			decoder.UseNumber()
			return decoder.Decode(&value) == nil && reflect.DeepEqual(value, want)
		}
		return zeros.ReplaceAllString(got, "$1$3") == zeros.ReplaceAllString(text, "$1$3")
	case json.Number:
		number, ok := want.(json.Number)
		if !ok {
			return false
		}
		a, _ := got.Float64()
		b, _ := number.Float64()
		return got == number || a == b && strings.ContainsAny(string(got+number), ".e")
	}
	return reflect.DeepEqual(got, want)
}

func sameBranch(got map[string]any, want any) bool {
	found := 0
	for _, v := range got {
		if v == nil {
			continue
		}
		if found++; !sameTyped(v, want) {
			return false
		}
	}
	return found == 1
}
