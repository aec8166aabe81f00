package baldr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestNothingIsAllocatedForARecord is in steady state: what a Writer and a Reader
// take for themselves, they take before.
func TestNothingIsAllocatedForARecord(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	const records = 20_000
	key, value := []byte("user-001"), bytes.Repeat([]byte("page view "), 50)
	headers := []Header{{Key: []byte("trace"), Value: []byte("1")}}
	for name, opts := range map[string]Options{"one worker": {}, "two workers": {Workers: 2}, "values": {ValuesOnly: true}, "one member": {SingleMember: true}} {
		w := NewWriter(io.Discard, opts)
		offset := int64(0)
		writeSome := func() {
			for range records {
				r := Record{Offset: offset, Timestamp: offset, Key: key, Value: value, Headers: headers}
				check(t, w.WriteRecord(&r))
				offset++
			}
		}
		writeSome()
		// A member, of 2,000 records, may cost a few.
		if got := testing.AllocsPerRun(3, writeSome) / records; got > 0.005 {
			t.Errorf("write, %s: %v allocations a record", name, got)
		}
	}

	var object bytes.Buffer
	w := NewWriter(&object, Options{})
	for offset := range int64(6 * records) {
		r := Record{Offset: offset, Timestamp: offset, Key: key, Value: value, Headers: headers}
		check(t, w.WriteRecord(&r))
	}
	_, err := w.Close(Summary{End: 6 * records})
	check(t, err)
	for name, opts := range map[string]ReaderOptions{"records": {}, "values": {ValuesOnly: true}} {
		r := NewReader(bytes.NewReader(object.Bytes()), opts)
		readSome := func() {
			for range records {
				_, err := r.Next()
				check(t, err)
			}
		}
		readSome()
		if got := testing.AllocsPerRun(3, readSome) / records; got > 0.005 {
			t.Errorf("read %s: %v allocations a record", name, got)
		}
	}
}

// TestWriterMemory writes 200 MB with two workers and adds up all it allocates.
func TestWriterMemory(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	value := noise(2000)
	runtime.GC()
	runtime.GC() // what other Writers left to later ones survives the first
	allocated := allocatedBytes(func() {
		w := NewWriter(io.Discard, Options{Workers: 2, Level: 1})
		for offset := range int64(100_000) {
			r := Record{Offset: offset, Key: value[:16], Value: value}
			check(t, w.WriteRecord(&r))
		}
		_, err := w.Close(Summary{End: 100_000})
		check(t, err)
	})
	if allocated > 32<<20 {
		t.Errorf("a Writer with two workers allocates %d bytes for an object of 200 MB", allocated)
	}
}

// TestLargeRecord: a record longer than any buffer is written without a copy of
// it, and read with no more than itself and a bounded rest.
func TestLargeRecord(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	const size = 48 << 20
	large := make([]byte, size)
	copy(large, noise(1<<20))
	records := []Record{{Offset: 0, Value: []byte("before")}, {Offset: 1, Value: large, Key: large[:1<<20]}, {Offset: 2, Value: []byte("after")}}
	var object []byte
	allocated := allocatedBytes(func() { object, _ = write(t, records, Options{Level: 1}) })
	if allocated > 24<<20 {
		t.Errorf("writing it allocates %d bytes, of which its deflated form needs few", allocated)
	}
	allocated = allocatedBytes(func() {
		r := NewReader(bytes.NewReader(object), ReaderOptions{})
		for i := range records {
			got, err := r.Next()
			check(t, err)
			if !bytes.Equal(got.Value, records[i].Value) || !bytes.Equal(got.Key, records[i].Key) {
				t.Errorf("record %d differs", i)
			}
		}
	})
	// Its buffer doubles as the record comes, so all in all twice its size.
	if allocated > 2*size+24<<20 {
		t.Errorf("reading a record of %d bytes allocates %d", size, allocated)
	}
	_, err := gather(NewReader(bytes.NewReader(object), ReaderOptions{MaxRecordBytes: size - 1}).All())
	expectVerdict(t, err, ErrTooLarge)
	_, _, err = openAll(object, ReaderOptions{MaxRecordBytes: size - 1})
	expectVerdict(t, err, ErrTooLarge)
}

