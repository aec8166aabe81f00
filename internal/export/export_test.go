package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func TestMain(m *testing.M) {
	mostDays, rowGroupBytes, openBytes, batchRows, batchBytes = 3, 8<<10, 16<<10, 5, 400
	m.Run()
}

var partition = bifrost.Partition{Name: "orders", Number: 7}

// An archived is one partition of an archive in memory.
type archived struct {
	topic   string // orders unless it is said
	number  int32  // of the partition
	ledger  *bifrosttest.Ledger
	store   *bifrosttest.Store
	end     int64
	records map[int64]baldr.Record
}

func newArchived() *archived {
	return &archived{topic: partition.Name, number: partition.Number, ledger: bifrosttest.NewLedger(), store: bifrosttest.NewStore(), records: map[int64]baldr.Record{}}
}

func (a *archived) partition() bifrost.Partition {
	return bifrost.Partition{Name: a.topic, Number: a.number}
}

func (a *archived) reader() *readback.Reader {
	return &readback.Reader{Catalogue: a.ledger, Objects: a.store, Workers: 2, ReadAhead: 4 << 10}
}

// add adds an object with the records, which follow each other.
func (a *archived) add(records ...baldr.Record) {
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{MemberBytes: 1 << 10})
	for i := range records {
		records[i].Offset = a.end + int64(i)
		if err := w.WriteRecord(&records[i]); err != nil {
			panic(err)
		}
		a.records[records[i].Offset] = records[i]
	}
	row := bifrost.Row{Partition: a.partition(), Range: bifrost.Range{Start: a.end, End: a.end + int64(len(records)) + 1}, State: bifrost.StateArchived}
	s, err := w.Close(baldr.Summary{ClusterID: "c", Topic: a.partition().Topic(), Partition: a.number, Start: row.Start, End: row.End, LastLeaderEpoch: -1})
	if err != nil {
		panic(err)
	}
	row.Facts = bifrost.Facts{Key: bifrost.ObjectKey("g", a.partition(), row.Start, 0), Range: row.Range, Records: s.Records,
		RawBytes: s.RawBytes, StoredBytes: int64(object.Len()),
		FirstTimestamp: s.FirstTimestamp, LastTimestamp: s.LastTimestamp, Checksum: bifrosttest.Checksum(object.Bytes())}
	a.store.Put(row.Facts.Key, object.Bytes())
	a.ledger.Poke(row)
	a.end = row.End
}

func (a *archived) addRow(state bifrost.State, reason string) {
	a.ledger.Poke(bifrost.Row{Partition: partition, Range: bifrost.Range{Start: a.end, End: a.end + 10}, State: state, GapReason: reason})
	a.end += 10
}

