package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// versionOf adds a version to the subject of the values of orders.
func addVersion(l *schema.Log, id int, text string) {
	l.Add(fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":"orders-value","version":%d,"magic":1}`, id),
		fmt.Appendf(nil, `{"subject":"orders-value","version":%d,"id":%d,"schema":%q}`, id, id, text))
}

const (
	firstOrder  = `{"type":"record","name":"O","fields":[{"name":"n","type":"long"}]}`
	secondOrder = `{"type":"record","name":"O","fields":[{"name":"n","type":"long"},{"name":"l","type":["null",{"type":"array","items":"int"}],"default":null}]}`
)

func typing(l *schema.Log) *Typing { return &Typing{Source: l, Decoder: schema.NewDecoder(l)} }

// typedRows are the typed columns of a file by the offset, as the library prints values.
func typedRows(t require, content []byte) map[int64]string {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	found := map[int64]string{}
	for _, group := range file.RowGroups() {
		rows := group.Rows()
		for range group.NumRows() {
			var one [1]parquet.Row
			if n, err := rows.ReadRows(one[:]); n != 1 {
				t.Fatalf("%v", err)
			}
			var text []string
			for _, v := range one[0] {
				if v.Column() > columnHeaderValue {
					text = append(text, fmt.Sprintf("%v/%d%d", v, v.RepetitionLevel(), v.DefinitionLevel()))
				}
			}
			found[one[0][columnOffset].Int64()] = strings.Join(text, " ")
		}
		rows.Close()
	}
	return found
}

// TestAPlaceKeepsToItsSchema: all files of a topic have the columns of one schema, the
// newest one when the first was written. Records of later ones are read by it.
func TestAPlaceKeepsToItsSchema(t *testing.T) {
	t.Parallel()
	a, l := newArchived(), schema.NewLog()
	addVersion(l, 1, firstOrder)
	addVersion(l, 2, secondOrder)
	a.add(baldr.Record{Value: []byte{0, 0, 0, 0, 1, 10}}, baldr.Record{Value: []byte{0, 0, 0, 0, 2, 12, 2, 4, 2, 4, 0}}, baldr.Record{Value: []byte{0, 0, 0, 0, 2, 14, 2, 0}},
		baldr.Record{}, baldr.Record{Value: []byte("text")})
	lake := bifrosttest.NewStore()
	var newer, failed []string
	export := func(prefix string, typing *Typing) error {
		typing.Newer = func(topic string, place, newest schema.Version) {
			newer = append(newer, fmt.Sprint(topic, place.ID, newest.ID))
		}
		typing.Failed = func(reason string) { failed = append(failed, reason) }
		e := Exporter{Reader: a.reader(), Place: InBucket(lake, "lake", prefix), Options: Options{Layout: 1, Typed: TopicSubject}, Typing: typing}
		if err := e.CheckSchemas(t.Context(), []bifrost.Progress{{Partition: partition}}); err != nil {
			return err
		}
		if err := e.Begin(t.Context()); err != nil {
			return err
		}
		return e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything})
	}
	fileOf := func(prefix string, start int64) []byte {
		return lake.Versions(fmt.Sprintf("%stopic=orders/date=1970-01-01/00007-%020d.parquet", prefix, start))[0]
	}
	if err := export("x/", typing(l)); err != nil {
		t.Fatal(err)
	}
	addVersion(l, 3, `{"type":"record","name":"O","fields":[{"name":"more","type":"string"},{"name":"n","type":"int"}]}`)
	a.add(baldr.Record{Value: []byte{0, 0, 0, 0, 3, 0, 8}})
	for _, prefix := range []string{"x/", "y/"} {
		if err := export(prefix, typing(l)); err != nil {
			t.Fatal(err)
		}
	}
	reason := " it does not begin with the ID of a schema/01"
	for offset, want := range map[int64]string{0: "5/02 <null>/01 <null>/00", 1: "6/02 1/04 2/14 <null>/00", 2: "7/02 <null>/02 <null>/00", 3: "<null>/00 <null>/00 <null>/00", 4: "<null>/00 <null>/00" + reason} {
		if got := typedRows(t, fileOf("x/", 0))[offset]; got != want {
			t.Errorf("offset %d: %s, want %s", offset, got, want)
		}
	}
	if got := typedRows(t, fileOf("x/", 6))[6]; got != "4/02 <null>/01 <null>/00" {
		t.Errorf("a later version in the place: %s", got)
	}
	if got := typedRows(t, fileOf("y/", 6))[6]; got != "/02 4/02 <null>/00" {
		t.Errorf("another place: %s", got)
	}
	if fmt.Sprint(newer) != "[orders2 3]" || len(failed) != 5 { // once in x; in y, where no long becomes an int, all but one
		t.Errorf("told: %v, %d of %v", newer, len(failed), failed)
	}

	// The schemas of another registry, and none at all.
	other := schema.NewLog()
	addVersion(other, 2, firstOrder)
	a.add(baldr.Record{})
	if err := export("x/", typing(other)); !errors.Is(err, ErrOtherOptions) || !strings.Contains(err.Error(), "schema 2 is another one") {
		t.Errorf("another registry: %v", err)
	}
	if err := export("z/", typing(schema.NewLog())); err == nil || !strings.Contains(err.Error(), `column record of orders: no schema: the topic of the registry has no subject "orders-value"`) {
		t.Errorf("no schema: %v", err)
	}
	for _, key := range lake.Keys() {
		if strings.HasPrefix(key, "z/") {
			t.Errorf("%s was written without a schema", key)
		}
	}
	if err := export("x/", typing(schema.NewLog())); err != nil { // the place has its own
		t.Errorf("a registry that forgot: %v", err)
	}
}

