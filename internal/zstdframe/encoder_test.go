package zstdframe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// decode decodes a frame by the library, which shares nothing with the encoder but the
// Huffman coder of literals.
func decode(t require, frame []byte) []byte {
	t.Helper()
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	data, err := reader.DecodeAll(frame, nil)
	if err != nil {
		t.Fatalf("decode a frame of %d bytes: %v", len(frame), err)
	}
	return data
}

// expectFrame encodes src by an encoder that is not new, and fails unless it comes back.
func expectFrame(t require, e *Encoder, src []byte, base int64, matches []Match) []byte {
	t.Helper()
	frame := e.Encode([]byte("before"), src, 0, base, slices.Clone(matches))
	frame, ok := bytes.CutPrefix(frame, []byte("before"))
	if !ok {
		t.Fatal("what was in dst is lost")
	}
	if got := decode(t, frame); !bytes.Equal(got, src) {
		t.Fatalf("%d bytes came back as %d others", len(src), len(got))
	}
	return frame
}

// findMatches finds matches of at most so many bytes within the window of deflate.
func findMatches(src []byte, base int64, longest int) (matches []Match) {
	const window = 32 << 10
	seen := map[[leastMatch]byte]int{}
	for at := 0; at+leastMatch <= len(src); {
		key := [leastMatch]byte(src[at:])
		from, ok := seen[key]
		seen[key] = at
		if !ok || at-from > window {
			at++
			continue
		}
		length := leastMatch
		for length < longest && at+length < len(src) && src[at+length] == src[from+length] {
			length++
		}
		matches = append(matches, Match{base + int64(at), int32(length), int32(at - from)})
		at += length
	}
	return matches
}

// mixed is data of stretches: text like that of topics, runs, bytes that do not compress, few
// different bytes, and what stood before.
func mixed(random *rand.Rand, size int) []byte {
	var data []byte
	for len(data) < size {
		n := 1 + random.IntN(1<<random.IntN(18))
		switch random.IntN(5) {
		case 0:
			for range n/80 + 1 {
				data = fmt.Appendf(data, `{"user":"u-%06d","page":"/%d","at":%d,"agent":"Mozilla/5.0"}`,
					random.IntN(1e6), random.IntN(30), 1700000000000+int64(len(data))*17)
			}
		case 1:
			data = append(data, bytes.Repeat([]byte{byte(n)}, n)...)
		case 2:
			for range n {
				data = append(data, byte(random.Uint32()))
			}
		case 3:
			for range n {
				data = append(data, byte(int(random.ExpFloat64()*3)))
			}
		case 4:
			distance := 1 + random.IntN(len(data)+1)
			for range n {
				if distance <= len(data) {
					data = append(data, data[len(data)-distance])
				}
			}
		}
	}
	return data[:size]
}

func TestEncodedComesBack(t *testing.T) {
	t.Parallel()
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		size := rapid.SampledFrom([]int{0, 1, 10, 31, 255, 256, 1023, 1 << 10, 20_000, 65_791, 65_792,
			128 << 10, 128<<10 + 1, 400_000})
		src := mixed(random, size.Draw(t, "size"))
		base := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "base")
		longest := rapid.SampledFrom([]int{leastMatch, 20, 258, 1 << 20}).Draw(t, "longest")
		expectFrame(t, &e, src, base, findMatches(src, base, longest))
	})
}

// Literals, matches and distances of every order of size in one frame, and the recent distances
// among them.
func TestSequencesOfEverySize(t *testing.T) {
	t.Parallel()
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 8))
		anyBelow := func(most int) int { return int(math.Exp(random.Float64() * math.Log(float64(most)))) }
		orders := rapid.IntRange(1, 18)
		literals, lengths := 1<<orders.Draw(t, "literals"), 1<<orders.Draw(t, "lengths")
		distances := 1 << orders.Draw(t, "distances")
		bytes := rapid.IntRange(1, 256).Draw(t, "different bytes")
		var src []byte
		var matches []Match
		recent := []int{1, 4, 8}
		for size := anyBelow(400_000); len(src) < size; {
			for range anyBelow(literals) - random.IntN(2) {
				src = append(src, byte(random.IntN(bytes)))
			}
			distance := anyBelow(distances)
			if random.IntN(3) == 0 {
				distance = recent[random.IntN(len(recent))] - random.IntN(2)
			}
			if distance < 1 || distance > len(src) {
				src = append(src, 'x')
				continue
			}
			recent = []int{distance, recent[0], recent[1]}
			length := leastMatch - 1 + anyBelow(lengths)
			matches = append(matches, Match{int64(len(src)), int32(length), int32(distance)})
			for range length {
				src = append(src, src[len(src)-distance])
			}
		}
		expectFrame(t, &e, src, 0, matches)
	})
}