// readBack reads every record of every file, with the day of its folder, and fails on one
// that is in two.
func readBack(t require, files map[string][]byte) map[int64]baldr.Record {
	t.Helper()
	found := map[int64]baldr.Record{}
	for name, content := range files {
		file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		last := int64(-1)
		for _, group := range file.RowGroups() {
			rows := group.Rows()
			for {
				var one [1]parquet.Row
				n, err := rows.ReadRows(one[:])
				if n == 1 {
					r := recordOf(one[0])
					if _, twice := found[r.Offset]; twice {
						t.Fatalf("offset %d is in two files, one is %s", r.Offset, name)
					}
					day := strings.Split(strings.Split(name, "date=")[1], "/")[0]
					if day != "__HIVE_DEFAULT_PARTITION__" && day != time.UnixMilli(r.Timestamp).UTC().Format(time.DateOnly) || r.Offset <= last {
						t.Fatalf("offset %d, time %d, is in %s behind %d", r.Offset, r.Timestamp, name, last)
					}
					if known := r.Timestamp >= 0 && r.Timestamp < 253_402_300_800_000; known == one[0][columnTimestamp].IsNull() { // up to the year 9999
						t.Fatalf("offset %d, time %d: the column timestamp is %v", r.Offset, r.Timestamp, one[0][columnTimestamp])
					}
					last = r.Offset
					found[r.Offset] = r
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			rows.Close()
		}
	}
	return found
}

// recordOf is a record as a row of a file has it.
func recordOf(row parquet.Row) (r baldr.Record) {
	bytesOf := func(v parquet.Value) []byte {
		if v.IsNull() {
			return nil
		}
		return append([]byte{}, v.ByteArray()...)
	}
	for _, v := range row {
		switch v.Column() {
		case columnOffset:
			r.Offset = v.Int64()
		case columnTimestampMS:
			r.Timestamp = v.Int64()
		case columnTimestampType:
			if string(v.ByteArray()) == baldr.LogAppendTime.String() {
				r.TimestampType = baldr.LogAppendTime
			}
		case columnKey:
			r.Key = bytesOf(v)
		case columnValue:
			r.Value = bytesOf(v)
		case columnHeaderKey:
			if !v.IsNull() {
				r.Headers = append(r.Headers, baldr.Header{Key: bytesOf(v)})
			}
		}
	}
	i := 0
	for _, v := range row {
		if v.Column() == columnHeaderValue && i < len(r.Headers) {
			r.Headers[i].Value = bytesOf(v)
			i++
		}
	}
	return r
}

func show(r baldr.Record) string {
	return fmt.Sprintf("%d %d %s %#v %#v %#v", r.Offset, r.Timestamp, r.TimestampType, r.Key, r.Value, r.Headers)
}

func same(t require, got, want map[int64]baldr.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for offset, w := range want {
		if show(got[offset]) != show(w) {
			t.Fatalf("got  %s\nwant %s", show(got[offset]), show(w))
		}
	}
}

// A dying place fails every call from one on, as if the process were killed there.
type dying struct {
	Place
	left *atomic.Int64
}

var errKilled = errors.New("killed")

func (d dying) call() error {
	if d.left.Add(-1) < 0 {
		return errKilled
	}
	return nil
}

func (d dying) Create(ctx context.Context, name string) (File, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	f, err := d.Place.Create(ctx, name)
	return dyingFile{f, d}, err
}

func (d dying) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	return d.Place.CreateOnce(ctx, name, content)
}

type dyingFile struct {
	File
	d dying
}

func (f dyingFile) Write(p []byte) (int, error) {
	if err := f.d.call(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f dyingFile) Complete(ctx context.Context) error {
	if err := f.d.call(); err != nil {
		return err
	}
	return f.File.Complete(ctx)
}

func (f dyingFile) Abort() {
	if f.d.left.Load() >= 0 {
		f.File.Abort()
	}
}

func oddRecord(t *rapid.T) baldr.Record {
	maybe := func(label string) []byte {
		if rapid.IntRange(0, 3).Draw(t, label+" null") == 0 {
			return nil
		}
		return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, label)...)
	}
	r := baldr.Record{Key: maybe("key"), Value: maybe("value"), TimestampType: baldr.TimestampType(rapid.IntRange(0, 1).Draw(t, "type"))}
	r.Timestamp = rapid.SampledFrom([]int64{-1, 0, millisecondsOfADay - 1, millisecondsOfADay, 3 * millisecondsOfADay, 4 * millisecondsOfADay,
		9 * millisecondsOfADay, endOfTime - 1, endOfTime, 1<<63 - 1}).Draw(t, "time")
	for range rapid.IntRange(0, 2).Draw(t, "headers") {
		r.Headers = append(r.Headers, baldr.Header{Key: append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "header")...), Value: maybe("header value")})
	}
	return r
}

