package baldr_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
)

// A MemberReader gives of each member what File.From gives of it, in whatever order and
// from whichever files the members are, and with whatever is left in its memory.
func TestAMemberReaderReadsWhatAFileReads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(5, rapid.Uint64().Draw(t, "seed")))
		type place struct {
			file  *baldr.File
			facts baldr.MemberFacts
		}
		var places []place
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			var object bytes.Buffer
			w := baldr.NewWriter(&object, baldr.Options{MemberBytes: 1 << (5 + random.IntN(8))})
			for offset := range int64(random.IntN(100)) {
				r := baldr.Record{Offset: 3 * offset, Timestamp: random.Int64N(1000), Value: make([]byte, random.IntN(300))}
				if random.IntN(2) == 0 {
					r.Key = fmt.Appendf(nil, "k%d", offset)
				}
				if err := w.WriteRecord(&r); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Close(baldr.Summary{End: 1000}); err != nil {
				t.Fatal(err)
			}
			file, err := baldr.Open(bytes.NewReader(object.Bytes()), int64(object.Len()), baldr.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for facts := range file.Members() {
				places = append(places, place{file, facts})
			}
		}
		random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
		var reader baldr.MemberReader
		for _, p := range places {
			var want, got []string
			for r, err := range p.file.From(p.facts.FirstOffset) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Offset <= p.facts.LastOffset {
					want = append(want, fmt.Sprint(r))
				}
			}
			for r, err := range reader.Records(p.file, p.facts) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(r))
			}
			if int64(len(got)) != p.facts.Records || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("member at %d: got %v, want %v", p.facts.FirstOffset, got, want)
			}
		}
	})
}

// What cannot be found is no record, and what is damaged is no short success; the next
// member is read as if nothing had been.
func TestAMemberReaderAfterAnError(t *testing.T) {
	t.Parallel()
	object := func(o baldr.Options) []byte {
		var object bytes.Buffer
		w := baldr.NewWriter(&object, o)
		for offset := range int64(50) {
			if err := w.WriteRecord(&baldr.Record{Offset: offset, Value: fmt.Appendf(nil, "value %d", offset)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(baldr.Summary{End: 50}); err != nil {
			t.Fatal(err)
		}
		return object.Bytes()
	}
	open := func(content []byte) (*baldr.File, baldr.MemberFacts) {
		file, err := baldr.Open(bytes.NewReader(content), int64(len(content)), baldr.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for facts := range file.Members() {
			return file, facts
		}
		t.Fatal("there are no members")
		return nil, baldr.MemberFacts{}
	}
	var reader baldr.MemberReader
	read := func(content []byte) (n int, err error) {
		file, facts := open(content)
		for _, err := range reader.Records(file, facts) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	whole, damaged := object(baldr.Options{}), object(baldr.Options{})
	damaged[len(damaged)/10] ^= 0xff
	for range 2 {
		if n, err := read(whole); n != 50 || err != nil {
			t.Errorf("%d records and error %v, want 50", n, err)
		}
		if _, err := read(object(baldr.Options{ValuesOnly: true})); !errors.Is(err, baldr.ErrNoEnvelope) {
			t.Errorf("of values only: %v, want %v", err, baldr.ErrNoEnvelope)
		}
		if n, err := read(damaged); n > 0 || err == nil {
			t.Errorf("of a damaged member: %d records and error %v", n, err)
		}
	}
}

// countingReaderAt counts reads.
type countingReaderAt struct {
	*bytes.Reader
	reads int
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

// A stretch is one read; its members and all others are what they are without it, whatever
// memory it is given.
func TestAStretchIsReadOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var object bytes.Buffer
		w := baldr.NewWriter(&object, baldr.Options{MemberBytes: 200})
		for offset := range int64(rapid.IntRange(1, 60).Draw(t, "records")) {
			value := bytes.Repeat([]byte{byte(offset)}, rapid.IntRange(0, 300).Draw(t, "size"))
			if err := w.WriteRecord(&baldr.Record{Offset: 2 * offset, Value: value}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(baldr.Summary{End: 1000}); err != nil {
			t.Fatal(err)
		}
		store := &countingReaderAt{Reader: bytes.NewReader(object.Bytes())}
		file, err := baldr.Open(store, int64(object.Len()), baldr.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		members := slices.Collect(file.Members())
		first := rapid.IntRange(0, len(members)-1).Draw(t, "first")
		last := rapid.IntRange(first, len(members)-1).Draw(t, "last")
		memory := bytes.Repeat([]byte{1}, rapid.IntRange(0, 3000).Draw(t, "memory"))
		store.reads = 0
		stretched, used, err := file.Stretch(members[first], members[last], memory)
		if err != nil || store.reads != 1 {
			t.Fatalf("%d reads, error %v", store.reads, err)
		}
		stored := int64(0)
		for _, m := range members[first : last+1] {
			stored += m.StoredBytes
		}
		if int64(len(used)) != stored {
			t.Fatalf("%d bytes in memory, %d stored", len(used), stored)
		}
		read := func(f *baldr.File, facts baldr.MemberFacts) (all []string) {
			for r, err := range new(baldr.MemberReader).Records(f, facts) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprint(r))
			}
			return all
		}
		for i, facts := range members {
			store.reads = 0
			got, inside := read(stretched, facts), first <= i && i <= last
			if inside != (store.reads == 0) {
				t.Fatalf("member %d of [%d, %d]: %d reads", i, first, last, store.reads)
			}
			if want := read(file, facts); !slices.Equal(got, want) {
				t.Fatalf("member %d: got %v, want %v", i, got, want)
			}
		}
	})
}