// TestBombs: little input that asks for much memory, or for much time.
func TestBombs(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	huge := binary.BigEndian.AppendUint64(nil, 100<<20)
	bombs := map[string]struct {
		file []byte
		want error
	}{
		"a frame of 100 MB in plain gzip": {gzipped(t, huge), io.ErrUnexpectedEOF},
		"a million empty members":         {bytes.Repeat(appendEmptyMember(nil, 'x', nil), 1_000_000), io.ErrUnexpectedEOF},
		"a million empty plain members":   {bytes.Repeat(gzipped(t, nil), 1_000_000), nil},
		"endless chunks of an envelope":   {endlessChunks(), ErrTooLarge},
	}
	for name, bomb := range bombs {
		var err error
		allocated := allocatedBytes(func() { _, _, err = readAll(bomb.file, ReaderOptions{MemoryBytes: 4 << 20}) })
		if bomb.want == nil {
			check(t, err)
		} else {
			expectVerdict(t, err, bomb.want)
		}
		if allocated > 16<<20 {
			t.Errorf("%s: %d bytes of memory for a file of %d", name, allocated, len(bomb.file))
		}
	}
}

// endlessChunks never comes to the data member that they are the envelope of.
func endlessChunks() []byte {
	blob := make([]byte, 8<<20)
	file, _ := appendSpilled(nil, typeEnvelope, blob, 0)
	return file
}

// TestReaderMemory reads an object whose members are as large as the format
// allows.
func TestReaderMemory(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	var object bytes.Buffer
	w := NewWriter(&object, Options{Level: 1, MemberBytes: MaxMemberBytes})
	value := noise(1 << 16)
	for offset := range int64(1000) {
		r := Record{Offset: offset, Value: value, Key: value[:1<<15]}
		check(t, w.WriteRecord(&r))
	}
	_, err := w.Close(Summary{End: 1000})
	check(t, err)
	for _, workers := range []int{1, 8} {
		before, most := liveBytes(), uint64(0)
		n := 0
		for _, err := range open(t, object.Bytes(), ReaderOptions{Workers: workers}).All() {
			check(t, err)
			if n++; n%100 == 50 {
				most = max(most, liveBytes())
			}
		}
		if most > before+DefaultMemoryBytes {
			t.Errorf("%d workers take %d bytes of memory", workers, most-before)
		}
	}
}