// Whatever exports ran, killed anywhere, side by side, while the archive grew: after
// the last one each record is in exactly one file, as it is in the archive.
func TestEachRecordIsInOneFile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		a, lake := newArchived(), bifrosttest.NewStore()
		export := func(place Place, objects int) error {
			e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, AtOnce: objects}
			if err := e.Begin(ctx); err != nil {
				return err
			}
			return e.Export(ctx, &Summary{}, Part{partition, readback.Everything})
		}
		place := InBucket(lake, "lake", "x/")
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				a.addRow(bifrost.StateLost, bifrost.ReasonRetention)
			case 1:
				a.addRow(bifrost.StatePlanned, "")
			case 2, 3:
				var records []baldr.Record
				for range rapid.IntRange(0, 30).Draw(t, "records") {
					records = append(records, oddRecord(t))
				}
				a.add(records...)
			}
			var left [2]atomic.Int64
			var wait sync.WaitGroup
			var failed [2]error
			for i := range left[:rapid.IntRange(1, 2).Draw(t, "at once")] {
				left[i].Store(rapid.Int64Range(0, 60).Draw(t, "calls"))
				objects := rapid.IntRange(1, 3).Draw(t, "objects at once")
				wait.Go(func() { failed[i] = export(dying{place, &left[i]}, objects) })
			}
			wait.Wait()
			for _, err := range failed {
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatalf("%v", err)
				}
			}
		}
		if err := export(place, 2); err != nil {
			t.Fatalf("%v", err)
		}
		files := map[string][]byte{}
		for _, key := range lake.Keys() {
			if versions := lake.Versions(key); len(versions) != 1 {
				t.Fatalf("%s was written %d times", key, len(versions))
			} else if strings.HasSuffix(key, ".parquet") {
				files[key] = versions[0]
			}
		}
		same(t, readBack(t, files), a.records)
	})
}

// One object with ten thousand days makes few files, and no record is missing.
func TestManyDaysInOneObject(t *testing.T) {
	t.Parallel()
	a := newArchived()
	var records []baldr.Record
	for n := range int64(10_000) {
		records = append(records, baldr.Record{Timestamp: n * millisecondsOfADay, Value: []byte("v")}, baldr.Record{Timestamp: 77*millisecondsOfADay + n, Value: []byte("w")})
	}
	a.add(append(records, baldr.Record{Timestamp: -1}, baldr.Record{Timestamp: endOfTime})...)
	root := filepath.Join(t.TempDir(), "lake")
	files := exportTo(t, a, root)
	if len(files) != mostDays+1 {
		t.Errorf("%d files: %v", len(files), slices.Sorted(maps.Keys(files)))
	}
	const own = "topic=orders/date=1970-03-19/00007-00000000000000000000.parquet"
	if files[own] == nil {
		t.Errorf("the day with most records has no file: %v", slices.Sorted(maps.Keys(files)))
	}
	same(t, readBack(t, files), a.records)
}

// exportTo exports into a directory and returns its files.
func exportTo(t *testing.T, a *archived, root string) map[string][]byte {
	t.Helper()
	place, err := InDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}}
	if err := e.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Export(t.Context(), &Summary{}, Part{a.partition(), readback.Everything}); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	err = filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".parquet") {
			var relative string
			if relative, err = filepath.Rel(root, name); err == nil {
				files[filepath.ToSlash(relative)], err = os.ReadFile(name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "_bifrost", "unfinished")); len(left) != 0 {
		t.Errorf("%d unfinished files are left", len(left))
	}
	return files
}

// A file is about as large as what is in it, however large a record is: statistics
// hold no values, and no header's. Those of a key stand in the file twice.
func TestLargeRecordsStandInAFileOnce(t *testing.T) {
	t.Parallel()
	random := make([]byte, 1<<20)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for name, r := range map[string]baldr.Record{
		"value": {Value: random}, "header": {Headers: []baldr.Header{{Value: random}}}, "name of a header": {Headers: []baldr.Header{{Key: random}}}, "key": {Key: random},
	} {
		a := newArchived()
		a.add(r)
		most := len(random) * 11 / 10
		if name == "key" {
			most = len(random) * 31 / 10
		}
		for _, content := range exportTo(t, a, t.TempDir()) {
			if len(content) > most {
				t.Errorf("a %s of %d bytes makes a file of %d", name, len(random), len(content))
			}
		}
	}
}

