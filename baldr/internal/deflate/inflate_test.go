package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// deflated is what a library makes of data at a level.
func deflated(t interface {
	Helper()
	Fatal(...any)
}, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mixed draws data with literals, short and long distances, runs, and stretches
// that do not compress.
func mixed(t *rapid.T) []byte {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	var data []byte
	for range rapid.IntRange(0, 30).Draw(t, "stretches") {
		size := rapid.SampledFrom([]int{0, 1, 5, 40, 300, 3000, 40000}).Draw(t, "size")
		switch rapid.SampledFrom([]string{"bytes", "skewed", "run", "again"}).Draw(t, "kind") {
		case "bytes":
			for range size {
				data = append(data, byte(random.Uint32()))
			}
		case "skewed": // codes of all lengths
			for range size {
				data = append(data, byte(int(random.ExpFloat64()*12)))
			}
		case "run":
			data = append(data, bytes.Repeat([]byte{byte(size)}, size)...)
		case "again":
			if distance := rapid.IntRange(1, 33000).Draw(t, "distance"); distance <= len(data) {
				for range size {
					data = append(data, data[len(data)-distance])
				}
			}
		}
	}
	return data
}

func ignored(int) error { return nil }

// inflates is what our own inflater and the library's have in common.
type inflates interface {
	inflate(dst, src []byte, each func(done int) error) (used int, err error)
}

func TestInflateIsWhatWasDeflated(t *testing.T) {
	t.Parallel()
	testInflate(t, new(fastInflater))
}

// What runs if ownCode is switched off: the library's compressor, at level 1 too,
// and the library's inflater, with the promises of Inflate.
func TestTheLibraryServesAsWell(t *testing.T) {
	t.Parallel()
	testInflate(t, new(libraryInflater))
	rapid.Check(t, func(t *rapid.T) {
		data := mixed(t)
		comesBack(t, compressed(t, libraryCompressor(rapid.IntRange(1, 9).Draw(t, "level")), data), data)
	})
}

func testInflate(t *testing.T, f inflates) {
	rapid.Check(t, func(t *rapid.T) {
		data := mixed(t)
		level := rapid.SampledFrom([]int{flate.HuffmanOnly, flate.NoCompression, 1, 2, 6, 9}).Draw(t, "level")
		short := deflated(t, data, level)
		tail := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "tail")
		dst := make([]byte, len(data))
		told := 0
		used, err := f.inflate(dst, append(bytes.Clone(short), tail...), func(done int) error {
			if done < told || !bytes.Equal(dst[told:done], data[told:done]) {
				t.Fatalf("%d bytes were done, %d are said to be now, or they are wrong", told, done)
			}
			told = done
			return nil
		})
		if err != nil || used != len(short) || told != len(data) {
			t.Fatalf("used %d of %d bytes, told of %d of %d: %v", used, len(short), told, len(data), err)
		}
		if !bytes.Equal(dst, data) {
			t.Fatal("not what was deflated")
		}
		stop := errors.New("stop")
		if _, err := f.inflate(dst, short, func(int) error { return stop }); err != stop && len(data) > 0 {
			t.Fatalf("it went on after an error of each: %v", err)
		}
		cut := rapid.IntRange(0, len(short)-1).Draw(t, "cut")
		if _, err := f.inflate(dst, short[:cut], ignored); err != io.ErrUnexpectedEOF {
			t.Fatalf("cut at %d of %d bytes: %v", cut, len(short), err)
		}
		if _, err := f.inflate(make([]byte, len(data)+1), short, ignored); err != ErrSize {
			t.Fatalf("one byte more asked for: %v", err)
		}
		if len(data) > 0 {
			if _, err := f.inflate(dst[1:], short, ignored); err != ErrSize {
				t.Fatalf("one byte less asked for: %v", err)
			}
		}
	})
}

// The standard library is the judge of what is valid, and of what it inflates to.
// (klauspost/compress takes some codes that no block defined.)
func FuzzInflate(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 100, 5000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(int(random.ExpFloat64() * 20))
		}
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
			f.Add(deflated(f, append(data, data...), level))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		from := bytes.NewReader(src)
		want, wrong := io.ReadAll(io.LimitReader(flate.NewReader(from), 1<<20+1))
		if len(want) > 1<<20 {
			return
		}
		dst := make([]byte, len(want))
		used, err := new(fastInflater).inflate(dst, src, ignored)
		switch {
		case wrong == nil && err != nil:
			t.Fatalf("it is valid, but: %v", err)
		case wrong != nil && err == nil:
			t.Fatalf("it is not valid: %v", wrong)
		case wrong == nil && !bytes.Equal(dst, want):
			t.Fatal("another result than the library's")
		case wrong == nil && used != len(src)-from.Len():
			t.Fatalf("used %d bytes, the library %d", used, len(src)-from.Len())
		case errors.Is(err, io.EOF):
			t.Fatal("io.EOF is no error of inflate")
		}
	})
}
