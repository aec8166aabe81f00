package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// place is where exports go: the bucket of the archive, or the lake.
func (a *account) place(bucket, prefix string) export.Place {
	if bucket == "bucket" {
		return export.InBucket(a.store, bucket, prefix)
	}
	return export.InBucket(a.lake, bucket, prefix)
}

func exportOf(id, to string, topics ...string) Spec {
	return Spec{ID: id, Kind: KindExport, Topics: topics, Export: &Export{To: to}}
}

// A dyingLake fails every call from one on, as if the process were killed there.
type dyingLake struct {
	*bifrosttest.Store
	left *atomic.Int64
}

func (d dyingLake) call() error {
	if d.left.Add(-1) < 0 {
		return errors.New("killed")
	}
	return nil
}

func (d dyingLake) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	u, err := d.Store.Create(ctx, key)
	return dyingUpload{u, d}, err
}

func (d dyingLake) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	return d.Store.CreateOnce(ctx, key, content)
}

type dyingUpload struct {
	bifrost.Upload
	lake dyingLake
}

func (u dyingUpload) Complete(ctx context.Context) (bifrost.Stored, error) {
	if err := u.lake.call(); err != nil {
		return bifrost.Stored{}, err
	}
	return u.Upload.Complete(ctx)
}

// dying is the function whose process is killed at one of its first calls of the lake.
func (a *account) dying(calls int) *Runner {
	r := *a.runner
	left := &atomic.Int64{}
	left.Store(int64(calls))
	r.Place = func(bucket, prefix string) export.Place {
		return export.InBucket(dyingLake{a.lake, left}, bucket, prefix)
	}
	return &r
}

// exportedRecord are the columns of a file that tell one record from another.
type exportedRecord struct {
	Partition int32  `parquet:"partition"`
	Offset    int64  `parquet:"offset"`
	Value     []byte `parquet:"value,optional"`
}

// mustBeExported compares the files of a topic with what was archived: each record once.
func (a *account) mustBeExported(prefix, topic string, partitions int32, records int) {
	a.Helper()
	found := map[string]string{}
	for _, key := range a.lake.Keys() {
		if !strings.HasPrefix(key, prefix+"topic="+topic+"/") {
			continue
		}
		versions := a.lake.Versions(key)
		content := versions[len(versions)-1]
		rows, err := parquet.Read[exportedRecord](bytes.NewReader(content), int64(len(content)))
		if err != nil {
			a.Fatalf("%s: %v", key, err)
		}
		for _, r := range rows {
			at := fmt.Sprintf("%d/%d", r.Partition, r.Offset)
			if _, twice := found[at]; twice {
				a.Errorf("partition/offset %s is in two files, one is %s", at, key)
			}
			found[at] = string(r.Value)
		}
	}
	if len(found) != records {
		a.Errorf("%d records of %s are in files, want %d", len(found), topic, records)
	}
	for i := range records {
		at := fmt.Sprintf("%d/%d", i%int(partitions), i/int(partitions))
		if want := fmt.Sprintf("%s record %d", topic, i); found[at] != want {
			a.Errorf("partition/offset %s is %q, want %q", at, found[at], want)
		}
	}
}