// liveBytes is the heap without garbage.
func liveBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	good := Summary{Start: 0, End: 10}
	tests := map[string]struct {
		opts    Options
		records []Record
		summary Summary
	}{
		"level 10":                  {opts: Options{Level: 10}, summary: good},
		"level -1":                  {opts: Options{Level: -1}, summary: good},
		"members too large":         {opts: Options{MemberBytes: MaxMemberBytes + 1}, summary: good},
		"an offset below 0":         {records: []Record{{Offset: -1}}, summary: good},
		"the same offset twice":     {records: []Record{{Offset: 1}, {Offset: 1}}, summary: good},
		"offsets that fall":         {records: []Record{{Offset: 2}, {Offset: 1}}, summary: good},
		"an empty range":            {summary: Summary{Start: 3, End: 3}},
		"a range below 0":           {summary: Summary{Start: -1, End: 3}},
		"a record before its range": {records: []Record{{Offset: 1}}, summary: Summary{Start: 2, End: 5}},
		"a record after its range":  {records: []Record{{Offset: 5}}, summary: Summary{Start: 2, End: 5}},
		"a gap with records":        {records: []Record{{Offset: 1}}, summary: Summary{Kind: KindGap, End: 5}},
		"an unknown kind":           {summary: Summary{Kind: 9, End: 5}},
		"a topic that is no text":   {summary: Summary{Topic: "\xff", End: 5}},
		"a reason that is no text":  {summary: Summary{Kind: KindGap, Reason: "\xff", End: 5}},
		"a cluster that is no text": {summary: Summary{ClusterID: "\xff", End: 5}},
		"a writer that is no text":  {summary: Summary{Writer: "\xff", End: 5}},
		"a summary too long":        {summary: Summary{Reason: string(make([]byte, maxExtraBytes)), End: 5}},
		"aborted below 0":           {summary: Summary{Missing: Missing{Aborted: -1}, End: 5}},
		"control below 0":           {summary: Summary{Missing: Missing{Control: -1}, End: 5}},
		"compacted below 0":         {summary: Summary{Missing: Missing{Compacted: -1}, End: 5}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var object bytes.Buffer
			w := NewWriter(&object, test.opts)
			var first error
			for i := range test.records {
				if err := w.WriteRecord(&test.records[i]); first == nil {
					first = err
				}
			}
			_, err := w.Close(test.summary)
			if err == nil || first != nil && !errors.Is(err, first) {
				t.Errorf("Close returns %v after %v", err, first)
			}
			if _, _, err := readAll(object.Bytes(), ReaderOptions{}); object.Len() > 0 && err == nil {
				t.Error("what was written reads as a whole object")
			}
		})
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	var object bytes.Buffer
	w := NewWriter(&object, Options{})
	one, err := w.Close(Summary{End: 1, Topic: "a"})
	check(t, err)
	size := object.Len()
	two, err := w.Close(Summary{End: 2, Topic: "b"})
	check(t, err)
	if one != two || object.Len() != size {
		t.Errorf("a second Close returns %+v after %+v and writes %d bytes", two, one, object.Len()-size)
	}
	if err := w.WriteRecord(&Record{}); err == nil {
		t.Error("a closed Writer takes a record")
	}
}

// failingWriter takes so many bytes and then fails, or takes less than it is given.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	n := min(w.left, len(p))
	w.left -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestWriterReturnsTheErrorOfItsWriter(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	records := manyRecords(100)
	object, _ := write(t, records, Options{MemberBytes: 1000})
	for _, opts := range []Options{{MemberBytes: 1000}, {MemberBytes: 1000, Workers: 3}, {SingleMember: true}} {
		for left := 0; left < len(object); left += 97 {
			for _, failure := range []error{full, nil} {
				target := &failingWriter{left: left, err: failure}
				w := NewWriter(target, opts)
				for i := range records {
					if w.WriteRecord(&records[i]) != nil {
						break
					}
				}
				_, err := w.Close(Summary{End: 100})
				want := failure
				if want == nil {
					want = io.ErrShortWrite
				}
				if !errors.Is(err, want) && target.left == 0 {
					t.Fatalf("%+v fails after %d bytes: %v, want %v", opts, left, err, want)
				}
			}
		}
	}
}

// Memory that one very long record took is given back with its member: the rest of the object needs little.
func TestALongRecordLeavesNoMemoryBehind(t *testing.T) {
	t.Parallel()
	const memberBytes = 1 << 10
	w := NewWriter(io.Discard, Options{MemberBytes: memberBytes})
	for offset, size := range []int{10, 100 * memberBytes, 10} {
		value := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{}).Read(value) // never fails
		check(t, w.WriteRecord(&Record{Offset: int64(offset), Key: value, Value: value}))
	}
	check(t, w.many.flush())
	check(t, w.many.drain(0))
	for _, p := range append(w.many.free, w.many.current) {
		if kept := max(cap(p.frames), cap(p.head), cap(p.body)); kept > 2*memberBytes {
			t.Errorf("a member of %d bytes keeps %d", memberBytes, kept)
		}
	}
}
