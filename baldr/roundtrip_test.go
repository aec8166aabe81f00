package baldr

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// anyRecords draws records as different from each other as Kafka allows.
func anyRecords(t *rapid.T) []Record {
	nullable := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 40), rapid.Map(rapid.IntRange(0, 5000), func(n int) []byte {
		return bytes.Repeat([]byte("abcdef"), n)[:n]
	}))
	header := rapid.Custom(func(t *rapid.T) Header {
		return Header{Key: rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "header key"), Value: nullable.Draw(t, "header value")}
	})
	gap := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<40))
	timestamp := rapid.OneOf(rapid.Just(int64(-1)), rapid.Int64Range(1_600_000_000_000, 1_600_000_001_000), rapid.Int64())
	next := gap.Draw(t, "start")
	record := rapid.Custom(func(t *rapid.T) Record {
		r := Record{Offset: next, Timestamp: timestamp.Draw(t, "timestamp"), Key: nullable.Draw(t, "key"), Value: nullable.Draw(t, "value")}
		if rapid.Bool().Draw(t, "log append time") {
			r.TimestampType = LogAppendTime
		}
		if headers := rapid.SliceOfN(header, 0, 3).Draw(t, "headers"); len(headers) > 0 {
			r.Headers = headers
		}
		next += 1 + gap.Draw(t, "gap")
		return r
	})
	return rapid.SliceOfN(record, 0, 30).Draw(t, "records")
}

func write(t require, records []Record, opts Options) ([]byte, Summary) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, opts)
	s := Summary{ClusterID: "cluster", Topic: "page-views", TopicID: [16]byte{1, 2, 15: 16}, Partition: 3, End: 1, LastLeaderEpoch: 7, Writer: "test"}
	for i := range records {
		check(t, w.WriteRecord(&records[i]))
		s.End = records[i].Offset + 1
	}
	s, err := w.Close(s)
	check(t, err)
	if w.StoredBytes() != int64(b.Len()) {
		t.Fatalf("StoredBytes is %d, the object has %d", w.StoredBytes(), b.Len())
	}
	return b.Bytes(), s
}

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func check(t require, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func collect(t require, records iter.Seq2[Record, error]) []Record {
	t.Helper()
	got, err := gather(records)
	check(t, err)
	return got
}

func gather(records iter.Seq2[Record, error]) ([]Record, error) {
	var got []Record
	for r, err := range records {
		if err != nil {
			return got, err
		}
		got = append(got, r.Clone())
	}
	return got, nil
}

func sameRecords(t require, what string, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(normal(got[i]), normal(want[i])) {
			t.Fatalf("%s: record %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// normal makes equal what means the same: a header's key is never null.
func normal(r Record) Record {
	r = r.Clone()
	for i := range r.Headers {
		r.Headers[i].Key = append([]byte{}, r.Headers[i].Key...)
	}
	return r
}

func valuesOnly(records []Record) []Record {
	values := make([]Record, len(records))
	for i := range records {
		values[i] = records[i].valueOnly()
	}
	return values
}

func open(t require, object []byte, opts ReaderOptions) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(object), int64(len(object)), opts)
	check(t, err)
	return f
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords(t)
		opts := Options{
			Level:       rapid.IntRange(0, 9).Draw(t, "level"),
			Workers:     rapid.IntRange(0, 3).Draw(t, "workers"),
			MemberBytes: rapid.SampledFrom([]int{0, 1, 100, 3000, 20000}).Draw(t, "member bytes"),
		}
		object, summary := write(t, records, opts)
		reader := NewReader(bytes.NewReader(object), ReaderOptions{})
		sameRecords(t, "stream", collect(t, reader.All()), records)
		if got, ok := reader.Summary(); !ok || got != summary {
			t.Fatalf("summary %+v, want %+v", got, summary)
		}
		sameRecords(t, "values", collect(t, NewReader(bytes.NewReader(object), ReaderOptions{ValuesOnly: true}).All()), valuesOnly(records))
		for workers := range 3 {
			file := open(t, object, ReaderOptions{Workers: workers})
			sameRecords(t, fmt.Sprint("file ", workers), collect(t, file.All()), records)
			sameRecords(t, fmt.Sprint("file values ", workers), collect(t, open(t, object, ReaderOptions{Workers: workers, ValuesOnly: true}).All()), valuesOnly(records))
			if file.Summary() != summary {
				t.Fatalf("file: summary %+v, want %+v", file.Summary(), summary)
			}
		}
		seekAll(t, object, records)
	})
}

// seekAll seeks to every record, between and beyond, by offset and by time.
func seekAll(t require, object []byte, records []Record) {
	t.Helper()
	files := map[string]*File{"full": open(t, object, ReaderOptions{}), "values": open(t, object, ReaderOptions{ValuesOnly: true})}
	for name, file := range files {
		for i, r := range append(records, Record{Offset: 1 << 60, Timestamp: 1 << 62}) {
			for _, offset := range []int64{r.Offset - 1, r.Offset, r.Offset + 1} {
				j := slices.IndexFunc(records, func(r Record) bool { return r.Offset >= offset })
				expectFrom(t, fmt.Sprint(name, " from ", offset), file.From(offset), records, j, name == "values")
			}
			for _, timestamp := range []int64{r.Timestamp, r.Timestamp + 1} {
				if timestamp < 0 {
					continue
				}
				j := slices.IndexFunc(records, func(r Record) bool { return r.Timestamp >= timestamp })
				expectFrom(t, fmt.Sprint(name, " since ", timestamp, " of ", i), file.Since(timestamp), records, j, name == "values")
			}
		}
	}
}

func expectFrom(t require, what string, got iter.Seq2[Record, error], records []Record, from int, values bool) {
	t.Helper()
	want := []Record{}
	if from >= 0 {
		want = records[from:]
	}
	if values {
		want = valuesOnly(want)
	}
	sameRecords(t, what, collect(t, got), want)
}

func TestSameBytesForAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords(t)
		opts := Options{Level: rapid.IntRange(0, 9).Draw(t, "level"), MemberBytes: rapid.IntRange(1, 20000).Draw(t, "member bytes")}
		want, _ := write(t, records, opts)
		for _, workers := range []int{1, 2, 16} {
			opts.Workers = workers
			if got, _ := write(t, records, opts); !bytes.Equal(got, want) {
				t.Fatalf("%d workers write other bytes than one", workers)
			}
		}
	})
}

func TestValuesOnlyAndSingleMember(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords(t)
		for _, opts := range []Options{{ValuesOnly: true, MemberBytes: 3000}, {SingleMember: true}} {
			object, summary := write(t, records, opts)
			reader := NewReader(bytes.NewReader(object), ReaderOptions{})
			sameRecords(t, "stream", collect(t, reader.All()), valuesOnly(records))
			if got, ok := reader.Summary(); !ok || got != summary {
				t.Fatalf("summary %+v, want %+v", got, summary)
			}
			file := open(t, object, ReaderOptions{Workers: 2})
			sameRecords(t, "file", collect(t, file.All()), valuesOnly(records))
			if file.Summary() != summary {
				t.Fatalf("file: summary %+v, want %+v", file.Summary(), summary)
			}
			if len(records) > 1 && opts.SingleMember {
				_, err := gather(file.From(records[1].Offset))
				if !errors.Is(err, ErrNoEnvelope) {
					t.Fatalf("seek without an envelope: %v", err)
				}
			}
		}
	})
}