// TestTypedRecordsAreInOneFile: also while schemas come, and exports are killed, all files
// have the same columns.
func TestTypedRecordsAreInOneFile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, l, lake := newArchived(), schema.NewLog(), bifrosttest.NewStore()
		addVersion(l, 1, firstOrder)
		export := func(place Place) error {
			e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1, Typed: TopicSubject}, Typing: typing(l)}
			if err := e.Begin(context.Background()); err != nil {
				return err
			}
			return e.Export(context.Background(), &Summary{}, Part{partition, readback.Everything})
		}
		place := InBucket(lake, "lake", "x/")
		for step := range rapid.IntRange(1, 5).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "evolves") {
				addVersion(l, 2+step, secondOrder)
			}
			var records []baldr.Record
			for range rapid.IntRange(0, 10).Draw(t, "records") {
				records = append(records, oddRecord(t))
			}
			a.add(records...)
			var left [2]atomic.Int64
			var wait sync.WaitGroup
			for i := range left {
				left[i].Store(rapid.Int64Range(0, 40).Draw(t, "calls"))
				wait.Go(func() { _ = export(dying{place, &left[i]}) })
			}
			wait.Wait()
		}
		if err := export(place); err != nil {
			t.Fatalf("%v", err)
		}
		files, columns := map[string][]byte{}, map[string]bool{}
		for _, key := range lake.Keys() {
			if !strings.HasSuffix(key, ".parquet") {
				continue
			}
			files[key] = lake.Versions(key)[0]
			file, err := parquet.OpenFile(bytes.NewReader(files[key]), int64(len(files[key])))
			if err != nil {
				t.Fatalf("%v", err)
			}
			columns[file.Schema().String()] = true
		}
		same(t, readBack(t, files), a.records)
		if len(columns) > 1 {
			t.Fatalf("files have different columns: %v", columns)
		}
	})
}

// TestWideSchemasEndRowGroups: a schema with many fields takes memory for each record,
// however small that is.
func TestWideSchemasEndRowGroups(t *testing.T) {
	t.Parallel()
	var fields []string
	for n := range 1000 {
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":["null","long"],"default":null}`, n))
	}
	a, l := newArchived(), schema.NewLog()
	addVersion(l, 1, firstOrder)
	addVersion(l, 2, `{"type":"record","name":"O","fields":[`+strings.Join(fields, ",")+`]}`)
	a.add(make([]baldr.Record, 10)...)
	place, err := InDirectory(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1, Typed: TopicSubject}, Typing: typing(l)}
	if err := e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(place.String(), "topic=orders/date=*/*.parquet"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	content, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil || len(file.RowGroups()) < 5 {
		t.Errorf("%d row groups, %v", len(file.RowGroups()), err)
	}
}