// Whatever matches say, the data comes back: they are compared with it.
func TestMatchesThatAreWrong(t *testing.T) {
	t.Parallel()
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		src := mixed(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), 3000)
		matches := findMatches(src, 0, 258)
		anyOf := rapid.OneOf(rapid.Int32(), rapid.Int32Range(-1, 400))
		for range rapid.IntRange(1, 20).Draw(t, "wrong") {
			wrong := Match{int64(rapid.IntRange(-500, 3500).Draw(t, "at")), anyOf.Draw(t, "length"), anyOf.Draw(t, "distance")}
			at := rapid.IntRange(0, len(matches)).Draw(t, "place")
			matches = slices.Insert(matches, at, wrong)
		}
		if rapid.Bool().Draw(t, "ordered") {
			slices.SortFunc(matches, func(a, b Match) int { return int(a.At - b.At) })
		}
		expectFrame(t, &e, src, 0, matches)
	})
}

// A match that is wrong in one byte, whichever it is, is wrong: inside of src, where more bytes
// than its own can be read, and at its end.
func TestMatchesThatAreWrongInOneByte(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	var e Encoder
	for length := leastMatch; length <= 2*shortBytes; length++ {
		for wrong := range length {
			for _, behind := range []int{0, 100} {
				src := make([]byte, 100+length+behind)
				for i := range src {
					src[i] = byte(random.Uint32())
				}
				copy(src[100:100+length], src[:length])
				src[100+wrong] ^= 1 << random.IntN(8)
				frame := e.Encode(nil, src, 0, 0, []Match{{At: 100, Length: int32(length), Distance: 100}})
				if got := decode(t, frame); !bytes.Equal(got, src) {
					t.Fatalf("byte %d of a match of %d, with %d behind it: it was taken", wrong, length, behind)
				}
			}
		}
	}
}

func FuzzEncode(f *testing.F) {
	text := bytes.Repeat([]byte("one two three four "), 40)
	f.Add(text, []byte{19, 0, 200, 19, 19, 0})
	f.Add([]byte{}, []byte{0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, src, numbers []byte) {
		var matches []Match
		for ; len(numbers) >= 6; numbers = numbers[6:] {
			number := func(at int) uint16 { return binary.LittleEndian.Uint16(numbers[at:]) }
			matches = append(matches, Match{int64(number(0)), int32(number(2)), int32(number(4))})
		}
		var e Encoder
		expectFrame(t, &e, src, 0, matches)
		expectFrame(t, &e, src, 0, findMatches(src, 0, 258))
	})
}

// True matches make data small: as small as a search of the library's fastest level, nearly.
func TestMatchesMakeItSmall(t *testing.T) {
	t.Parallel()
	var src []byte
	random := rand.New(rand.NewPCG(1, 1))
	for len(src) < 1<<20 {
		src = fmt.Appendf(src, `{"event":"page_view","id":"%016x","url":"https://shop.example.com/shoes/%d",`+
			`"agent":"Mozilla/5.0"}`, random.Uint64(), random.IntN(500))
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	library := len(w.EncodeAll(src, nil))
	own := len(expectFrame(t, new(Encoder), src, 0, findMatches(src, 0, 258)))
	if own > library*125/100 {
		t.Errorf("%d bytes, the library's fastest level makes %d", own, library)
	}
	shifted := findMatches(src, 0, 258)
	for i := range shifted {
		shifted[i].Distance++
	}
	if wrong := len(expectFrame(t, new(Encoder), src, 0, shifted)); wrong < 2*own {
		t.Errorf("%d bytes with matches that are wrong, %d with those that are true", wrong, own)
	}
}

// A match over the end of a block goes on in the next block, one over the beginning of src
// where it is inside, and one over the end of another where that ends.
func TestMatchesAreCut(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 2))
	unit := make([]byte, 1000)
	for i := range unit {
		unit[i] = byte(random.Uint32())
	}
	src := bytes.Repeat(unit, 400)
	for name, matches := range map[string][]Match{
		"over blocks":         {{At: 1000, Length: 399_000, Distance: 1000}},
		"over the end of src": {{At: 1000, Length: 1 << 30, Distance: 1000}},
		"from before src":     {{At: 500, Length: 399_500, Distance: 1000}},
		"over another's end": {
			{At: 1000, Length: 99_000, Distance: 1000},
			{At: 50_000, Length: 350_000, Distance: 1000},
		},
	} {
		// Four blocks of few bytes behind the literals of the first unit.
		if frame := expectFrame(t, new(Encoder), src, 0, matches); len(frame) > 1100 {
			t.Errorf("%s: %d bytes of a frame", name, len(frame))
		}
	}
}

