package readback_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Objects may end behind their rows: what is behind is read from the rows that follow, once,
// however it is read.
func TestObjectsThatOverlap(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 3)
	random := rand.New(rand.NewPCG(7, 7))
	for range 4 {
		b.archive(b.end()+10, baldr.Options{MemberBytes: 64}, records(random, b.end(), b.end()+10)...)
		row := &b.rows[len(b.rows)-1]
		row.End -= 4 // the next object begins in this one
		b.ledger.Poke(*row)
	}
	last := b.rows[len(b.rows)-1].End
	b.records = slices.DeleteFunc(b.records, func(r baldr.Record) bool { return r.Offset >= last })
	for _, row := range b.rows {
		file, err := b.reader().OpenRow(t.Context(), row)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		var by baldr.MemberReader
		for _, facts := range file.Members() {
			for record, err := range file.Member(facts, &by) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, record.Offset)
			}
		}
		outside := func(offset int64) bool { return offset < row.Start || offset >= row.End }
		if len(got) == 0 || slices.ContainsFunc(got, outside) {
			t.Errorf("members of %s: %v", row.Range, got)
		}
	}
	for _, valuesOnly := range []bool{false, true} {
		for _, within := range []bifrost.Range{{}, {Start: 2, End: last}, {Start: 0, End: last - 1}} {
			q := readback.Query{Partition: b.partition, ValuesOnly: valuesOnly, Offsets: within}
			got := collect(t, b.reader().Records(t.Context(), q))
			var all []int64
			for _, row := range b.rows {
				q.Offsets = row.Range
				if within != (bifrost.Range{}) {
					q.Offsets = row.Range.Within(within)
				}
				q.ValuesOnly = false
				all = append(all, offsets(collect(t, b.reader().Records(t.Context(), q)))...)
			}
			if len(got) != len(all) || len(all) < 12 || !slices.IsSorted(all) {
				t.Errorf("%v of values only %v: %d records, want %v", within, valuesOnly, len(got), all)
			}
		}
	}
}

// A record that is sought by its time is one of the row.
func TestATimeBehindTheRow(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(3, baldr.Options{}, baldr.Record{Offset: 0, Timestamp: 10}, baldr.Record{Offset: 1, Timestamp: 20},
		baldr.Record{Offset: 2, Timestamp: 30})
	for end, want := range map[int64]error{3: nil, 2: readback.ErrNoRecord} {
		row := b.rows[0]
		row.End = end
		file, err := b.reader().OpenRow(t.Context(), row)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := file.Since(15); err != nil || r.Offset != 1 {
			t.Errorf("end %d: %d, %v", end, r.Offset, err)
		}
		if _, err := file.Since(25); !errors.Is(err, want) {
			t.Errorf("end %d: %v, want %v", end, err, want)
		}
		if _, err := file.Since(31); !errors.Is(err, readback.ErrNoRecord) {
			t.Errorf("end %d: %v", end, err)
		}
	}
}

// An object that says anything else of itself than its row is not read.
func TestObjectsOfOtherRows(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 3)
	b.archive(5, baldr.Options{}, baldr.Record{Offset: 1})
	b.archive(9, baldr.Options{}, baldr.Record{Offset: 6})
	for name, change := range map[string]func(*bifrost.Row){
		"topic":     func(r *bifrost.Row) { r.Name = "others" },
		"partition": func(r *bifrost.Row) { r.Number = 4 },
		"start":     func(r *bifrost.Row) { r.Start = 4 },
		"topic ID":  func(r *bifrost.Row) { r.TopicID[15]++ },
	} {
		row := b.rows[1]
		change(&row)
		other := newBucket(row.Name, row.Number)
		other.store = b.store
		other.put(row)
		if _, err := other.reader().OpenRow(t.Context(), row); !errors.Is(err, readback.ErrNotOfRow) {
			t.Errorf("%s: opened, %v", name, err)
		}
		err := firstError(other.reader().Records(t.Context(), readback.Query{Partition: row.Partition}))
		if !errors.Is(err, readback.ErrNotOfRow) || !strings.Contains(err.Error(), row.Facts.Key) {
			t.Errorf("%s: read, %v", name, err)
		}
	}
}

