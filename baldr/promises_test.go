package baldr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A copy tells null from empty wherever its record does, and shares no memory with it.
func TestACopyIsTheRecord(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, {}, []byte("key")} {
		for _, value := range [][]byte{nil, {}, []byte("value")} {
			of := func() Record {
				return Record{
					Offset: 1, Timestamp: 2, TimestampType: LogAppendTime,
					Key: slices.Clone(key), Value: slices.Clone(value),
					Headers: []Header{
						{Key: []byte("one"), Value: slices.Clone(value)}, {Key: []byte("two"), Value: slices.Clone(key)},
					},
				}
			}
			r := of()
			c := r.Clone()
			if !reflect.DeepEqual(c, r) {
				t.Errorf("the copy of %#v is %#v", r, c)
			}
			for _, b := range [][]byte{c.Key, c.Value, c.Headers[0].Key, c.Headers[0].Value, c.Headers[1].Value} {
				for i := range b {
					b[i] = '!'
				}
			}
			c.Headers[1] = Header{}
			if !reflect.DeepEqual(r, of()) {
				t.Errorf("a change of the copy is one of the record: %#v", r)
			}
		}
	}
	if c := (&Record{}).Clone(); c.Headers != nil {
		t.Error("the copy has headers")
	}
}

// An append to what was lent does not write over what comes next.
func TestWhatIsLentMayBeAppendedTo(t *testing.T) {
	t.Parallel()
	want := manyRecords(50)
	for i := range want {
		want[i].Headers = []Header{{Key: []byte("a"), Value: fmt.Append(nil, i)}, {Key: []byte("b"), Value: []byte("x")}}
	}
	object, _ := write(t, want, Options{MemberBytes: 500})
	for name, all := range map[string]func(func(Record, error) bool){
		"stream": NewReader(bytes.NewReader(object), ReaderOptions{}).All(),
		"file":   open(t, object, ReaderOptions{}).All(),
		"plain":  NewReader(bytes.NewReader(plainBaldr(t, [][]byte{want[0].Value, want[1].Value, want[2].Value})), ReaderOptions{}).All(),
	} {
		n := 0
		for r, err := range all {
			check(t, err)
			if !bytes.Equal(r.Value, want[n].Value) || name != "plain" && !reflect.DeepEqual(r.Clone(), want[n]) {
				t.Fatalf("%s: record %d is %v, want %v", name, n, r, want[n])
			}
			some := [][]byte{r.Key, r.Value}
			for _, h := range r.Headers {
				some = append(some, h.Key, h.Value)
			}
			for _, b := range some {
				_ = append(b, "overwritten by whoever has borrowed it"...)
			}
			n++
		}
		if n < 3 {
			t.Errorf("%s: %d records", name, n)
		}
	}
}

// What Next has returned last it returns for ever: an end, a verdict, or a failure.
func TestAnErrorStays(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(50), Options{MemberBytes: 500})
	damagedObject := bytes.Clone(object)
	damagedObject[len(object)/3] ^= 0xff
	for name, file := range map[string][]byte{
		"whole": object, "cut": object[:len(object)/2], "damaged": damagedObject, "empty": nil, "plain": plainBaldr(t, [][]byte{{1}}), "plain and cut": {0, 0, 0},
	} {
		r := NewReader(bytes.NewReader(file), ReaderOptions{})
		_, first := r.Next()
		for first == nil {
			_, first = r.Next()
		}
		for range 3 {
			if _, err := r.Next(); err != first { //nolint:errorlint // the very same
				t.Errorf("%s: %v after %v", name, err, first)
			}
		}
	}
}

// No record of a member comes before its checksum has been compared: what would come could be
// anything, even if all of it is right in the end.
func TestNoRecordBeforeItsChecksum(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(60), Options{MemberBytes: 1000})
	first := open(t, object, ReaderOptions{}).members[0]
	for name, read := range map[string]func([]byte, ReaderOptions) ([]Record, Summary, error){"stream": readAll, "file": openAll} {
		for _, opts := range []ReaderOptions{{}, {ValuesOnly: true}} {
			for i := range int64(8) {
				flipped := bytes.Clone(object)
				flipped[first.position+first.storedBytes-1-i] ^= 0x10
				if records, _, err := read(flipped, opts); !errors.Is(err, ErrDamaged) || len(records) > 0 {
					t.Errorf("%s, %+v, %d bytes before the end of the member: %d records, %v", name, opts, i, len(records), err)
				}
			}
		}
	}
}

// columnBytes are a column of an envelope as it is stored.
func columnBytes(column byte, content ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{column}, uint32(len(content))), content...)
}

