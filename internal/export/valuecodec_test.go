package export

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"sort"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/zstdframe"
)

// alikeRecords draws records whose values have much in common, with null and empty ones between.
func alikeRecords(t *rapid.T) []baldr.Record {
	records := make([]baldr.Record, rapid.IntRange(1, 120).Draw(t, "records"))
	for i := range records {
		records[i] = baldr.Record{Offset: int64(i), Timestamp: -1}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
		case 1:
			records[i].Value = []byte{}
		case 2:
			records[i].Value = bytes.Repeat([]byte("abcdefg"), rapid.IntRange(0, 300).Draw(t, "repeats"))
		default:
			records[i].Value = fmt.Appendf(nil, `{"page":"/shoes/%d","user":%d,"agent":"Mozilla/5.0"}`,
				rapid.IntRange(0, 99999).Draw(t, "page"), rapid.Int().Draw(t, "user"))
		}
	}
	return records
}

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// objectOf is an object with the records.
func objectOf(t require, records []baldr.Record, memberBytes int) []byte {
	t.Helper()
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{MemberBytes: memberBytes})
	for i := range records {
		if err := w.WriteRecord(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(baldr.Summary{Topic: "orders", End: int64(len(records)), LastLeaderEpoch: -1}); err != nil {
		t.Fatal(err)
	}
	return object.Bytes()
}

// read reads an object, with the matches of its records or without.
func read(object []byte, matches bool) iter.Seq2[baldr.Record, error] {
	return baldr.NewReader(bytes.NewReader(object), baldr.ReaderOptions{Matches: matches}).All()
}

// A valueOfFrames is where a value that is in the file stands among the frames of its member.
type valueOfFrames struct {
	begin, end int
	member     int
	column     int64
}

// Matches among the frames of an object become matches among the values of a file: all of
// their bytes that are in values of it on both sides, and no others. (A member whose first values
// are in other files may be taken for the member before. The encoder finds out.)
func TestMatchesArePlaced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := alikeRecords(t)
		elsewhere := rapid.SliceOfN(rapid.IntRange(0, 3), len(records), len(records)).Draw(t, "elsewhere")
		object := objectOf(t, records, rapid.SampledFrom([]int{2000, 1 << 20}).Draw(t, "member"))
		c := &valueCodec{Codec: codec}
		var column []byte
		var values []valueOfFrames // in the file
		first := 0                 // of these, in what is taken for the member
		wanted, member, last := int64(0), 0, 0
		for r, err := range read(object, true) {
			if err != nil {
				t.Fatal(err)
			}
			if r.ValueAt <= last {
				member++
			}
			if last = r.ValueAt; r.Value == nil || elsewhere[r.Offset] == 0 {
				continue
			}
			if len(r.Value) == 0 {
				c.addValue(&r)
				continue
			}
			if n := len(values); n > 0 && r.ValueAt < values[n-1].end {
				first = n
			}
			values = append(values, valueOfFrames{r.ValueAt, r.ValueAt + len(r.Value), member, int64(len(column))})
			column = append(column, r.Value...)
			wanted += bytesInFile(&r, values[first:])
			c.addValue(&r)
		}
		memberOf := func(at int64) int {
			return values[sort.Search(len(values), func(i int) bool { return values[i].column > at })-1].member
		}
		end := int64(0)
		for _, m := range c.matches {
			if m.At < end || m.At+int64(m.Length) > int64(len(column)) || int64(m.Distance) > m.At || m.Length <= 0 {
				t.Fatalf("match %+v behind %d of %d bytes", m, end, len(column))
			}
			end = m.At + int64(m.Length)
			for at := m.At; at < end; at++ {
				from := at - int64(m.Distance)
				if column[at] != column[from] && memberOf(at) == memberOf(from) {
					t.Fatalf("match %+v does not hold at %d", m, at)
				}
			}
			wanted -= int64(m.Length)
		}
		if wanted != 0 {
			t.Fatalf("matches lack %d bytes", wanted)
		}
	})
}