// Keys select records, whatever else is asked for.
func TestKeysAndValuesOnly(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(5, baldr.Options{}, baldr.Record{Offset: 0, Key: []byte("a"), Value: []byte("0")},
		baldr.Record{Offset: 1, Key: []byte("b"), Value: []byte("1")}, baldr.Record{Offset: 2, Key: []byte("a"), Value: []byte("2")})
	for _, valuesOnly := range []bool{false, true} {
		q := readback.Query{Partition: b.partition, ValuesOnly: valuesOnly, Keys: func(key []byte) bool { return string(key) == "a" }}
		got := ""
		for _, r := range collect(t, b.reader().Records(t.Context(), q)) {
			got += string(r.Value)
		}
		if got != "02" {
			t.Errorf("values only %v: %s", valuesOnly, got)
		}
	}
}

// unlisted is a catalogue that fails behind its first pages.
type unlisted struct {
	readback.Catalogue
	from int64
}

var errUnlisted = errors.New("the table is away")

func (c unlisted) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	if from >= c.from {
		return nil, errUnlisted
	}
	return c.Catalogue.Rows(ctx, p, from, limit)
}

// A catalogue that fails half-way is an error of whatever reads by it.
func TestACatalogueThatFails(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.fill(30, rand.New(rand.NewPCG(4, 4)))
	for _, from := range []int64{0, b.end() / 2} {
		reader := b.reader()
		reader.Catalogue = unlisted{b.ledger, from}
		q := readback.Query{Partition: b.partition}
		if err := reader.Measure(t.Context(), q, takesAll()); !errors.Is(err, errUnlisted) {
			t.Errorf("from %d: measured, %v", from, err)
		}
		if err := reader.MeasureAll(t.Context(), []readback.Query{q, q}, takesAll()); !errors.Is(err, errUnlisted) {
			t.Errorf("from %d: measured several, %v", from, err)
		}
		if err := firstError(reader.Records(t.Context(), q)); !errors.Is(err, errUnlisted) {
			t.Errorf("from %d: read, %v", from, err)
		}
	}
}

// An error is the end of a merge, comes before records that are later in other streams, and
// leaves no stream open.
func TestStreamsThatFail(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for name, merge := range map[string]func([]readback.Stream) func(func(readback.Located, error) bool){
		"by time":    func(s []readback.Stream) func(func(readback.Located, error) bool) { return readback.ByTime(s) },
		"one by one": func(s []readback.Stream) func(func(readback.Located, error) bool) { return readback.OneByOne(s) },
	} {
		for _, consumed := range []int{1, 100} {
			open := 0
			stream := func(number int32, fails bool) readback.Stream {
				return readback.Stream{Partition: bifrost.Partition{Name: "s", Number: number}, Records: func(
					yield func(baldr.Record, error) bool,
				) {
					open++
					defer func() { open-- }()
					for n := range int64(3) {
						if fails && n == 1 {
							_ = yield(baldr.Record{}, failed) && yield(baldr.Record{Offset: 99}, nil)
							return
						}
						if !yield(baldr.Record{Offset: n, Timestamp: -10 + n}, nil) {
							return
						}
					}
				}}
			}
			var told []string
			for r, err := range merge([]readback.Stream{stream(0, false), stream(1, true), stream(2, false)}) {
				switch {
				case err != nil:
					told = append(told, err.Error()+" "+r.Partition.String())
				default:
					told = append(told, r.Partition.String())
				}
				if len(told) == consumed {
					break
				}
			}
			want := map[string]string{
				"by time 1": "s/0", "one by one 1": "s/0", "one by one 100": "s/0 s/0 s/0 s/1 failed s/1",
				"by time 100": "s/0 s/1 failed s/1",
			}[name+" "+map[int]string{1: "1", 100: "100"}[consumed]]
			if got := strings.Join(told, " "); got != want || open != 0 {
				t.Errorf("%s, %d: %s, want %s; %d are open", name, consumed, got, want, open)
			}
		}
	}
}

func takesAll() *takes { return &takes{read: func(baldr.MemberFacts, bool) bool { return true }} }
