package baldr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func plainBaldr(t require, values [][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewFrameWriter(&b)
	for _, value := range values {
		check(t, w.Write(value))
	}
	return b.Bytes()
}

func readFrames(r io.Reader, maxBytes int) ([][]byte, error) {
	var values [][]byte
	reader := NewFrameReader(r, maxBytes)
	for {
		value, err := reader.Next()
		if err != nil {
			return values, err
		}
		values = append(values, bytes.Clone(value))
	}
}

func sameValues(t require, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("values %q, want %q", got, want)
	}
}

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "values")
		if len(values) > 0 && rapid.Bool().Draw(t, "one longer than the buffer") {
			values[0] = bytes.Repeat([]byte{1, 2, 3}, frameBufferBytes)
		}
		stream := plainBaldr(t, values)
		var appended []byte
		for _, value := range values {
			appended = AppendFrame(appended, value)
		}
		if !bytes.Equal(appended, stream) {
			t.Fatalf("AppendFrame makes %x, FrameWriter %x", appended, stream)
		}
		for _, r := range []io.Reader{bytes.NewReader(stream), iotest.DataErrReader(bytes.NewReader(stream)), iotest.HalfReader(bytes.NewReader(stream))} {
			got, err := readFrames(r, 0)
			if err != io.EOF {
				t.Fatalf("the end is %v, not io.EOF", err)
			}
			sameValues(t, got, values)
		}
	})
}

// TestFrameBytes pins the bytes of the original format.
func TestFrameBytes(t *testing.T) {
	t.Parallel()
	want := []byte("\x00\x00\x00\x00\x00\x00\x00\x05hello" + "\x00\x00\x00\x00\x00\x00\x00\x00")
	if got := plainBaldr(t, [][]byte{[]byte("hello"), nil}); !bytes.Equal(got, want) {
		t.Fatalf("frames are %x, want %x", got, want)
	}
}

func TestFramesCutAtEveryByte(t *testing.T) {
	t.Parallel()
	values := [][]byte{[]byte("hello"), {}, []byte("Heimdall")}
	stream := plainBaldr(t, values)
	ends := map[int]int{0: 0, 13: 1, 21: 2, 37: 3} // position after each frame, and how many there are
	for length := range len(stream) + 1 {
		got, err := readFrames(bytes.NewReader(stream[:length]), 0)
		if whole, between := ends[length]; between {
			if err != io.EOF {
				t.Errorf("cut at %d, between frames: %v, want io.EOF", length, err)
			}
			sameValues(t, got, values[:whole])
			continue
		}
		expectVerdict(t, err, io.ErrUnexpectedEOF)
		sameValues(t, got, values[:len(got)])
	}
}

func TestFrameLengthIsCheckedBeforeMemoryIsTaken(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	tests := []struct {
		length   uint64
		maxBytes int
		want     error
	}{
		{1 << 63, 0, ErrTooLarge},
		{1<<64 - 1, 0, ErrTooLarge},
		{DefaultMaxRecordBytes + 1, 0, ErrTooLarge},
		{11, 10, ErrTooLarge},
		{MaxValueBytes + 1, 1 << 40, ErrTooLarge},
		{DefaultMaxRecordBytes, 0, io.ErrUnexpectedEOF}, // allowed, but it is not there
	}
	for _, test := range tests {
		stream := append(binary.BigEndian.AppendUint64(nil, test.length), "only this"...)
		var err error
		allocated := allocatedBytes(func() { _, err = readFrames(bytes.NewReader(stream), test.maxBytes) })
		expectVerdict(t, err, test.want)
		if allocated > 1<<20 {
			t.Errorf("length %d: took %d bytes of memory for a stream of %d", test.length, allocated, len(stream))
		}
	}
}

func TestFrameReaderTellsAFailureFromACut(t *testing.T) {
	t.Parallel()
	stream := plainBaldr(t, [][]byte{[]byte("hello")})
	broken := errors.New("connection reset")
	for _, failure := range []error{broken, io.ErrUnexpectedEOF} {
		_, err := readFrames(io.MultiReader(bytes.NewReader(stream[:10]), iotest.ErrReader(failure)), 0)
		expectFailure(t, err, failure)
	}
}

// expectVerdict wants err to be a verdict about the bytes, of the given kind.
func expectVerdict(t require, err, kind error) {
	t.Helper()
	var verdict *FormatError
	if !errors.As(err, &verdict) || !errors.Is(err, kind) {
		t.Fatalf("error %v, want a *FormatError that is %v", err, kind)
	}
}

// expectFailure wants err to be that the file could not be read, and no verdict.
func expectFailure(t require, err, failure error) {
	t.Helper()
	var verdict *FormatError
	if !errors.Is(err, failure) || errors.As(err, &verdict) || errors.Is(err, ErrNotBaldr) {
		t.Fatalf("error %v, want one that wraps %v and is no verdict about the file", err, failure)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendFrame(AppendFrame(nil, []byte("hello")), nil))
	f.Add(append(binary.BigEndian.AppendUint64(nil, 1<<40), 1))
	f.Fuzz(func(t *testing.T, stream []byte) {
		values, err := readFrames(bytes.NewReader(stream), 1<<20)
		again := plainBaldr(t, values)
		if !bytes.HasPrefix(stream, again) {
			t.Fatalf("read %q from %x", values, stream)
		}
		if err == io.EOF && len(again) != len(stream) {
			t.Fatalf("a clean end after %d of %d bytes", len(again), len(stream))
		}
	})
}