// TestAnExportByManyIsAnExport: functions that are killed, throttled, called twice at the
// same time, an export by the command beside them, and the archive that grows: after the
// last one each record is in exactly one file.
func TestAnExportByManyIsAnExport(t *testing.T) {
	t.Parallel()
	const partitions, records = 4, 90
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			a := newAccount(t, 3)
			a.archive("orders", partitions, records)
			random, fallen := rand.New(rand.NewPCG(seed, 4)), map[int]int{}
			var others sync.WaitGroup
			a.before = func(e Event) error {
				killed := awsError{"Runtime.ExitError", "Runtime exited with error: signal: killed"}
				of := 0 // the plan and the end
				if e.Item != nil {
					of = e.Item.Number
				}
				a.mutex.Lock()
				fallen[of]++
				try, calls, twice := fallen[of], random.IntN(30), random.IntN(2) == 0
				a.mutex.Unlock()
				switch {
				case try == 1:
					return awsError{"Lambda.TooManyRequestsException", "Rate Exceeded."}
				case try < 4:
					_, _ = a.dying(calls).Do(context.Background(), e, time.Time{})
					return killed
				case twice && e.Step == "work":
					others.Go(func() { _, _ = a.dying(1000).Work(context.Background(), e, time.Time{}) })
				}
				return nil
			}
			calls := random.IntN(200)
			others.Go(func() { // the command, killed as well
				r := a.dying(calls)
				rule, err := r.exporter(context.Background(), exportOf("", "s3://lake/exports"))
				if err != nil || rule.Begin(context.Background()) != nil {
					return
				}
				for p := range int32(partitions) {
					_ = rule.Export(context.Background(), &export.Summary{}, export.Part{Partition: bifrost.Partition{Name: "orders", Number: p}, Starts: readback.Everything})
				}
			})
			report, err := a.execute(exportOf("one", "s3://lake/exports", "ord*"))
			for n := 0; err != nil && n < 5; n++ { // killed more often than a step is tried: a person continues it
				report, err = a.execute(map[string]any{"id": "one"})
			}
			if err != nil {
				t.Fatal(err)
			}
			others.Wait()
			x := report.Export
			if !report.Complete || report.Items != maxItems || report.Records != records || report.Bytes <= 0 || x == nil ||
				x.Objects < 2*partitions || x.Files < x.Objects || x.Lost+x.Waiting+x.Erased != 0 || report.Cost.Dollars <= 0 {
				t.Errorf("report %+v, export %+v", report, x)
			}
			a.mustBeExported("exports/", "orders", partitions, records)
			if status, err := a.control(&manualMachine{}).Status(t.Context(), "one"); err != nil ||
				!status.Complete || status.Records != records || status.DoneRecords != records || status.Bytes != report.Bytes {
				t.Errorf("status %+v, error %v", status, err)
			}

			// What is archived since is another job's, which writes nothing twice.
			logs := a.source.Topic("orders").Logs
			for i := records; i < records+20; i++ {
				logs[i%partitions].Produce(fmt.Sprintf("orders record %d", i))
			}
			a.archive("payments", 1, 3)
			fallen = map[int]int{}
			report, err = a.execute(exportOf("two", "s3://lake/exports", "orders", "payments"))
			for n := 0; err != nil && n < 5; n++ {
				report, err = a.execute(map[string]any{"id": "two"})
			}
			if err != nil || report.Records != records+20+3 {
				t.Fatalf("report %+v, error %v", report, err)
			}
			others.Wait()
			a.mustBeExported("exports/", "orders", partitions, records+20)
			a.mustBeExported("exports/", "payments", 1, 3)
		})
	}
}

// A lateLake asks before each file whether the function still has time for it.
type lateLake struct {
	*bifrosttest.Store
	wait func(ctx context.Context) error
}

func (l lateLake) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Store.Create(ctx, key)
}

// waitBeforeFiles makes files wait.
func (a *account) waitBeforeFiles(wait func(ctx context.Context) error) {
	a.runner.Place = func(bucket, prefix string) export.Place {
		return export.InBucket(lateLake{a.lake, wait}, bucket, prefix)
	}
}