// What of a match comes from a header is not in a file, and the rest is, before the header and
// behind it.
func TestMatchesThatMeetAHeader(t *testing.T) {
	t.Parallel()
	// Two values of 20 bytes, at 8 and 36 among the frames, and one at 64.
	for name, c := range map[string]struct {
		match baldr.Match
		want  []zstdframe.Match
	}{
		"from a header on": {baldr.Match{At: 68, Length: 10, Distance: 64},
			[]zstdframe.Match{{At: 48, Length: 6, Distance: 48}}},
		"up to a header": {baldr.Match{At: 64, Length: 10, Distance: 42},
			[]zstdframe.Match{{At: 40, Length: 6, Distance: 26}}},
		"over a header": {baldr.Match{At: 64, Length: 18, Distance: 42},
			[]zstdframe.Match{{At: 40, Length: 6, Distance: 26}, {At: 54, Length: 4, Distance: 34}}},
		"inside of a header": {baldr.Match{At: 64, Length: 5, Distance: 35}, nil},
		"inside of a value": {baldr.Match{At: 70, Length: 5, Distance: 30},
			[]zstdframe.Match{{At: 46, Length: 5, Distance: 22}}},
	} {
		codec, value := &valueCodec{}, make([]byte, 20)
		for _, at := range []int{8, 36} {
			codec.addValue(&baldr.Record{Value: value, ValueAt: at, Matches: &[]baldr.Match{}})
		}
		codec.addValue(&baldr.Record{Value: value, ValueAt: 64, Matches: &[]baldr.Match{c.match}})
		if !slices.Equal(codec.matches, c.want) {
			t.Errorf("%s: %+v, want %+v", name, codec.matches, c.want)
		}
	}
}

// bytesInFile counts the bytes of a value that are in one of its matches, and repeat a byte of a
// value that is in the file.
func bytesInFile(r *baldr.Record, member []valueOfFrames) (count int64) {
	for _, m := range *r.Matches {
		for at := max(int(m.At), r.ValueAt); at < min(int(m.At)+int(m.Length), r.ValueAt+len(r.Value)); at++ {
			from := at - int(m.Distance)
			if slices.ContainsFunc(member, func(v valueOfFrames) bool { return v.begin <= from && from < v.end }) {
				count++
			}
		}
	}
	return count
}

// However values are cut into pages, a page comes back, also behind a page of nulls, and nothing
// is left of a page that is written.
func TestPagesOfValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := alikeRecords(t)
		object := objectOf(t, records, 1<<20)
		c := &valueCodec{Codec: codec}
		var values [][]byte
		all := int64(0)
		pages := func(n int) {
			for len(values) >= n && len(values) > 0 {
				n := min(rapid.IntRange(1, 50).Draw(t, "page"), len(values))
				expectPage(t, c, values[:n])
				values = values[n:]
			}
		}
		for r, err := range read(object, true) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Value == nil {
				expectPage(t, c, nil)
				continue
			}
			c.addValue(&r)
			values = append(values, bytes.Clone(r.Value))
			all += int64(len(r.Value))
			pages(100)
		}
		pages(1)
		if len(c.lengths) > 0 || len(c.matches) > 0 || c.begin != c.end || c.end != all {
			t.Fatalf("%d values and %d matches are left, %d to %d of %d bytes",
				len(c.lengths), len(c.matches), c.begin, c.end, all)
		}
	})
}

// A match that goes on behind the end of a page is one of the next page too.
func TestAMatchOverTwoPages(t *testing.T) {
	t.Parallel()
	value := bytes.Repeat([]byte("abcdefg"), 300)
	object := objectOf(t, []baldr.Record{{Timestamp: -1, Value: value}, {Offset: 1, Timestamp: -1, Value: value}}, 0)
	c := &valueCodec{Codec: codec}
	for r, err := range read(object, true) {
		if err != nil {
			t.Fatal(err)
		}
		c.addValue(&r)
	}
	c.matches = []zstdframe.Match{{At: 7, Length: int32(2*len(value) - 7), Distance: 7}}
	for page := range 2 {
		if len(c.matches) != 1 {
			t.Errorf("page %d has %d matches", page, len(c.matches))
		}
		if size := expectPage(t, c, [][]byte{value}); size > 60 {
			t.Errorf("page %d has %d bytes", page, size)
		}
	}
	if len(c.matches) > 0 {
		t.Errorf("%d matches are left", len(c.matches))
	}
}