// A block that would be longer than its bytes is written as these, and a decoder learns nothing of
// its distances: the next block does not refer to them.
func TestABlockThatIsNotWritten(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	src := make([]byte, 2*maxBlockBytes)
	for i := range src {
		src[i] = byte(random.Uint32())
	}
	var matches []Match
	for _, at := range []int{5000, maxBlockBytes + 100, maxBlockBytes + 1000} {
		const distance, length = 3000, 5
		copy(src[at:at+length], src[at-distance:])
		matches = append(matches, Match{int64(at), length, distance})
	}
	copy(src[maxBlockBytes+2000:], bytes.Repeat(src[:500], 20))
	for n := range 19 {
		matches = append(matches, Match{int64(maxBlockBytes + 2500 + 500*n), 500, 500})
	}
	frame := expectFrame(t, new(Encoder), src, 0, matches)
	if frame[9]>>1&3 != blockRaw || len(frame) > len(src)-9000 {
		t.Errorf("the first block has the type %d, the frame %d bytes: a case of another kind", frame[9]>>1&3, len(frame))
	}
}

// Each kind of section, at the sizes where its header changes.
func TestSectionsOfEverySize(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	var e Encoder
	for _, size := range []int{1, 31, 32, 1023, 1024, 4095, 4096, 16_383, 16_384, 131_071, 131_072, 131_073} {
		skewed, noise := make([]byte, size), make([]byte, size)
		for i := range size {
			skewed[i], noise[i] = byte(int(random.ExpFloat64()*4)), byte(random.Uint32())
		}
		same := bytes.Repeat([]byte("x"), size)
		for name, literals := range map[string][]byte{"skewed": skewed, "noise": noise, "same": same} {
			frame := expectFrame(t, &e, literals, 0, nil)
			if name == "same" && size > 100 && len(frame) > 30 || name == "noise" && len(frame) > size+20 ||
				name == "skewed" && size > 1000 && len(frame) > size*9/10 {
				t.Errorf("%d literals, %s: %d bytes", size, name, len(frame))
			}
		}
	}
	// Sequences of four bytes at distances that differ, without literals: as many as a block
	// can have.
	for _, sequences := range []int{1, 2, 127, 128, 32_511, 32_512, 32_760} {
		src := make([]byte, 64, 128<<10)
		for i := range src {
			src[i] = byte(random.Uint32())
		}
		var matches []Match
		for range sequences {
			distance := 4 + random.IntN(min(len(src)-4, 30_000))
			matches = append(matches, Match{int64(len(src)), leastMatch, int32(distance)})
			src = append(src, src[len(src)-distance:][:leastMatch]...)
		}
		expectFrame(t, &e, src[:min(len(src), 128<<10)], 0, matches)
	}
}

// The codes of numbers, at the least and the most number of each.
func TestCodesOfNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []*numberCodes{literalLengthCodes, matchLengthCodes} {
		least := uint32(0)
		for code, extra := range c.extraBits {
			most := least + 1<<extra - 1
			if c.of(least) != uint8(code) || c.of(most) != uint8(code) || least&(1<<extra-1) != 0 {
				t.Errorf("code %d of %d to %d: %d and %d", code, least, most, c.of(least), c.of(most))
			}
			least = most + 1
		}
		if least <= maxBlockBytes-leastCodedMatch {
			t.Errorf("codes up to %d", least)
		}
	}
}

