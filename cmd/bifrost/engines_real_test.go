//go:build real

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The recipes of docs/engines.md read what a Kafka consumer reads: odd keys, values,
// headers and times, after exports that were killed and run side by side.
func TestEnginesReadWhatAConsumerReads(t *testing.T) {
	t.Parallel()
	python := localservices.PythonForTest(t)
	s := sandboxOf(t)
	ctx := t.Context()
	orders, registry, documents := s.topics+"-orders", s.topics+"-schemas", s.topics+"-documents"
	must(t, s.topic(ctx, documents, 1))
	for _, document := range []string{`{"customer":"a","amount":7}`, `{"customer":"b","amount":700}`} {
		must(t, s.produce(ctx, &kgo.Record{Topic: documents, Value: []byte(document)}))
	}
	must(t, s.topic(ctx, orders, 2, "message.timestamp.after.max.ms="+strconv.Itoa(math.MaxInt64)))
	must(t, s.topic(ctx, registry, 1, "cleanup.policy=compact"))
	must(t, s.produce(ctx, &kgo.Record{Topic: registry, Key: []byte(`{"keytype":"SCHEMA","subject":"o","version":1,"magic":1}`),
		Value: []byte(`{"subject":"o","version":1,"id":1,"schema":"{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"n\",\"type\":\"long\"}]}"}`)}))
	n, _ := strconv.Atoi(os.Getenv("BIFROST_EXPORT_RECORDS"))
	const parts = 3
	n = max(n, 3000) / parts * parts
	random := rand.New(rand.NewPCG(1, 2))
	lake := filepath.Join(t.TempDir(), "lake")
	for range parts { // the archive grows between exports
		var records []*kgo.Record
		for range n / parts {
			records = append(records, oddOrder(orders, random))
		}
		must(t, s.produce(ctx, records...))
		s.bifrost(t, "flush")
		s.exportKilled(ctx, t, orders, lake)
	}
	s.bifrost(t, "export", orders, registry, "--to", lake)
	var again exportJSON
	must(t, json.Unmarshal([]byte(s.bifrost(t, "export", orders, registry, "--to", lake, "--json")), &again))
	if again.Objects != 0 || again.Before == 0 || again.Records != 0 {
		t.Errorf("an export after all was written did %+v", again)
	}
	want := s.consumed(t, orders, n)
	recipes := recipesOf(t)
	for _, name := range []string{"DuckDB", "pyarrow"} {
		got := runRecipe(t, python, recipes[name], "rows", filepath.Dir(lake), orders, registry)
		if len(got) != len(want) {
			t.Errorf("%s reads %d records, the consumer %d", name, len(got), len(want))
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s reads\n%s, the consumer\n%s", name, got[i], want[i])
			}
		}
	}
	decoded := runRecipe(t, python, recipes["fastavro"], "decoded", filepath.Dir(lake), orders, registry)
	var avro []string
	failed := 0
	for line := range strings.Lines(s.bifrost(t, "cat", orders, "--json", "--decode", "--schemas", registry)) {
		var r struct {
			Value json.RawMessage
			ID    *int   `json:"value_schema_id"`
			Error string `json:"value_error"`
		}
		must(t, json.Unmarshal([]byte(line), &r))
		if r.Error != "" { // random bytes that begin as a header does
			failed++
		} else if r.ID != nil {
			avro = append(avro, strings.ReplaceAll(string(r.Value), ":", ": "))
		}
	}
	if len(avro) < n/20 || !slices.Equal(decoded, avro) {
		t.Errorf("fastavro decodes %d values and cat %d, and they differ", len(decoded), len(avro))
	}

	s.readsJSON(t, python, recipes["JSON in DuckDB"], documents)

	// A place has one kind of export, and what is decoded stands beside the bytes.
	command := s.command(ctx, "export", orders, "--to", lake, "--decode", "--schemas", registry)
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "other options") {
		t.Errorf("other options into the same place: %v\n%s", err, out)
	}
	s.bifrost(t, "export", orders, "--to", lake+"-decoded", "--decode", "--schemas", registry)
	counts := runRecipe(t, python, `import duckdb; rows = duckdb.sql("""select count(value_json), count(value_error), count(key_json), count(*) from '`+lake+`-decoded/topic=*/date=*/*.parquet'""").fetchall()`, "rows", lake, orders, registry)
	if wanted := fmt.Sprintf("[%d,%d,0,%d]", len(avro), failed, n); len(counts) != 1 || counts[0] != wanted {
		t.Errorf("decoded: %v, want %s", counts, wanted)
	}

	// Typed, by the newest schema of a subject: what is none of its records says why.
	s.bifrost(t, "export", orders, "--to", lake+"-typed", "--typed=o", "--schemas", registry)
	counts = runRecipe(t, python, `import duckdb; rows = duckdb.sql("""select count(record.n), count(record_error) filter (value is null), count(value) - count(record_error) from '`+lake+`-typed/topic=*/date=*/*.parquet'""").fetchall()`, "rows", lake, orders, registry)
	if wanted := fmt.Sprintf("[%d,0,%d]", len(avro), len(avro)); len(counts) != 1 || counts[0] != wanted {
		t.Errorf("typed: %v, want %s", counts, wanted)
	}
	if out, err := s.command(ctx, "export", orders, "--to", lake+"-none", "--typed", "--schemas", registry).CombinedOutput(); err == nil || !strings.Contains(string(out), "no subject") {
		t.Errorf("typed without a schema: %v\n%s", err, out)
	}

	// Into a bucket: beside the archive, and never into it.
	if out, err := s.command(ctx, "export", orders, "--to", "s3://"+s.bucket+"/test/lake").CombinedOutput(); exitStatus(err) != exitUsage {
		t.Errorf("into the archive: %v\n%s", err, out)
	}
	s.bifrost(t, "export", orders, "--to", "s3://"+s.bucket+"/lake")
	var twice exportJSON
	must(t, json.Unmarshal([]byte(s.bifrost(t, "export", orders, "--to", "s3://"+s.bucket+"/lake", "--json")), &twice))
	if twice.Before == 0 || twice.Objects != 0 {
		t.Errorf("a second export into the bucket did %+v", twice)
	}
	s.bifrost(t, "verify")
}

