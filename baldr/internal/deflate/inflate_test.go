package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
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

// The references that are noted and the literals between them are all that was deflated:
// what comes again by them is the same data, whichever loop has inflated it.
func TestMatchesAreNoted(t *testing.T) {
	t.Parallel()
	many := text(400_000) // more references than there is room for at first
	var f Inflater
	f.NoteMatches(true)
	short := deflated(t, many, 1)
	if _, err := f.Inflate(make([]byte, len(many)), short, ignored); err != nil {
		t.Fatal(err)
	}
	if noted, _ := f.Matches(); !slices.Equal(listMatches(t, many, short), noted) {
		t.Fatalf("%d references are noted, or others", len(noted))
	}
	rapid.Check(t, func(t *rapid.T) {
		data := mixed(t)
		short := deflated(t, data, rapid.SampledFrom([]int{flate.HuffmanOnly, flate.NoCompression, 1, 9}).Draw(t, "level"))
		inflate := func(note bool) {
			f.NoteMatches(note)
			if _, err := f.Inflate(make([]byte, len(data)), short, ignored); err != nil {
				t.Fatal(err)
			}
		}
		inflate(true)
		noted, known := f.Matches()
		if !known {
			t.Fatal("it says that it does not know the references")
		}
		if !bytes.Equal(comesAgain(t, data, noted), data) {
			t.Fatal("the references say another thing")
		}
		if listed := listMatches(t, data, short); !slices.Equal(listed, noted) {
			t.Fatalf("%d references, %d are noted, or others", len(listed), len(noted))
		}
		if inflate(false); rapid.Bool().Draw(t, "asked again") {
			if noted, known := f.Matches(); known || len(noted) > 0 {
				t.Fatalf("%d references of an earlier call", len(noted))
			}
		}
	})
}

// comesAgain is data with the bytes of all matches taken from where these say that they stand.
func comesAgain(t require, data []byte, matches []Match) []byte {
	t.Helper()
	var again []byte
	for _, m := range matches {
		if int(m.At) < len(again) || int(m.At)+int(m.Length) > len(data) || int(m.Distance) > int(m.At) {
			t.Fatalf("a reference %+v behind %d bytes of %d", m, len(again), len(data))
		}
		again = append(again, data[len(again):m.At]...)
		for range m.Length {
			again = append(again, again[len(again)-int(m.Distance)])
		}
	}
	return append(again, data[len(again):]...)
}

// listMatches lists the references in their order by the step that takes one code at a time,
// without the fast loop.
func listMatches(t require, data, short []byte) []Match {
	t.Helper()
	f := new(fastInflater)
	f.noting, f.src, f.dst = true, short, make([]byte, len(data))
	for last := false; !last; {
		header, err := f.take(3)
		check(t, err)
		last = header&1 != 0
		switch header >> 1 {
		case 0:
			check(t, f.stored())
			continue
		case 1:
			f.fixed()
		default:
			check(t, f.dynamic())
		}
		for ended := false; !ended; {
			ended, err = f.step()
			check(t, err)
		}
	}
	return f.notes[:f.noted]
}
