package baldr_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
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