// A worker whose time is over leaves the rest of its objects to the next invocation.
func TestExportsOutliveFunctions(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 1, 60)
	var files int
	var end context.CancelCauseFunc
	a.context = func() context.Context {
		files = 0
		ctx, cancel := context.WithCancelCause(context.Background())
		end = cancel
		return ctx
	}
	a.waitBeforeFiles(func(ctx context.Context) error {
		if files++; files > 2 {
			end(errDeadline)
			<-ctx.Done()
		}
		return ctx.Err()
	})
	report, err := a.execute(exportOf("slow", "s3://lake/exports/below", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Cost.Invocations <= int64(report.Items)+2 {
		t.Errorf("nothing was cut off: %+v", report)
	}
	if report.Records != 60 || report.Export.Objects < 6 {
		t.Errorf("report %+v, export %+v: it is about all invocations", report, report.Export)
	}
	a.mustBeExported("exports/below/", "orders", 1, 60)
}

// addSchema adds the next version of the values of orders, which has the version for its ID.
func (a *account) addSchema(version int, text string) {
	a.source.Topic("_schemas").Logs[0].ProduceRecord(baldr.Record{
		Key:   fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":"orders-value","version":%d,"magic":1}`, version),
		Value: fmt.Appendf(nil, `{"subject":"orders-value","version":%d,"id":%d,"schema":%q}`, version, version, text),
	})
}

// Workers of an export with typed columns agree on one schema of a topic, also with those of
// a later job, after the schema has evolved; and what decodes beside it is there as well.
func TestTypedExportsByManyHaveTheSameColumns(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 3)
	a.source.CreateTopic("_schemas", 1)
	a.addSchema(1, `{"type":"record","name":"Order","fields":[{"name":"n","type":"long"}]}`)
	orders := a.source.CreateTopic("orders", 3).Logs
	produce := func(from, to int, written ...byte) {
		for i := from; i < to; i++ {
			orders[i%3].ProduceRecord(baldr.Record{Value: append(written, byte(2*i))}) // as Avro writes a long below 64
		}
		a.archiveProduced()
	}
	var tries sync.Map
	a.before = func(e Event) error { // the first call of each step is killed at its fifth call of the lake
		of := e.Step
		if e.Item != nil {
			of = fmt.Sprint(e.ID, e.Item.Number)
		}
		if _, again := tries.LoadOrStore(of, true); again {
			return nil
		}
		_, _ = a.dying(5).Do(context.Background(), e, time.Time{})
		return awsError{"Runtime.ExitError", "Runtime exited with error: signal: killed"}
	}
	runJob := func(id string) {
		spec := exportOf(id, "s3://lake/exports", "orders")
		spec.Export.Typed, spec.Export.Schemas, spec.Export.Decode = export.TopicSubject, "_schemas", true
		if report, err := a.execute(spec); err != nil || !report.Complete {
			t.Fatalf("report %+v, error %v", report, err)
		}
	}
	produce(0, 40, 0, 0, 0, 0, 1)
	runJob("one")
	a.addSchema(2, `{"type":"record","name":"Order","fields":[{"name":"more","type":"string","default":""},{"name":"n","type":"long"}]}`)
	produce(40, 60, 0, 0, 0, 0, 2, 0) // an empty string before it
	runJob("two")

	type row struct {
		Partition int32  `parquet:"partition"`
		Offset    int64  `parquet:"offset"`
		ValueJSON string `parquet:"value_json,optional"`
		Record    struct {
			N int64 `parquet:"n"`
		} `parquet:"record,optional"`
	}
	found, columns := map[int64]int{}, map[string]bool{}
	for _, key := range a.lake.Keys() {
		if !strings.HasSuffix(key, ".parquet") {
			continue
		}
		content := a.lake.Versions(key)[0]
		file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		columns[file.Schema().String()] = true
		rows, err := parquet.Read[row](bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			i := r.Offset*3 + int64(r.Partition)
			found[i]++
			if r.Record.N != i || !strings.Contains(r.ValueJSON, fmt.Sprintf(`"n":%d}`, i)) {
				t.Errorf("record %d is %+v", i, r)
			}
		}
	}
	if len(found) != 60 || len(columns) != 1 {
		t.Errorf("%d records, want 60; columns %v", len(found), columns)
	}
	for i, times := range found {
		if times != 1 {
			t.Errorf("record %d is in %d files", i, times)
		}
	}
}

// Keys and values that could not be decoded are counted in the report, whichever run wrote the
// files: a second job over the same place says the same.
func TestExportsReportWhatIsNotDecoded(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.source.CreateTopic("_schemas", 1)
	a.addSchema(1, `{"type":"record","name":"Order","fields":[{"name":"n","type":"long"}]}`)
	orders := a.source.CreateTopic("orders", 2).Logs
	unknown := []byte{0, 0, 0, 0, 9, 2}
	for i := range 20 {
		r := baldr.Record{Value: []byte{0, 0, 0, 0, 1, 2}}
		switch i % 5 {
		case 0:
			r.Value = unknown // no schema has this ID
		case 1:
			r.Key = unknown
		case 2:
			r.Value = []byte("text") // without a header: nothing to decode, but no record either
		case 3:
			r.Value = nil
		}
		orders[i%2].ProduceRecord(r)
	}
	a.archiveProduced()
	spec := exportOf("one", "s3://lake/exports", "orders")
	spec.Export.Decode, spec.Export.DecodeKey, spec.Export.Typed, spec.Export.Schemas = true, true, export.TopicSubject, "_schemas"
	const want = 4 + 4 + (4 + 4) // values, keys, and records: with an unknown ID and without any
	for _, id := range []string{"one", "two"} {
		spec.ID = id
		report, err := a.execute(spec)
		if err != nil || report.Records != 20 || report.Export.Undecoded != want {
			t.Errorf("%s: report %+v, export %+v, want %d undecoded, error %v", id, report, report.Export, want, err)
		}
	}
}