// An envelope is that of its records, to the last byte of each column.
func TestEnvelopesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		columns [][]byte
		last    int64
		good    bool
	}{
		"none":                               {nil, 101, true},
		"offsets":                            {[][]byte{columnBytes(columnOffsets, 3, 4)}, 108, true},
		"another last offset":                {[][]byte{columnBytes(columnOffsets, 3, 4)}, 107, false},
		"no offsets, and another last one":   {nil, 102, false},
		"an offset that is left":             {[][]byte{columnBytes(columnOffsets, 0, 0, 0)}, 101, false},
		"an offset too few":                  {[][]byte{columnBytes(columnOffsets, 0)}, 101, false},
		"a time that is left":                {[][]byte{columnBytes(columnTimestamps, 0, 0, 0)}, 101, false},
		"flags that are left":                {[][]byte{columnBytes(columnFlags, 0, 0, 0)}, 101, false},
		"a byte of a key that is left":       {[][]byte{columnBytes(columnKeyLengths, 0, 2), columnBytes(columnKeys, 'a', 'b')}, 101, false},
		"keys of their sizes":                {[][]byte{columnBytes(columnKeyLengths, 0, 3), columnBytes(columnKeys, 'a', 'b')}, 101, true},
		"a key too short":                    {[][]byte{columnBytes(columnKeyLengths, 0, 4), columnBytes(columnKeys, 'a', 'b')}, 101, false},
		"a header that is left":              {[][]byte{columnBytes(columnHeaderCounts, 0, 0), columnBytes(columnHeaderLengths, 0)}, 101, false},
		"a byte of a header's value is left": {[][]byte{columnBytes(columnHeaderValues, 'a')}, 101, false},
		"a column twice":                     {[][]byte{columnBytes(columnFlags, 0, 0), columnBytes(columnFlags, 0, 0)}, 101, false},
		"a column twice, the second empty":   {[][]byte{columnBytes(columnFlags, 0, 0), columnBytes(columnFlags)}, 101, false},
		"a column twice, the first empty":    {[][]byte{columnBytes(columnFlags), columnBytes(columnFlags, 0, 0)}, 101, false},
		"a column of a later version":        {[][]byte{columnBytes(columnsEnd, 1, 2, 3)}, 101, true},
		"a column that is cut":               {[][]byte{columnBytes(columnFlags, 0, 0)[:6]}, 101, false},
		"the beginning of a column":          {[][]byte{columnBytes(columnFlags, 0, 0)[:4]}, 101, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decoder{
				facts: member{records: 2, lastOffset: c.last}, ends: []int{frameHeaderBytes, 2 * frameHeaderBytes},
				frames: make([]byte, 2*frameHeaderBytes), left: 2,
			}
			err := d.envelope.begin(bytes.Join(c.columns, nil), 100)
			for err == nil {
				_, err = d.next()
			}
			if (err == io.EOF) != c.good { //nolint:errorlint // the end is io.EOF itself
				t.Errorf("%v", err)
			}
		})
	}
}

// A small file is read wherever its index begins: in the piece that is read first, at its very
// beginning, or before it.
func TestAnIndexAroundTheBeginningOfTheTail(t *testing.T) {
	t.Parallel()
	records := manyRecords(400)
	filled := func(n int) []byte {
		var object bytes.Buffer
		w := NewWriter(&object, Options{MemberBytes: 1, Level: 1})
		for i := range records {
			check(t, w.WriteRecord(&records[i]))
		}
		_, err := w.Close(Summary{End: 400, Writer: strings.Repeat("w", n)})
		check(t, err)
		return object.Bytes()
	}
	end := func(object []byte) int {
		footer, err := parseFooter(object[len(object)-footerBytes-14:][:footerBytes])
		check(t, err)
		return len(object) - int(footer.indexAt)
	}
	least := TailBytes - end(filled(0))
	seen := map[int]bool{}
	for n := least - 15; n <= least+15; n++ {
		object := filled(n)
		seen[end(object)-TailBytes] = true
		file, err := Open(bytes.NewReader(object), int64(len(object)), ReaderOptions{})
		if err != nil || len(file.members) != len(records) {
			t.Errorf("the index begins %d bytes before the tail: %v", end(object)-TailBytes, err)
		}
	}
	if !seen[0] || !seen[-1] || !seen[1] {
		t.Errorf("indexes begin at %v", seen)
	}
}

// MemoryBytes bounds what is taken for an index, however large its object is.
func TestMemoryOfAnIndexIsNotThatOfItsObject(t *testing.T) {
	t.Parallel()
	var object bytes.Buffer
	w := NewWriter(&object, Options{MemberBytes: 1, Level: 1})
	value := noise(600)
	for offset := range int64(8000) {
		check(t, w.WriteRecord(&Record{Offset: offset, Timestamp: offset, Key: fmt.Append(nil, offset), Value: value}))
	}
	_, err := w.Close(Summary{End: 8000})
	check(t, err)
	memory := 3 << 20
	if object.Len() < memory+TailBytes {
		t.Fatalf("an object of %d bytes is no large one", object.Len())
	}
	counted := &reads{ReaderAt: bytes.NewReader(object.Bytes())}
	if _, err := Open(counted, int64(object.Len()), ReaderOptions{MemoryBytes: memory}); err != nil || len(counted.take()) != 2 {
		t.Errorf("%v", err)
	}
}

