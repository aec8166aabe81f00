package baldr

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// plainFiles are what other programs write.
func plainFiles(t require) map[string][]byte {
	t.Helper()
	stream := plainBaldr(t, [][]byte{[]byte("hello"), []byte("Heimdall")})
	return map[string][]byte{
		"plain":          stream,
		"gzip":           gzipped(t, stream),
		"two members":    append(gzipped(t, stream[:20]), gzipped(t, stream[20:])...),
		"empty member":   append(gzipped(t, nil), gzipped(t, stream)...),
		"name and extra": gzippedWithHeader(t, stream, gzip.Header{Name: "x.baldr", Comment: "old", Extra: []byte("BC\x02\x00\x00\x00")}),
	}
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	files := plainFiles(t)
	files["empty"] = nil
	files["text"] = []byte("a file of somebody else")
	files["large gzip"] = gzipped(t, noise(3*TailBytes))
	for name, file := range files {
		if _, err := Open(bytes.NewReader(file), int64(len(file)), ReaderOptions{}); !errors.Is(err, ErrNotBaldr) {
			t.Errorf("%s: %v, want ErrNotBaldr", name, err)
		}
	}
}

// TestVerdictsOfLargeFiles: a file that Open does not read in one piece is judged by its
// head, wherever it was cut and whatever its last 64 KiB begin with.
func TestVerdictsOfLargeFiles(t *testing.T) {
	t.Parallel()
	var records []Record
	for value := range slices.Chunk(noise(6*TailBytes), 4000) {
		records = append(records, Record{Offset: int64(len(records)), Timestamp: -1, Value: value})
	}
	object, _ := write(t, records, Options{MemberBytes: 50_000})
	if len(object) < 4*TailBytes {
		t.Fatalf("an object of %d bytes is no large one", len(object))
	}
	second := open(t, object, ReaderOptions{}).members[1].position
	for _, length := range []int{
		TailBytes - 1, TailBytes, TailBytes + 1, TailBytes + headBytes, 2 * TailBytes, int(second) + TailBytes,
		len(object) - footerMemberBytes, len(object) - 1,
	} {
		_, err := Open(bytes.NewReader(object[:length]), int64(length), ReaderOptions{})
		expectVerdict(t, err, io.ErrUnexpectedEOF)
		// In a file of somebody else an object is one more piece of data.
		foreign := append(bytes.Repeat([]byte("x"), length), object[:TailBytes]...)
		if _, err = Open(bytes.NewReader(foreign), int64(len(foreign)), ReaderOptions{}); !errors.Is(err, ErrNotBaldr) {
			t.Errorf("%d bytes before a part of an object: %v, want ErrNotBaldr", length, err)
		}
	}
}

func TestPlainFilesAreRead(t *testing.T) {
	t.Parallel()
	want := []Record{{Offset: -1, Timestamp: -1, Value: []byte("hello")}, {Offset: -1, Timestamp: -1, Value: []byte("Heimdall")}}
	for name, file := range plainFiles(t) {
		r := NewReader(iotest.OneByteReader(bytes.NewReader(file)), ReaderOptions{})
		sameRecords(t, name, collect(t, r.All()), want)
		if _, ok := r.Summary(); ok {
			t.Errorf("%s has a summary", name)
		}
	}
}

// TestPlainFilesCutAtEveryByte: a cut between frames, or between members, of a
// file without our subfields is a clean end, since nothing in it says otherwise.
func TestPlainFilesCutAtEveryByte(t *testing.T) {
	t.Parallel()
	stream := plainBaldr(t, [][]byte{[]byte("hello"), []byte("Heimdall")})
	first, second := gzipped(t, stream[:13]), gzipped(t, stream[13:])
	file := append(bytes.Clone(first), second...)
	for length := 1; length < len(file); length++ {
		records, _, err := readAll(file[:length], ReaderOptions{})
		if length == len(first) {
			check(t, err)
			sameRecords(t, "one member", records, []Record{{Offset: -1, Timestamp: -1, Value: []byte("hello")}})
			continue
		}
		expectVerdict(t, err, io.ErrUnexpectedEOF)
	}
}

func TestObjectsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	files := goldenFiles(t)
	both := append(bytes.Clone(files["records"]), files["gap"]...)
	both = append(both, files["values"]...)
	records, _, err := readAll(both, ReaderOptions{})
	check(t, err)
	if len(records) != len(golden[0].records)+len(golden[1].records) {
		t.Fatalf("%d records", len(records))
	}
	_, err = Open(bytes.NewReader(both), int64(len(both)), ReaderOptions{})
	expectVerdict(t, err, ErrDamaged)
}

// gzipped is what other programs make of data. The standard library's gzip is
// no part of this package, so it stands for them.
func gzipped(t require, data []byte) []byte {
	t.Helper()
	return gzippedWithHeader(t, data, gzip.Header{})
}

func gzippedWithHeader(t require, data []byte, header gzip.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Header = header
	_, err := w.Write(data)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// noise is data that does not compress.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}
