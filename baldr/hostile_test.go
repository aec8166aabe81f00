package baldr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime/metrics"
	"testing"
	"testing/iotest"
)

// allocatedBytes is what the process allocates while f runs. Tests that use it are
// not parallel, so that it is what f allocates.
func allocatedBytes(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

func goldenFiles(t require) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, g := range golden {
		object, err := os.ReadFile(filepath.Join("testdata", g.name+".baldr.gz"))
		check(t, err)
		files[g.name] = object
	}
	return files
}

// readAll reads an object as a stream, and its summary.
func readAll(object []byte, opts ReaderOptions) ([]Record, Summary, error) {
	r := NewReader(bytes.NewReader(object), opts)
	records, err := gather(r.All())
	summary, _ := r.Summary()
	return records, summary, err
}

// openAll does the same by random access.
func openAll(object []byte, opts ReaderOptions) ([]Record, Summary, error) {
	f, err := Open(bytes.NewReader(object), int64(len(object)), opts)
	if err != nil {
		return nil, Summary{}, err
	}
	records, err := gather(f.All())
	return records, f.Summary(), err
}

func TestObjectCutAtEveryByte(t *testing.T) {
	t.Parallel()
	for name, object := range goldenFiles(t) {
		for _, opts := range []ReaderOptions{{}, {ValuesOnly: true}} {
			whole, _, err := readAll(object, opts)
			check(t, err)
			for length := 1; length < len(object); length++ {
				records, _, err := readAll(object[:length], opts)
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s cut at %d: %v, want io.ErrUnexpectedEOF", name, length, err)
				}
				expectVerdict(t, err, io.ErrUnexpectedEOF)
				sameRecords(t, name, records, whole[:len(records)])

				_, _, err = openAll(object[:length], opts)
				expectVerdict(t, err, io.ErrUnexpectedEOF)
			}
		}
	}
}

// TestEveryByteFlipped asks for an error or the same records, and that no flip
// makes an object foreign: a program would then write a second one beside it.
func TestEveryByteFlipped(t *testing.T) {
	t.Parallel()
	readers := map[string]func([]byte, ReaderOptions) ([]Record, Summary, error){"stream": readAll, "file": openAll}
	for name, object := range goldenFiles(t) {
		for how, read := range readers {
			want, summary, err := read(object, ReaderOptions{})
			check(t, err)
			noticed := 0
			for i := range 2 * len(object) {
				flips := byte(0xff)
				if i%2 == 0 {
					flips = 1 << (i / 2 % 8)
				}
				flipped := bytes.Clone(object)
				flipped[i/2] ^= flips
				got, gotSummary, err := read(flipped, ReaderOptions{})
				if err != nil {
					noticed++
					expectVerdict(t, err, errors.Unwrap(err))
					continue
				}
				if !reflect.DeepEqual(got, want) || gotSummary != summary {
					t.Fatalf("%s, %s: byte %d flipped by %#02x reads as something else without an error", name, how, i/2, flips)
				}
			}
			// Unnoticed may be what means nothing: time, system and level in the
			// members' headers, and the bits after the end of deflated data.
			if noticed < 2*len(object)*9/10 {
				t.Errorf("%s, %s: %d of %d flips noticed", name, how, noticed, 2*len(object))
			}
		}
	}
}

// failAt fails each read that reaches the byte at position at.
type failAt struct {
	*bytes.Reader
	at  int64
	err error
}

func (f failAt) ReadAt(p []byte, at int64) (int, error) {
	if at <= f.at && f.at < at+int64(len(p)) {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, at)
}

// TestFailureIsNoVerdict: an answer that cannot be read must never be taken for
// a statement about the file, wherever it happens and whatever the error is.
func TestFailureIsNoVerdict(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errors.New("503 slow down"), io.ErrUnexpectedEOF, fmt.Errorf("body: %w", io.EOF)} {
		for name, object := range goldenFiles(t) {
			for at := range len(object) {
				_, err := Open(failAt{bytes.NewReader(object), int64(at), failure}, int64(len(object)), ReaderOptions{})
				expectFailure(t, err, failure)
				r := NewReader(io.MultiReader(bytes.NewReader(object[:at]), iotest.ErrReader(failure)), ReaderOptions{})
				_, err = gather(r.All())
				if err == nil {
					t.Fatalf("%s fails at byte %d: no error", name, at)
				}
				expectFailure(t, err, failure)
			}
		}
	}
}

func TestShorterThanItsSizeIsNoVerdict(t *testing.T) {
	t.Parallel()
	object := goldenFiles(t)["records"]
	_, err := Open(bytes.NewReader(object[:100]), int64(len(object)), ReaderOptions{})
	expectFailure(t, err, io.ErrUnexpectedEOF)
}

// TestFileFailsInTheMiddle: members are read after Open, one by one.
func TestFileFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(1000), Options{MemberBytes: 5000, Level: 1})
	failure := errors.New("503 slow down")
	for _, workers := range []int{1, 3} {
		f := open(t, object, ReaderOptions{Workers: workers})
		f.r = failAt{bytes.NewReader(object), int64(len(object) / 4), failure}
		_, err := gather(f.All())
		expectFailure(t, err, failure)
	}
}