// The beginning of a gzip file is one that was cut, and a whole one without our subfields is foreign,
// from the least there is.
func TestTheLeastForeignFile(t *testing.T) {
	t.Parallel()
	file := gzipped(t, []byte("hello"))
	for length := 1; length <= len(file); length++ {
		_, err := Open(bytes.NewReader(file[:length]), int64(length), ReaderOptions{})
		if length < leastGzipBytes {
			expectVerdict(t, err, io.ErrUnexpectedEOF)
		} else if !errors.Is(err, ErrNotBaldr) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

// Of an object of values the members can be found whose first record is asked for, and no
// record in the middle of one.
func TestValuesAreFoundWhereAMemberBegins(t *testing.T) {
	t.Parallel()
	records := manyRecords(200)
	object, _ := write(t, records, Options{ValuesOnly: true, MemberBytes: 1000})
	for _, m := range open(t, object, ReaderOptions{}).members {
		for workers := range 3 {
			f := open(t, object, ReaderOptions{Workers: workers})
			sameRecords(t, "from the first", collect(t, f.From(m.firstOffset)), valuesOnly(records[m.firstOffset:]))
			if _, err := gather(f.From(m.firstOffset + 1)); !errors.Is(err, ErrNoEnvelope) {
				t.Errorf("from the second: %v", err)
			}
		}
	}
}

// A MemberReader reads whole records, also of a File that reads values; a Reader asks nobody
// which keys he wants.
func TestOptionsThatAReaderIgnores(t *testing.T) {
	t.Parallel()
	records := manyRecords(200)
	object, _ := write(t, records, Options{MemberBytes: 1000})
	f := open(t, object, ReaderOptions{ValuesOnly: true})
	var reader MemberReader
	var got []Record
	for facts := range f.Members() {
		some, err := gather(reader.Records(f, facts))
		check(t, err)
		got = append(got, some...)
	}
	sameRecords(t, "of members", got, records)
	none := ReaderOptions{Keys: func([]byte) bool { return false }}
	sameRecords(t, "of a stream", collect(t, NewReader(bytes.NewReader(object), none).All()), records)
}

// The memory that a pipeline counts is that of the members it has.
func TestAPipelineGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(2000), Options{MemberBytes: 1000})
	for _, workers := range []int{1, 3} {
		f := open(t, object, ReaderOptions{Workers: workers})
		p := &pipeline{f: f}
		p.run(nil, func(Record, error) bool { return true })
		if p.memory != 0 || len(p.loading) > 0 {
			t.Errorf("%d workers: %d bytes are left of %d members", workers, p.memory, len(f.members))
		}
	}
}

// The chunks of an envelope come before their data member, and before nothing else.
func TestAnEnvelopeWithoutItsMember(t *testing.T) {
	t.Parallel()
	object := forge(t, forgery{})
	data := open(t, object, ReaderOptions{}).members[0]
	stray, _ := appendSpilled(nil, typeEnvelope, make([]byte, maxExtraBytes), 0)
	if len(stray) == 0 {
		t.Fatal("no chunk")
	}
	at := data.position + data.storedBytes
	_, _, err := readAll(append(append(bytes.Clone(object[:at]), stray...), object[at:]...), ReaderOptions{})
	expectVerdict(t, err, ErrDamaged)
	if err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("%v, want one that says what is out of order", err)
	}
}

// A verdict about a frame says where it begins, after any number of frames before it.
func TestTheVerdictAboutAFrameSaysWhereItIs(t *testing.T) {
	t.Parallel()
	values := [][]byte{[]byte("hello"), {}, bytes.Repeat([]byte("x"), 3*frameBufferBytes), []byte("Heimdall")}
	for n := range values {
		before := plainBaldr(t, values[:n])
		for name, rest := range map[string][]byte{
			"too large": AppendFrame(nil, make([]byte, 4*frameBufferBytes)), "cut in its value": {0, 0, 0, 0, 0, 0, 0, 9, 1},
		} {
			_, err := readFrames(bytes.NewReader(append(bytes.Clone(before), rest...)), 4*frameBufferBytes-1)
			verdict, ok := errors.AsType[*FormatError](err)
			if !ok || name == "too large" && verdict.Pos != int64(len(before)) ||
				name != "too large" && verdict.Pos < int64(len(before)) {
				t.Errorf("%s behind %d frames of %d bytes: %v", name, n, len(before), err)
			}
		}
	}
}