// Records that are all the same become one match of a whole member. Each page of them takes the room
// of a few records: as many as deflate refers back.
func TestPagesOfTheSameRecord(t *testing.T) {
	t.Parallel()
	const ofPage = 3000
	value := []byte(`{"event":"heartbeat","host":"a7f3c2d1-worker-17.eu-west-1","state":"idle","load":0.25}`)
	records := make([]baldr.Record, 4*ofPage)
	for i := range records {
		records[i] = baldr.Record{Offset: int64(i), Timestamp: -1, Value: value}
	}
	c := &valueCodec{Codec: codec}
	var values [][]byte
	for r, err := range read(objectOf(t, records, 0), true) {
		if err != nil {
			t.Fatal(err)
		}
		c.addValue(&r)
		if values = append(values, value); len(values)%ofPage == 100 && len(values) > ofPage { // the next page has begun
			if size := expectPage(t, c, values[:ofPage]); size > 15*len(value) {
				t.Errorf("a page up to offset %d has %d bytes", r.Offset, size)
			}
			values = values[ofPage:]
		}
	}
}

// expectPage compresses a page, and fails unless it comes back. It returns its size.
func expectPage(t require, c *valueCodec, values [][]byte) int {
	t.Helper()
	var data []byte
	ends := []uint32{0}
	for _, v := range values {
		data = append(data, v...)
		ends = append(ends, uint32(len(data)))
	}
	page, err := parquet.DeltaLengthByteArray.EncodeByteArray(nil, data, ends)
	if err != nil {
		t.Fatal(err)
	}
	if len(values) == 0 {
		page = nil
	}
	short, err := c.Encode(nil, page)
	if err != nil {
		t.Fatal(err)
	}
	again, err := codec.Decode(nil, short)
	if err != nil || !bytes.Equal(again, page) {
		t.Fatalf("a page of %d bytes comes back as %d others: %v", len(page), len(again), err)
	}
	return len(short)
}

// pageView is one of many that have much in common.
func pageView(number int) []byte {
	return fmt.Appendf(nil, `{"page":"/shoes/%d","user":%x,"agent":"Mozilla/5.0 (X11; Linux x86_64; rv:109.0)"}`,
		number*7919%500, number*104729)
}

// The matches of an object reach the pages of its values: without a search they are about as
// small as with one, and without matches and a search they would not be.
func TestValuesAreCompressedByTheirMatches(t *testing.T) {
	t.Parallel()
	var records []baldr.Record
	for i := range 3000 {
		records = append(records, baldr.Record{Offset: int64(i), Timestamp: -1, Value: pageView(i)})
	}
	object := objectOf(t, records, 0)
	sizes := map[bool]int{}
	for _, asked := range []bool{true, false} {
		c := &valueCodec{Codec: codec}
		var values [][]byte
		for r, err := range read(object, asked) {
			if err != nil {
				t.Fatal(err)
			}
			c.addValue(&r)
			values = append(values, bytes.Clone(r.Value))
		}
		sizes[asked] = expectPage(t, c, values)
	}
	if sizes[true] == sizes[false] || sizes[true] > sizes[false]*12/10 {
		t.Errorf("%d bytes by matches, %d by a search", sizes[true], sizes[false])
	}
}

// An export asks for the matches: its file is the one that they make.
func TestExportAsksForMatches(t *testing.T) {
	t.Parallel()
	a := newArchived()
	var records []baldr.Record
	for i := range 40 { // a row group of the tests
		records = append(records, baldr.Record{Timestamp: 1_700_000_000_000, Value: pageView(i)})
	}
	a.add(records...)
	files := exportTo(t, a, t.TempDir())
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	for _, content := range files {
		for _, asked := range []bool{true, false} {
			if same := bytes.Equal(content, fileOf(t, a, asked)); same != asked {
				t.Errorf("the file is the one with matches %v: %v", asked, same)
			}
		}
	}
}

// fileOf is the file of the first object, read with or without matches.
func fileOf(t *testing.T, a *archived, matches bool) []byte {
	t.Helper()
	key := bifrost.ObjectKey("g", a.partition(), 0, 0)
	object, err := a.store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := baldr.Open(object, object.Stored().Size, baldr.ReaderOptions{Matches: matches})
	if err != nil {
		t.Fatal(err)
	}
	place, err := InDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := newParquetFile(t.Context(), place, "file", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range file.All() {
		if err != nil {
			t.Fatal(err)
		}
		if err := f.writeRecord(a.number, &r, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.end(); err != nil {
		t.Fatal(err)
	}
	if err := f.complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	content, err := place.Read(t.Context(), "file")
	if err != nil {
		t.Fatal(err)
	}
	return content
}