// A distance of the recent ones costs fewer bits than another, with literals before the match
// and without.
func TestRecentDistances(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		literals, distance int
		value              uint32
		after              recentDistances
	}{
		{5, 10, 1, recentDistances{10, 20, 30}},
		{5, 20, 2, recentDistances{20, 10, 30}},
		{5, 30, 3, recentDistances{30, 10, 20}},
		{5, 9, 12, recentDistances{9, 10, 20}},
		{5, 40, 43, recentDistances{40, 10, 20}},
		{0, 10, 13, recentDistances{10, 10, 20}},
		{0, 20, 1, recentDistances{20, 10, 30}},
		{0, 30, 2, recentDistances{30, 10, 20}},
		{0, 9, 3, recentDistances{9, 10, 20}},
		{0, 40, 43, recentDistances{40, 10, 20}},
	} {
		value, after := recentDistances{10, 20, 30}.value(c.literals, c.distance)
		if value != c.value || after != c.after {
			t.Errorf("%d behind %d literals: %d and then %+v, not %d and %+v",
				c.distance, c.literals, value, after, c.value, c.after)
		}
	}
}

// The states of a table are all given away, every code that occurs has one, and the larger
// shares go to those that occur more often.
func TestSharesOfStates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := make([]uint32, maxCodes)
		n, different := 0, 0
		for code := range rapid.IntRange(1, 53).Draw(t, "codes") {
			counts[code] = uint32(rapid.SampledFrom([]int{0, 1, 1, 2, 50, 3000, 30_000}).Draw(t, "count"))
			n += int(counts[code])
			if counts[code] > 0 {
				different++
			}
		}
		if different < 2 {
			return
		}
		var table codeTable
		table.build(counts, n, rapid.SampledFrom([]int{8, maxTableLog}).Draw(t, "log"), distanceExtraBits)
		sum := 0
		for code, share := range table.shares[:table.used] {
			sum += share
			if (share > 0) != (counts[code] > 0) {
				t.Fatalf("code %d occurs %d times and has %d states", code, counts[code], share)
			}
			for other, count := range counts[:table.used] {
				if count > 2*counts[code] && table.shares[other] < share-1 {
					t.Fatalf("%d times %d states, %d times %d", counts[code], share, count, table.shares[other])
				}
			}
		}
		if sum != 1<<table.log {
			t.Fatalf("%d of %d states", sum, 1<<table.log)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	src := mixed(rand.New(rand.NewPCG(1, 1)), 512<<10)
	matches := findMatches(src, 0, 258)
	var e Encoder
	dst := e.Encode(nil, src, 0, 0, matches)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		dst = e.Encode(dst[:0], src, 0, 0, matches)
	}
}

// A sequence with the most bits that one can have, in any place of a word.
func TestASequenceOfTheMostBits(t *testing.T) {
	t.Parallel()
	var e Encoder
	for seed := range uint64(100) {
		src, matches := mostBits(seed)
		expectFrame(t, &e, src, 0, matches)
	}
}

// mostBits is data with such a sequence: states of nine, eight and nine bits, many literals and a
// long match, each with a code that is rare in its block.
func mostBits(seed uint64) (src []byte, matches []Match) {
	random := rand.New(rand.NewPCG(seed, 6))
	noise := func(n int) {
		for range n {
			src = append(src, byte(random.Uint32()))
		}
	}
	repeat := func(length, distance int) {
		matches = append(matches, Match{int64(len(src)), int32(length), int32(distance)})
		for range length {
			src = append(src, src[len(src)-distance])
		}
	}
	short := func(n int) {
		for range n {
			repeat(leastMatch, 5+random.IntN(min(len(src)-5, 30_000)))
		}
	}
	noise(64)
	short(1100 + random.IntN(50))
	literals, length := 33_000, 65_600
	if seed%2 == 1 {
		literals, length = 66_000, 33_000
	}
	noise(literals)
	repeat(length, 33_000)
	short(random.IntN(20))
	return src, matches
}
