package readback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

var topicID = bifrost.TopicID{1, 2, 3}

// A bucket is an archive of one partition in memory, beside what went into it.
type bucket struct {
	partition bifrost.Partition
	ledger    *bifrosttest.Ledger
	store     *bifrosttest.Store
	records   []baldr.Record // in archived rows
	rows      []bifrost.Row
}

func newBucket(name string, number int32) *bucket {
	return &bucket{partition: bifrost.Partition{Name: name, Number: number}, ledger: bifrosttest.NewLedger(), store: bifrosttest.NewStore()}
}

// archive adds an ARCHIVED row of the records, from the end of the last row to end.
func (b *bucket) archive(end int64, options baldr.Options, records ...baldr.Record) {
	var object bytes.Buffer
	w := baldr.NewWriter(&object, options)
	for i := range records {
		if err := w.WriteRecord(&records[i]); err != nil {
			panic(err)
		}
	}
	summary, err := w.Close(baldr.Summary{ClusterID: "c", Topic: b.partition.Topic(), TopicID: topicID, Partition: b.partition.Number, Start: b.end(), End: end})
	if err != nil {
		panic(err)
	}
	row := b.row(end, bifrost.StateArchived)
	row.Facts = bifrost.Facts{Key: bifrost.ObjectKey("g", b.partition, row.Start, 0), Range: row.Range, Records: summary.Records,
		FirstTimestamp: summary.FirstTimestamp, LastTimestamp: summary.LastTimestamp}
	b.store.Put(row.Facts.Key, object.Bytes())
	b.put(row)
	b.records = append(b.records, records...)
}

func (b *bucket) row(end int64, state bifrost.State) bifrost.Row {
	return bifrost.Row{Partition: b.partition, Range: bifrost.Range{Start: b.end(), End: end}, TopicID: topicID, State: state}
}

func (b *bucket) put(row bifrost.Row) {
	b.rows = append(b.rows, row)
	b.ledger.Poke(row)
}

func (b *bucket) end() int64 {
	if len(b.rows) == 0 {
		return 0
	}
	return b.rows[len(b.rows)-1].End
}

func (b *bucket) reader() *readback.Reader {
	return &readback.Reader{Catalogue: b.ledger, Objects: b.store, Workers: 2, ReadAhead: 777}
}

// fill archives n rows of random shape with seeded records.
func (b *bucket) fill(n int, random *rand.Rand) {
	for range n {
		end := b.end() + 1 + random.Int64N(60)
		switch random.IntN(6) {
		case 0:
			row := b.row(end, bifrost.StateLost)
			row.GapReason = bifrost.ReasonRetention
			b.put(row)
		case 1:
			b.put(b.row(end, bifrost.StatePlanned))
		default:
			b.archive(end, baldr.Options{MemberBytes: 1 << (6 + random.IntN(6))}, records(random, b.end(), end)...)
		}
	}
}

// records makes records for some of the offsets [start, end).
func records(random *rand.Rand, start, end int64) []baldr.Record {
	var made []baldr.Record
	for offset := start; offset < end; offset++ {
		if random.IntN(4) == 0 {
			continue
		}
		made = append(made, baldr.Record{Offset: offset, Timestamp: random.Int64N(1000), Key: fmt.Appendf(nil, "k%d", offset), Value: fmt.Appendf(nil, "value %d", random.Uint64())})
	}
	return made
}

func collect(t interface{ Fatalf(string, ...any) }, records iter.Seq2[baldr.Record, error]) []baldr.Record {
	var all []baldr.Record
	for record, err := range records {
		if err != nil {
			t.Fatalf("after %d records: %v", len(all), err)
		}
		all = append(all, record.Clone())
	}
	return all
}

func offsets(records []baldr.Record) []int64 {
	var all []int64
	for _, r := range records {
		all = append(all, r.Offset)
	}
	return all
}

func TestAQueryFindsWhatAFilterFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		b := newBucket("orders", 3)
		b.fill(rapid.IntRange(0, 12).Draw(t, "rows"), random)
		query := readback.Query{Partition: b.partition}
		if rapid.Bool().Draw(t, "by offset") {
			start := rapid.Int64Range(0, b.end()+5).Draw(t, "start")
			query.Offsets = bifrost.Range{Start: start, End: start + rapid.Int64Range(1, 200).Draw(t, "length")}
		}
		if rapid.Bool().Draw(t, "by time") {
			query.Times.Since = rapid.Int64Range(0, 1000).Draw(t, "since")
			query.Times.Until = query.Times.Since + rapid.Int64Range(1, 500).Draw(t, "for")
		}
		var want []int64
		for _, r := range b.records {
			inOffsets := query.Offsets == bifrost.Range{} || query.Offsets.Contains(r.Offset)
			inTimes := query.Times == readback.Times{} || r.Timestamp >= query.Times.Since && r.Timestamp < query.Times.Until
			if inOffsets && inTimes {
				want = append(want, r.Offset)
			}
		}
		got := collect(t, b.reader().Records(t.Context(), query))
		if !slices.Equal(offsets(got), want) {
			t.Fatalf("query %+v over rows %v:\ngot  %v\nwant %v", query, b.rows, offsets(got), want)
		}
	})
}