// Losses stand beside the files, and erased objects that were exported are told.
func TestLosses(t *testing.T) {
	t.Parallel()
	a := newArchived()
	a.add(baldr.Record{Value: []byte("v")})
	a.addRow(bifrost.StateLost, bifrost.ReasonRetention)
	root := t.TempDir()
	exportTo(t, a, root)
	content, err := os.ReadFile(filepath.Join(root, "_bifrost/lost/topic=orders/00007-00000000000000000002.json"))
	if want := `{"topic":"orders","partition":7,"start_offset":2,"end_offset":12,"reason":"retention"}`; err != nil || string(content) != want {
		t.Errorf("%s, %v", content, err)
	}
	a.ledger.Poke(bifrost.Row{Partition: partition, Range: bifrost.Range{Start: 0, End: 2}, State: bifrost.StateLost, GapReason: bifrost.ReasonErased})
	place, err := InDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	var erased []Object
	e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, Erased: func(o Object) { erased = append(erased, o) }}
	if err := e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything}); err != nil || len(erased) != 1 || len(erased[0].Files) != 1 {
		t.Errorf("%v, %v", erased, err)
	}
	// The export was killed before it noted that its files are all there.
	lake := bifrosttest.NewStore()
	for name, content := range exportTo(t, a, root) {
		lake.Put("x/"+name, content)
	}
	if err := os.RemoveAll(filepath.Join(root, "_bifrost/objects")); err != nil {
		t.Fatal(err)
	}
	for _, place := range []Place{place, InBucket(lake, "lake", "x/")} {
		erased = nil
		e.Place = place
		if err := e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything}); err != nil || len(erased) != 1 ||
			fmt.Sprint(erased[0].Files) != "[{topic=orders/date=1970-01-01/00007-00000000000000000000.parquet 0}]" {
			t.Errorf("%s: %v, %v", place, erased, err)
		}
	}
}

// A topic whose name differs in case alone is another one, also where the place cannot tell.
func TestAPlaceThatFoldsCase(t *testing.T) {
	t.Parallel()
	lake := bifrosttest.NewStore()
	for i, topic := range []string{"orders", "Orders"} {
		a := newArchived()
		a.topic = topic
		a.add(baldr.Record{Value: []byte(topic)})
		e := Exporter{Reader: a.reader(), Place: &folding{Place: InBucket(lake, "lake", "x/")}, Options: Options{Layout: 1}}
		err := e.Export(t.Context(), &Summary{}, Part{a.partition(), readback.Everything})
		if i == 0 && err != nil || i == 1 && (err == nil || !strings.Contains(err.Error(), "of topic orders: choose another place")) {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// A folding place has one file for names that differ in case alone, and hears of notes late,
// as if both exports ran at once.
type folding struct{ Place }

func (f *folding) Create(ctx context.Context, name string) (File, error) {
	return f.Place.Create(ctx, strings.ToLower(name))
}

func (f *folding) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	return f.Place.CreateOnce(ctx, strings.ToLower(name), content)
}

func (f *folding) Read(context.Context, string) ([]byte, error) { return nil, bifrost.ErrNotFound }

// A file that is there after its completion failed is there: S3 refuses one of two that
// complete a key at the same moment, and an answer may be lost.
func TestACompletionThatFails(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		lake := bifrosttest.NewStore()
		place := InBucket(&refusing{lake, there}, "lake", "x/")
		f, err := place.Create(t.Context(), "f")
		if err == nil {
			_, err = f.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Complete(t.Context()); (err == nil) != there {
			t.Errorf("the file is there: %v; error %v", there, err)
		}
		f.Abort()
	}
}

// A refusing store says that what it completes has failed.
type refusing struct {
	*bifrosttest.Store
	there bool // all the same
}

func (r *refusing) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	upload, err := r.Store.Create(ctx, key)
	return refusedUpload{upload, r.there}, err
}

type refusedUpload struct {
	bifrost.Upload
	there bool
}

func (r refusedUpload) Complete(ctx context.Context) (bifrost.Stored, error) {
	if r.there {
		if _, err := r.Upload.Complete(ctx); err != nil {
			return bifrost.Stored{}, err
		}
	}
	return bifrost.Stored{}, errors.New("409 ConditionalRequestConflict")
}

// Other options, another archive, and a place that is something else are refused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a := newArchived()
	a.add(baldr.Record{Value: []byte("v")})
	lake := bifrosttest.NewStore()
	begin := func(prefix string, options Options) error {
		e := Exporter{Reader: a.reader(), Place: InBucket(lake, "lake", prefix), Options: options}
		if err := e.Begin(t.Context()); err != nil {
			return err
		}
		return e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything})
	}
	if err := begin("x/", Options{Layout: 1}); err != nil {
		t.Fatal(err)
	}
	for differs, other := range map[string]Options{
		"decode is false there and true here":                                      {Layout: 1, Decode: true},
		"decode_key is false there and true here":                                  {Layout: 1, DecodeKey: true},
		"group is  there and g here":                                               {Layout: 1, Group: "g"},
		"bucket is  there and b here":                                              {Layout: 1, Bucket: "b"},
		"layout is 1 there and 2 here":                                             {Layout: 2},
		"schemas is not given there and other here":                                {Layout: 1, Schemas: "other"},
		"decode is false there and true here, typed is not given there and 7 here": {Layout: 1, Decode: true, Typed: "7"},
	} {
		if err := begin("x/", other); !errors.Is(err, ErrOtherOptions) || !strings.Contains(err.Error(), "options: "+differs+": choose") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	lake.Put("y/photo.jpg", []byte("x"))
	if err := begin("y/", Options{Layout: 1}); err == nil || !strings.Contains(err.Error(), "choose an empty place") {
		t.Errorf("a place with a photo: %v", err)
	}
	row := bifrost.Row{Partition: partition, Range: bifrost.Range{Start: 0, End: 2}, State: bifrost.StateArchived, Facts: bifrost.Facts{Checksum: "another"}}
	a.ledger.Poke(row)
	if err := begin("x/", Options{Layout: 1}); err == nil || !strings.Contains(err.Error(), "from another object") {
		t.Errorf("another object at the same offsets: %v", err)
	}
}