// A job decodes what it is asked to: values, keys, or both.
func TestExportsDecodeWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.source.CreateTopic("_schemas", 1)
	a.addSchema(1, `{"type":"record","name":"Order","fields":[{"name":"n","type":"long"}]}`)
	a.source.CreateTopic("orders", 1).Logs[0].ProduceRecord(baldr.Record{Key: []byte{0, 0, 0, 0, 1, 4}, Value: []byte{0, 0, 0, 0, 1, 2}})
	a.archiveProduced()
	for _, asked := range []struct{ values, keys bool }{{true, false}, {false, true}, {true, true}} {
		id := fmt.Sprintf("values-%t-keys-%t", asked.values, asked.keys)
		spec := exportOf(id, "s3://lake/exports/"+id, "orders")
		spec.Export.Decode, spec.Export.DecodeKey, spec.Export.Schemas = asked.values, asked.keys, "_schemas"
		if report, err := a.execute(spec); err != nil || report.Records != 1 {
			t.Fatalf("%s: report %+v, error %v", id, report, err)
		}
		files := 0
		for _, key := range a.lake.Keys() {
			if !strings.HasPrefix(key, "exports/"+id+"/") || !strings.HasSuffix(key, ".parquet") {
				continue
			}
			files++
			content := a.lake.Versions(key)[0]
			rows, err := parquet.Read[struct {
				Key   string `parquet:"key_json,optional"`
				Value string `parquet:"value_json,optional"`
			}](bytes.NewReader(content), int64(len(content)))
			if err != nil || len(rows) != 1 {
				t.Fatalf("%s: %d rows, error %v", key, len(rows), err)
			}
			if got := rows[0]; (got.Key == `{"n":2}`) != asked.keys || (got.Value == `{"n":1}`) != asked.values ||
				(got.Key == "") == asked.keys || (got.Value == "") == asked.values {
				t.Errorf("%s: %+v", key, got)
			}
		}
		if files != 1 {
			t.Errorf("%s: %d files", id, files)
		}
		var there export.Options // by which the command goes on in this place
		err := json.Unmarshal(a.lake.Versions("exports/" + id + "/_bifrost/options.json")[0], &there)
		if err != nil || there.Decode != asked.values || there.DecodeKey != asked.keys {
			t.Errorf("%s: options %+v, error %v", id, there, err)
		}
	}
}

// An object that does not fit into a function's time ends its item, which says what to do:
// without end, functions would begin it again and again.
func TestAnObjectThatFitsIntoNoFunction(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 1, 9)
	a.waitBeforeFiles(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	a.within = 100 * time.Millisecond
	_, err := a.execute(exportOf("large", "s3://lake/exports", "orders"))
	if err == nil || !strings.Contains(err.Error(), "items are not done") {
		t.Fatalf("error %v", err)
	}
	report, err := a.runner.Report(t.Context(), "large", "arn:aws:states:::execution:bifrost-job:run-1")
	if err != nil || len(report.Failures) == 0 || !strings.Contains(report.Failures[0].Error, "by the command into the same place") {
		t.Errorf("report %+v, error %v", report, err)
	}
	if a.calls > report.Items+2 {
		t.Errorf("%d calls for %d items", a.calls, report.Items)
	}
}