func TestValuesOnlyGivesTheSameValues(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.fill(20, rand.New(rand.NewPCG(7, 7)))
	got := collect(t, b.reader().Records(t.Context(), readback.Query{Partition: b.partition, ValuesOnly: true}))
	if len(got) == 0 || len(got) != len(b.records) {
		t.Fatalf("%d records, want %d", len(got), len(b.records))
	}
	for i, r := range got {
		if !bytes.Equal(r.Value, b.records[i].Value) {
			t.Fatalf("record %d: %q, want %q", i, r.Value, b.records[i].Value)
		}
	}
}

func TestWhatHasNoRecordsIsReported(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(2, baldr.Options{}, baldr.Record{Offset: 0, Value: []byte("a")})
	lost := b.row(5, bifrost.StateLost)
	b.put(lost)
	planned := b.row(9, bifrost.StatePlanned)
	b.put(planned)
	b.archive(10, baldr.Options{}, baldr.Record{Offset: 9, Value: []byte("b")})
	var skipped []bifrost.Row
	reader := b.reader()
	reader.Skipped = func(r bifrost.Row) { skipped = append(skipped, r) }
	got := collect(t, reader.Records(t.Context(), readback.Query{Partition: b.partition}))
	if !slices.Equal(offsets(got), []int64{0, 9}) {
		t.Errorf("offsets %v, want 0 and 9", offsets(got))
	}
	if !slices.Equal(skipped, []bifrost.Row{lost, planned}) {
		t.Errorf("skipped %v, want %v and %v", skipped, lost, planned)
	}
}

// Another stack may have written an object that reaches beyond this table's row.
func TestAnObjectIsReadToTheEndOfItsRow(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(10, baldr.Options{}, records(rand.New(rand.NewPCG(3, 3)), 0, 10)...)
	row := b.rows[0]
	row.End = 4
	b.ledger.Poke(row)
	b.ledger.Poke(bifrost.Row{Partition: b.partition, Range: bifrost.Range{Start: 4, End: 10}, TopicID: topicID, State: bifrost.StatePlanned})
	for _, valuesOnly := range []bool{false, true} {
		got := collect(t, b.reader().Records(t.Context(), readback.Query{Partition: b.partition, ValuesOnly: valuesOnly}))
		want := slices.DeleteFunc(slices.Clone(b.records), func(r baldr.Record) bool { return r.Offset >= 4 })
		if len(got) != len(want) {
			t.Errorf("values only %v: %d records, want %d", valuesOnly, len(got), len(want))
		}
	}
}

func TestObjectsOfValuesOnlyAreReadWhole(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(10, baldr.Options{ValuesOnly: true}, records(rand.New(rand.NewPCG(3, 3)), 0, 10)...)
	if got := collect(t, b.reader().Records(t.Context(), readback.Query{Partition: b.partition})); len(got) != len(b.records) {
		t.Errorf("%d records, want %d", len(got), len(b.records))
	}
	for _, q := range []readback.Query{
		{Partition: b.partition, Offsets: bifrost.Range{Start: 3, End: 10}},
		{Partition: b.partition, Offsets: bifrost.Range{Start: 0, End: 5}},
	} {
		if err := firstError(b.reader().Records(t.Context(), q)); !errors.Is(err, baldr.ErrNoEnvelope) {
			t.Errorf("%v: %v, want ErrNoEnvelope", q.Offsets, err)
		}
	}
}