func TestPlacesInBuckets(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"s3://b": "b ", "s3://b/": "b ", "s3://b/x": "b x/", "s3://b/x/y/": "b x/y/"} {
		if bucket, prefix, err := SplitURL(url); err != nil || bucket+" "+prefix != want {
			t.Errorf("%s: %q %q %v", url, bucket, prefix, err)
		}
	}
	for _, url := range []string{"s3://", "s3:///x", "s3://b//x", "s3://b/../x", "s3://b/./x", "gs://b/x", "s3://arn:aws:s3:eu-west-1:1:accesspoint/a", "s3://b/x//"} {
		if bucket, prefix, err := SplitURL(url); err == nil {
			t.Errorf("%s is taken as %q %q", url, bucket, prefix)
		}
	}
	for _, c := range []struct {
		prefix, group string
		inside        bool
	}{
		{"kafka/", "kafka", true}, {"kafka/x/", "kafka", true}, {"kafka2/", "kafka", false}, {"", "kafka", false}, {"lake/", "kafka", false},
		{"", "topic=x", true}, {"", "_bifrost", true}, {"a/", "a/topic=x", true}, {"a/", "a/b", false},
	} {
		if InsideGroup(c.prefix, c.group) != c.inside {
			t.Errorf("%+v", c)
		}
	}
}

// What an export has not finished belongs to it for a day: it may wait for a slow archive, and
// be resumed on a laptop that slept. What is older was left by one that was killed.
func TestUnfinishedFilesAreKeptForADay(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := filepath.Join(root, "_bifrost", "unfinished")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for age, keeps := range map[time.Duration]bool{
		0: true, time.Hour: true, 23*time.Hour + 55*time.Minute: true, 24*time.Hour + 5*time.Minute: false, 48 * time.Hour: false,
	} {
		name, at := filepath.Join(folder, age.String()), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
		kept[age.String()] = keeps
	}
	if _, err := InDirectory(root); err != nil {
		t.Fatal(err)
	}
	for name, want := range kept {
		if _, err := os.Stat(filepath.Join(folder, name)); (err == nil) != want {
			t.Errorf("unfinished for %s: error %v, want that it is kept: %v", name, err, want)
		}
	}
}