func exitStatus(err error) int {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}

// exportKilled starts two exports at once and kills one after a random while.
func (s *sandbox) exportKilled(ctx context.Context, t *testing.T, topic, lake string) {
	t.Helper()
	killed, cancel := context.WithTimeout(ctx, time.Duration(50+rand.IntN(300))*time.Millisecond)
	defer cancel()
	first, second := s.command(killed, "export", topic, "--to", lake), s.command(ctx, "export", topic, "--to", lake)
	must(t, first.Start())
	if out, err := second.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_ = first.Wait() // killed, or it was fast
}

func oddOrder(topic string, random *rand.Rand) *kgo.Record {
	bytesOf := func(most int) []byte {
		switch random.IntN(6) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	const day = 24 * 60 * 60 * 1000
	times := []int64{-20_000 * day, -5000, -1, 0, 1, day - 1, day, 1_700_000_000_000, 1_700_000_000_000 + random.Int64N(40*day), 253_402_300_799_999, 253_402_300_800_000, 253_402_300_800_000 + 200*day, 1_700_000_000_000_000, math.MaxInt64 / 1_000_000}
	r := &kgo.Record{Topic: topic, Partition: random.Int32N(2), Key: bytesOf(20), Value: bytesOf(300), Timestamp: time.UnixMilli(times[random.IntN(len(times))])}
	if random.IntN(10) == 0 {
		r.Value = []byte{0, 0, 0, 0, 1, byte(random.Uint32N(100))}
	}
	for range random.IntN(3) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string([]rune{'h', rune(random.IntN(0x3000))}), Value: bytesOf(10)})
	}
	return r
}