func firstError(records iter.Seq2[baldr.Record, error]) error {
	for _, err := range records {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	for _, damage := range []struct {
		name string
		do   func(*bucket, string)
		want string
	}{
		{"deleted", func(b *bucket, key string) { b.store.Delete(key) }, "bifrost verify"},
		{"cut", func(b *bucket, key string) {
			whole := b.store.Versions(key)[0]
			b.store.Put(key, whole[:len(whole)/2])
		}, "bifrost verify --deep"},
		{"swapped", func(b *bucket, key string) {
			other := newBucket("others", 0)
			other.archive(5, baldr.Options{}, baldr.Record{Offset: 1})
			b.store.Put(key, other.store.Versions(other.rows[0].Facts.Key)[0])
		}, "holds topic others"},
	} {
		t.Run(damage.name, func(t *testing.T) {
			t.Parallel()
			b := newBucket("orders", 0)
			b.archive(5, baldr.Options{}, baldr.Record{Offset: 1, Value: []byte("x")})
			key := b.rows[0].Facts.Key
			damage.do(b, key)
			err := firstError(b.reader().Records(t.Context(), readback.Query{Partition: b.partition}))
			if err == nil || !strings.Contains(err.Error(), damage.want) || !strings.Contains(err.Error(), key) {
				t.Errorf("error %v, want one that names %s and says %q", err, key, damage.want)
			}
		})
	}
}

func TestStoppingEarlyLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.fill(40, rand.New(rand.NewPCG(9, 9)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 50 {
		for range b.reader().Records(ctx, readback.Query{Partition: b.partition}) {
			break
		}
	}
	if ctx.Err() != nil {
		t.Fatal("reading the first record 50 times took a minute")
	}
}

// A reader that was told to stop must not look like one that has read all.
func TestACanceledReadIsAnError(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.fill(40, rand.New(rand.NewPCG(9, 9)))
	for after := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var last error
		for _, err := range b.reader().Records(ctx, readback.Query{Partition: b.partition}) {
			if last = err; n == after {
				cancel()
			}
			n++
		}
		if !errors.Is(last, context.Canceled) && n < len(b.records) {
			t.Errorf("canceled after %d records: %v after %d of %d", after, last, n, len(b.records))
		}
		cancel()
	}
}

func TestFindCostsTwoReads(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 2)
	random := rand.New(rand.NewPCG(5, 5))
	for range 5 {
		end := b.end() + 3000
		b.archive(end, baldr.Options{MemberBytes: 4096}, records(random, b.end(), end)...)
	}
	counted := &bifrosttest.Reads{Objects: b.store}
	reader := &readback.Reader{Catalogue: b.ledger, Objects: counted}
	for range 100 {
		want := b.records[random.IntN(len(b.records))]
		counted.Count.Store(0)
		got, err := reader.Find(t.Context(), b.partition, want.Offset)
		if err != nil || !bytes.Equal(got.Value, want.Value) || !bytes.Equal(got.Key, want.Key) || got.Timestamp != want.Timestamp {
			t.Fatalf("offset %d: %+v, %v; want %+v", want.Offset, got, err, want)
		}
		if n := counted.Count.Load(); n > 2 {
			t.Fatalf("offset %d took %d reads of the store, at most 2 are allowed", want.Offset, n)
		}
	}
}

func TestFindSaysWhyThereIsNoRecord(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 2)
	b.archive(3, baldr.Options{}, baldr.Record{Offset: 1, Value: []byte("x")})
	lost := b.row(5, bifrost.StateLost)
	lost.GapReason = bifrost.ReasonRetention
	b.put(lost)
	b.put(b.row(9, bifrost.StatePlanned))
	b.ledger.PokeProgress(bifrost.Progress{Partition: b.partition, NextOffset: 5})
	for _, c := range []struct {
		offset int64
		is     error
		says   string
	}{
		{0, readback.ErrNoRecord, "compacted"},
		{2, readback.ErrNoRecord, "transaction marker"},
		{4, readback.ErrNoRecord, "retention"},
		{6, bifrost.ErrNotFound, "flush"},
		{9, bifrost.ErrNotFound, "ends at 5"},
	} {
		_, err := b.reader().Find(t.Context(), b.partition, c.offset)
		if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("offset %d: %v, want %v that says %q", c.offset, err, c.is, c.says)
		}
	}
	_, err := b.reader().Find(t.Context(), bifrost.Partition{Name: "none"}, 0)
	if !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("a partition that is not there: %v", err)
	}
}

func TestLastOffsetsHoldTheLastRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBucket("orders", 0)
		b.fill(rapid.SampledFrom([]int{0, 1, 3, 8, 49, 51, 60}).Draw(t, "rows"), rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed"))))
		n := rapid.Int64Range(1, 3000).Draw(t, "n")
		found, skip, err := b.reader().LastOffsets(t.Context(), b.partition, n)
		if err != nil {
			t.Fatal(err)
		}
		got := collect(t, b.reader().Records(t.Context(), readback.Query{Partition: b.partition, Offsets: found}))
		want := b.records[max(0, int64(len(b.records))-n):]
		if !slices.Equal(offsets(got[skip:]), offsets(want)) {
			t.Fatalf("last %d: got %v, want %v", n, offsets(got[skip:]), offsets(want))
		}
		for _, row := range b.rows { // what is read in vain is less than one object
			if row.Start == found.Start && row.State == bifrost.StateArchived && skip > 0 && skip >= row.Facts.Records {
				t.Fatalf("last %d: the first %d records, from offset %d on, are not wanted", n, skip, found.Start)
			}
		}
	})
}