// The report says what is not in the place, and what is there and no longer in the archive.
func TestExportsReportLosses(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 1, 20)
	if _, err := a.execute(exportOf("one", "s3://lake/exports", "orders")); err != nil {
		t.Fatal(err)
	}
	orders := bifrost.Partition{Name: "orders"}
	rows, err := a.ledger.Rows(t.Context(), orders, 0, 100)
	if err != nil || len(rows) < 3 {
		t.Fatalf("rows %v, error %v", rows, err)
	}
	erased, end := rows[1], rows[len(rows)-1].End
	a.ledger.Poke(bifrost.Row{Partition: orders, Range: erased.Range, State: bifrost.StateLost, GapReason: bifrost.ReasonErased})
	a.ledger.Poke(bifrost.Row{Partition: orders, Range: bifrost.Range{Start: end, End: end + 7}, State: bifrost.StateLost, GapReason: bifrost.ReasonRetention})
	a.ledger.Poke(bifrost.Row{Partition: orders, Range: bifrost.Range{Start: end + 7, End: end + 12}, State: bifrost.StatePlanned})
	report, err := a.execute(exportOf("two", "s3://lake/exports", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	objects := int64(len(rows) - 1)
	want := Exported{Objects: objects, Files: objects, Erased: 1, Lost: 7 + erased.Len(), Waiting: 5}
	if *report.Export != want || report.Records != 20-erased.Facts.Records {
		t.Errorf("report %+v, export %+v, want %+v", report, *report.Export, want)
	}
}

// What stands against an export ends it before anything is written, in the lake or of the job.
func TestExportsThatAreRefused(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 2, 10)
	a.source.CreateTopic("_schemas", 1)
	a.addSchema(1, `{"type":"string"}`)
	a.archive("payments", 1, 3)
	if _, err := a.execute(exportOf("first", "s3://lake/exports", "orders")); err != nil {
		t.Fatal(err)
	}
	a.lake.Put("exports/full/something", []byte("else"))
	a.ledger.PokeProgress(bifrost.Progress{Partition: bifrost.Partition{Name: "halved", Number: 1}})
	before := slices.Concat(a.lake.Keys(), a.store.Keys())
	decoded := exportOf("decoded", "s3://lake/exports", "orders")
	decoded.Export.Decode, decoded.Export.Schemas = true, "orders"
	missing := exportOf("missing", "s3://lake/exports/new", "orders")
	missing.Export.DecodeKey, missing.Export.Schemas = true, "registry"
	typed := exportOf("typed", "s3://lake/exports/typed", "orders", "payments")
	typed.Export.Typed, typed.Export.Schemas = export.TopicSubject, "_schemas"
	for words, spec := range map[string]Spec{
		"may export to s3://lake/exports and below it":  exportOf("a", "s3://lake/other", "orders"),
		"s3://lake/exports-2: jobs of this stack":       exportOf("b", "s3://lake/exports-2", "orders"),
		"s3://attic/exports: jobs of this stack":        exportOf("c", "s3://attic/exports", "orders"),
		"that is where the archive is":                  exportOf("d", "s3://bucket/archive/lake", "orders"),
		"s3://bucket/lake: jobs of this stack":          exportOf("e", "s3://bucket/lake", "orders"),
		"there is something in it, and no export":       exportOf("f", "s3://lake/exports/full", "orders"),
		"there is nothing to do":                        exportOf("g", "s3://lake/exports/new", "x*"),
		"export.schemas orders: no schema":              decoded,
		"export.schemas registry: ":                     missing,
		`column record of payments: no schema`:          typed,
		"the progress row of halved/0 is gone":          exportOf("i", "s3://lake/exports", "halved"),
		"a job writes into no directory":                exportOf("h", "./lake", "orders"),
		"was asked for something else: take another ID": exportOf("first", "s3://lake/exports", "*"),
	} {
		if _, err := a.execute(spec); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: error %v, want one that says %q", spec, err, words)
		}
	}
	// A stack without the parameter.
	if err := a.runner.checkPlace("s3://lake/exports", "s3:///exports"); err == nil || !strings.Contains(err.Error(), "JobExportBucket") {
		t.Errorf("error %v", err)
	}
	if after := slices.Concat(a.lake.Keys(), a.store.Keys()); !slices.Equal(before, after) {
		t.Errorf("left behind: %q, before %q", after, before)
	}
}

// What decodes with other options is another export, whoever starts it, and whenever: a
// worker looks again.
func TestWorkersLookAtThePlaceAgain(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 1, 10)
	text, _ := json.Marshal(exportOf("one", "s3://lake/exports", "orders"))
	if _, err := a.runner.Plan(t.Context(), Event{Job: text, Execution: "x:run", Workers: 1, ExportTo: "s3://lake/exports"}); err != nil {
		t.Fatal(err)
	}
	for _, key := range a.lake.Keys() { // somebody empties the place, and exports into it
		a.lake.Delete(key)
	}
	other := export.Exporter{Place: a.place("lake", "exports/"), Options: export.Options{Layout: 1, Bucket: "bucket", Group: group, Decode: true}}
	if err := other.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, err := a.runner.Items(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.runner.Work(t.Context(), Event{ID: "one", Item: &items[0]}, time.Time{}); !errors.Is(err, export.ErrOtherOptions) {
		t.Errorf("error %v", err)
	}
}