// consumed is what a consumer reads, in order, as runRecipe prints it.
func (s *sandbox) consumed(t *testing.T, topic string, n int) []string {
	t.Helper()
	client, err := s.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(t, err)
	defer client.Close()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(t.Context())
		must(t, fetches.Err())
		records = append(records, fetches.Records()...)
	}
	slices.SortFunc(records, func(a, b *kgo.Record) int {
		return (int(a.Partition)-int(b.Partition))*(1<<40) + int(a.Offset-b.Offset)
	})
	var lines []string
	for _, r := range records {
		headers := []any{}
		for _, h := range r.Headers {
			headers = append(headers, []any{hexOf([]byte(h.Key)), hexOf(h.Value)})
		}
		line, err := json.Marshal([]any{r.Partition, r.Offset, r.Timestamp.UnixMilli(), "CreateTime", hexOf(r.Key), hexOf(r.Value), headers})
		must(t, err)
		lines = append(lines, string(line))
	}
	return lines
}

func hexOf(b []byte) any {
	if b == nil {
		return nil
	}
	return fmt.Sprintf("%x", b)
}

// readsJSON runs the recipe for values that are JSON, on a topic that has no others.
func (s *sandbox) readsJSON(t *testing.T, python, recipe, topic string) {
	t.Helper()
	dir := t.TempDir()
	s.bifrost(t, "export", topic, "--to", filepath.Join(dir, "lake"))
	got := runRecipe(t, python, recipe, "rows", dir, topic, topic)
	if want := []string{`[0,1,"b"]`}; !slices.Equal(got, want) {
		t.Errorf("JSON: %q, want %q", got, want)
	}
	// What the page says of a place in which nothing is lost.
	none := `import duckdb
lost = "lake/_bifrost/lost/topic=orders/*.json"
try:
    rows = duckdb.sql("select * from read_json('" + lost + "')").fetchall()
except duckdb.IOException as e:
    rows = [["No files found" in str(e), duckdb.sql("from glob('" + lost + "')").fetchall()]]
`
	if got := runRecipe(t, python, none, "rows", dir, topic, topic); !slices.Equal(got, []string{"[true,[]]"}) {
		t.Errorf("nothing is lost, and DuckDB says %q", got)
	}
}

// recipesOf returns the Python of docs/engines.md by the headings.
func recipesOf(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/engines.md")
	must(t, err)
	recipes := map[string]string{}
	for _, section := range strings.Split(string(page), "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		if _, code, found := strings.Cut(text, "```python\n"); found {
			recipes[name], _, _ = strings.Cut(code, "```")
		}
	}
	if len(recipes) != 5 {
		t.Fatalf("%d recipes on the page", len(recipes))
	}
	return recipes
}

// runRecipe runs a recipe, on the topics of this test, and returns a line of JSON for
// each element of the variable that it leaves behind.
func runRecipe(t *testing.T, python, recipe, variable, dir, orders, registry string) []string {
	t.Helper()
	recipe = strings.ReplaceAll(strings.ReplaceAll(recipe, "topic=_schemas", "topic="+registry), `"orders"`, `"`+orders+`"`)
	recipe = strings.ReplaceAll(recipe, "topic=orders", "topic="+orders)
	recipe += `
import json
def plain(v):
    if isinstance(v, (bytes, bytearray)): return v.hex()
    if isinstance(v, dict) and set(v) == {"key", "value"}: return [plain(v["key"]), plain(v["value"])]
    if isinstance(v, (list, tuple)): return [plain(x) for x in v]
    return v
for r in ` + variable + `: print(json.dumps(plain(r)))
`
	// A program that is in no file, DuckDB takes for a person at a terminal: it prints a progress bar.
	program := filepath.Join(t.TempDir(), "recipe.py")
	must(t, os.WriteFile(program, []byte(recipe), 0o600))
	command := exec.CommandContext(t.Context(), python, program)
	command.Dir = dir
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, recipe, problem.String())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if strings.HasPrefix(lines[0], "[") && variable == "rows" {
		for i := range lines { // as Go writes lists
			var value any
			decoder := json.NewDecoder(strings.NewReader(lines[i]))
			decoder.UseNumber()
			must(t, decoder.Decode(&value))
			text, err := json.Marshal(value)
			must(t, err)
			lines[i] = string(text)
		}
	}
	return lines
}