// A store that fails in the middle is an error of the read, never a short success.
func TestAFailingReadIsAnError(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	random := rand.New(rand.NewPCG(1, 1))
	b.archive(3000, baldr.Options{MemberBytes: 2048}, records(random, 0, 3000)...)
	reader, failures := b.reader(), 0
	for fail := range int64(20) {
		reader.Objects = &bifrosttest.Reads{Objects: b.store, Fail: func(number int64) error {
			if number == fail {
				return errStore
			}
			return nil
		}}
		n := 0
		var err error
		for _, err = range reader.Records(t.Context(), readback.Query{Partition: b.partition}) {
			if err == nil {
				n++
			}
		}
		switch {
		case err == nil && n != len(b.records):
			t.Fatalf("read %d failed: %d of %d records and no error", fail, n, len(b.records))
		case err != nil && !errors.Is(err, errStore):
			t.Fatalf("read %d failed: %v", fail, err)
		case err != nil:
			failures++
		}
	}
	// The last reads are of the index, which nobody waits for.
	if failures < 10 {
		t.Errorf("only %d of 20 failing reads were errors", failures)
	}
}

var errStore = errors.New("the store is away")

func TestByTimeKeepsEachOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var streams []readback.Stream
		total := 0
		for i := range rapid.IntRange(0, 5).Draw(t, "streams") {
			times := rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "times")
			total += len(times)
			streams = append(streams, readback.Stream{Partition: bifrost.Partition{Name: "t", Number: int32(i)}, Records: func(yield func(baldr.Record, error) bool) {
				for offset, at := range times {
					if !yield(baldr.Record{Offset: int64(offset), Timestamp: at}, nil) {
						return
					}
				}
			}})
		}
		next := make([]int64, len(streams))
		latest := make([]int64, len(streams)) // timestamp of each stream's last record
		n := 0
		for r, err := range readback.ByTime(streams) {
			if err != nil || r.Offset != next[r.Partition.Number] {
				t.Fatalf("partition %d: offset %d, want %d (%v)", r.Partition.Number, r.Offset, next[r.Partition.Number], err)
			}
			next[r.Partition.Number]++
			latest[r.Partition.Number] = r.Timestamp
			n++
		}
		if n != total {
			t.Fatalf("%d records, want %d", n, total)
		}
	})
	// With sorted streams the whole is sorted.
	sorted := []readback.Stream{stamped(0, 1, 4, 9), stamped(1, 2, 4, 5), stamped(2, 0, 10)}
	var got []string
	for r := range readback.ByTime(sorted) {
		got = append(got, fmt.Sprintf("%d@%d", r.Partition.Number, r.Timestamp))
	}
	if want := "2@0 0@1 1@2 0@4 1@4 1@5 0@9 2@10"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func stamped(partition int32, times ...int64) readback.Stream {
	return readback.Stream{Partition: bifrost.Partition{Number: partition}, Records: func(yield func(baldr.Record, error) bool) {
		for i, at := range times {
			if !yield(baldr.Record{Offset: int64(i), Timestamp: at}, nil) {
				return
			}
		}
	}}
}

func TestStreamsOfEveryKind(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(30, baldr.Options{}, records(rand.New(rand.NewPCG(1, 1)), 0, 30)...)
	object := b.store.Versions(b.rows[0].Facts.Key)[0]
	got := collect(t, readback.StreamRecords(io.MultiReader(bytes.NewReader(object), bytes.NewReader(object)), baldr.ReaderOptions{}))
	if len(got) != 2*len(b.records) {
		t.Errorf("%d records of two objects one after the other, want %d", len(got), 2*len(b.records))
	}
}

func TestTopicSuggestsNames(t *testing.T) {
	t.Parallel()
	all := []bifrost.Progress{{Partition: bifrost.Partition{Name: "orders", Number: 1}}, {Partition: bifrost.Partition{Name: "orders", Number: 0}}, {Partition: bifrost.Partition{Name: "clicks"}}}
	found, err := readback.Topic(all, "orders")
	if err != nil || len(found) != 2 || found[0].Number != 0 {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := readback.Topic(all, "order"); err == nil || !strings.Contains(err.Error(), `"orders"`) {
		t.Errorf("error %v does not suggest orders", err)
	}
	if _, err := readback.Topic(nil, "orders"); err == nil || !strings.Contains(err.Error(), "nothing is archived yet") {
		t.Errorf("error %v does not say that nothing is archived", err)
	}
}
