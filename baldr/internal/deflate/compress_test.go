package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	library "github.com/klauspost/compress/flate"
	"pgregory.net/rapid"
)

// compressed is what c makes of data written at once.
func compressed(t require, c Compressor, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	c.Reset(&out)
	_, err := c.Write(data)
	check(t, err)
	check(t, c.Close())
	return out.Bytes()
}

// comesBack has the standard library inflate what was made of data, to its end.
func comesBack(t require, deflated, data []byte) {
	t.Helper()
	from := bytes.NewReader(deflated)
	got, err := io.ReadAll(flate.NewReader(from))
	check(t, err)
	if from.Len() > 0 {
		t.Fatalf("%d bytes are behind the end of the stream", from.Len())
	}
	if !bytes.Equal(got, data) {
		at := 0
		for at < min(len(got), len(data)) && got[at] == data[at] {
			at++
		}
		t.Fatalf("%d bytes became %d, and others from %d on", len(data), len(got), at)
	}
}

// Whatever the data are, they come back; how they are cut and what the compressor
// did before leave no trace.
func TestCompressedComesBack(t *testing.T) {
	t.Parallel()
	used := new(fastCompressor)
	var f fastInflater
	rapid.Check(t, func(t *rapid.T) {
		data := mixed(t)
		whole := compressed(t, new(fastCompressor), data)
		comesBack(t, whole, data)
		own := make([]byte, len(data))
		if n, err := f.inflate(own, whole, ignored); err != nil || n != len(whole) || !bytes.Equal(own, data) {
			t.Fatalf("our inflater used %d of %d bytes: %v", n, len(whole), err)
		}

		var out bytes.Buffer
		used.Reset(&out)
		for rest := data; len(rest) > 0; {
			piece := rest[:rapid.IntRange(1, len(rest)).Draw(t, "piece")]
			if n, err := used.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("took %d of %d bytes: %v", n, len(piece), err)
			}
			rest = rest[len(piece):]
		}
		check(t, used.Close())
		if !bytes.Equal(out.Bytes(), whole) {
			t.Fatal("cut into pieces, and by a compressor that was used before, it became other bytes")
		}
	})
}

// What was written before a Flush can be read, and ends with a byte, so that
// stored blocks can follow.
func TestCompressorFlushes(t *testing.T) {
	t.Parallel()
	c := new(fastCompressor)
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		var all []byte
		c.Reset(&out)
		for range rapid.IntRange(1, 6).Draw(t, "flushes") {
			data := mixed(t)
			all = append(all, data...)
			_, err := c.Write(data)
			check(t, err)
			check(t, c.Flush())
			got, err := io.ReadAll(flate.NewReader(bytes.NewReader(out.Bytes())))
			if err != io.ErrUnexpectedEOF || !bytes.Equal(got, all) {
				t.Fatalf("%d of %d bytes came back: %v", len(got), len(all), err)
			}
			stored := seeded(uint64(len(all)), rapid.IntRange(0, 100).Draw(t, "stored"))
			end := append(AppendStored(bytes.Clone(out.Bytes()), stored), 3, 0)
			comesBack(t, end, slices.Concat(all, stored))
		}
		check(t, c.Close())
		comesBack(t, out.Bytes(), all)
	})
}

// A Flush that has nothing to write writes the empty block that aligns, no other.
func TestCompressorFlushesNothing(t *testing.T) {
	t.Parallel()
	c := new(fastCompressor)
	for _, size := range []int{0, 1000, windowBytes} {
		var out bytes.Buffer
		c.Reset(&out)
		_, err := c.Write(text(size))
		check(t, err)
		check(t, c.Flush())
		before := out.Len()
		check(t, c.Flush())
		if added := out.Bytes()[before:]; !bytes.Equal(added, []byte{0, 0, 0, 0xff, 0xff}) {
			t.Errorf("after %d bytes a second Flush wrote % x", size, added)
		}
		before = out.Len()
		_, err = c.Write([]byte("Heimdall"))
		check(t, err)
		if out.Len() > before {
			t.Errorf("after %d bytes and a Flush, a short Write wrote % x", size, out.Bytes()[before:])
		}
	}
}

// A stream leaves nothing to the next one: no bits if it was given up, no places,
// no bytes behind the end.
func TestCompressorBeginsAnew(t *testing.T) {
	t.Parallel()
	const block = windowBytes - historyBytes
	c := new(fastCompressor)
	for _, data := range [][]byte{text(1000), append(make([]byte, 8), text(500)...)} {
		want := compressed(t, new(fastCompressor), data)
		for size := range 20 {
			before := append(text(block+100*size), make([]byte, block)...)
			c.Reset(io.Discard)
			_, err := c.Write(before)
			check(t, err)
			if got := compressed(t, c, data); !bytes.Equal(got, want) {
				t.Fatalf("after %d bytes of a stream that was given up it makes other bytes", len(before))
			}
			compressed(t, c, before)
			if got := compressed(t, c, data); !bytes.Equal(got, want) {
				t.Fatalf("after %d bytes of another stream it makes other bytes", len(before))
			}
		}
	}
	for size := range 300 {
		compressed(t, c, text(1000))
		if !bytes.Equal(compressed(t, c, text(size)), compressed(t, new(fastCompressor), text(size))) {
			t.Fatalf("after more of the same data %d bytes become others", size)
		}
	}
}

// When the window slides, it keeps the end of the stream and knows where that is.
func TestSlideKeepsTheHistory(t *testing.T) {
	t.Parallel()
	const block = windowBytes - historyBytes
	c := new(fastCompressor)
	for slides := range 4 {
		data := seeded(9, windowBytes+slides*block+1)
		c.Reset(io.Discard)
		_, err := c.Write(data)
		check(t, err)
		begin := (slides + 1) * block
		if !bytes.Equal(c.window[:c.end], data[begin:]) {
			t.Errorf("after %d slides the window is not the end of the stream", slides+1)
		}
		if c.base != uint16(begin&0xffff) || c.begin != historyBytes {
			t.Errorf("after %d slides the block begins at %d behind %d, modulo 64 Ki", slides+1, c.begin, c.base)
		}
	}
}

// A block ends where the window does, and matches go on across.
func TestCompressorWindow(t *testing.T) {
	t.Parallel()
	c := new(fastCompressor)
	const block = windowBytes - historyBytes
	for _, near := range []int{0, endBytes, minMatch, windowBytes, windowBytes + block, windowBytes + 2*block} {
		for size := max(0, near-20); size <= near+20; size++ {
			data := text(size)
			deflated := compressed(t, c, data)
			comesBack(t, deflated, data)
			if size > 1000 && len(deflated) > size/4 {
				t.Errorf("%d bytes of text became %d", size, len(deflated))
			}
		}
	}
}

// What comes again is found as far back as deflate can refer to, and not one byte
// further, also when 64 Ki make it look near.
func TestMatchesReachBackAsFarAsTheHistory(t *testing.T) {
	t.Parallel()
	mark := seeded(1, 200)
	for _, distance := range []int{200, 201, 4000, historyBytes - 1, historyBytes, historyBytes + 1, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1<<16 + 200} {
		c := new(fastCompressor)
		data := slices.Concat(text(100), mark, text(distance-len(mark)), mark, text(100))
		comesBack(t, compressed(t, c, data), data)
		found := slices.ContainsFunc(c.parsed.sequences, func(s sequence) bool {
			return int(s.distance())+1 == distance && s.length() > 150
		})
		if found != (distance <= historyBytes) {
			t.Errorf("200 bytes that come again after %d: found is %v", distance, found)
		}
	}
}

// The shortest distances overlap what they repeat.
func TestMatchesThatOverlap(t *testing.T) {
	t.Parallel()
	c := new(fastCompressor)
	for distance := 1; distance < 40; distance++ {
		data := bytes.Repeat(seeded(1, distance), 3*windowBytes/distance+1)
		deflated := compressed(t, c, data)
		comesBack(t, deflated, data)
		if len(deflated) > 2000+len(data)/200 {
			t.Errorf("%d bytes that repeat every %d became %d", len(data), distance, len(deflated))
		}
	}
}

func TestMatchesOfEveryLength(t *testing.T) {
	t.Parallel()
	c := new(fastCompressor)
	random := seeded(2, 2000)
	for length := range 2*maxMatch + 20 {
		comesBack(t, compressed(t, c, make([]byte, length)), make([]byte, length))
		// Found at its begin, and later, so that it grows backwards too.
		data := slices.Concat(random[:1000], random[300:300+length], random[1000:1500], random[100:100+length], random[1500:])
		comesBack(t, compressed(t, c, data), data)
	}
}

// Each block is written in the way that is the shortest for it, and takes as many
// bits as were counted for that.
func TestKindsOfBlocks(t *testing.T) {
	t.Parallel()
	const stored, fixed, dynamic = 0, 1, 2
	skewed := make([]byte, 5000)
	random := rand.New(rand.NewPCG(3, 3))
	for i := range skewed {
		skewed[i] = byte(random.ExpFloat64() * 3)
	}
	high := bytes.Clone(skewed)
	for i := range high {
		high[i] += 200
	}
	for name, is := range map[string]struct {
		data       []byte
		kind, most int
	}{
		"nothing":      {nil, fixed, 2},
		"one byte":     {[]byte{'a'}, fixed, 3},
		"a word":       {[]byte("Heimdall"), fixed, 10},
		"random":       {seeded(4, 5000), stored, 5005},
		"one block":    {seeded(5, maxStoredBlock), stored, maxStoredBlock + 5},
		"two blocks":   {seeded(5, maxStoredBlock+1), stored, maxStoredBlock + 11},
		"much random":  {seeded(5, 3*windowBytes), stored, 3*windowBytes + 200},
		"text":         {text(5000), dynamic, 1200},
		"few literals": {skewed, dynamic, 2000},
		"high ones":    {high, dynamic, 2000}, // of 9 bits in the fixed codes
	} {
		c := new(fastCompressor)
		deflated := compressed(t, c, is.data)
		comesBack(t, deflated, is.data)
		if kind := int(deflated[0] >> 1 & 3); kind != is.kind || len(deflated) > is.most {
			t.Errorf("%s: a block of kind %d, %d bytes; want kind %d, at most %d bytes", name, kind, len(deflated), is.kind, is.most)
		}
		cost := 3
		switch w := &c.block; is.kind {
		case stored:
			continue
		case fixed:
			cost += w.counts.cost(&fixedCodes)
		case dynamic:
			cost += w.listing.cost() + w.counts.cost(&w.codes)
		}
		c.block.reset()
		if wrote := 8*len(c.block.write(&c.parsed, is.data, false)) + int(c.block.count); wrote != cost {
			t.Errorf("%s: %d bits were counted, %d written", name, cost, wrote)
		}
	}
}

// Level 1 promises no less than the library's.
func TestLevelOneIsAsSmallAsTheLibrarys(t *testing.T) {
	t.Parallel()
	other, err := library.NewWriter(nil, 1)
	check(t, err)
	var turns []byte // what does not compress, and text that follows before it is passed in haste
	for n := range 32 {
		turns = slices.Concat(turns, seeded(uint64(n), 40_000), text(20_000 + n*1000)[n*1000:])
	}
	for name, data := range map[string][]byte{"text": text(3 << 20), "text and random bytes in turns": turns} {
		ours, theirs := len(compressed(t, new(fastCompressor), data)), len(compressed(t, other, data))
		if ours > theirs {
			t.Errorf("%d bytes of %s became %d; the library makes %d", len(data), name, ours, theirs)
		}
	}
}

// Every length and every distance is in the range of its symbol.
func TestSymbolsOfMatches(t *testing.T) {
	t.Parallel()
	within := func(what string, value int, m meaning) {
		base := int(m.entry >> 16)
		if value < base || value >= base+1<<m.extra {
			t.Errorf("%s %d is not in [%d, %d)", what, value, base, base+1<<m.extra)
		}
	}
	for length := 3; length <= maxMatch; length++ {
		within("length", length, literalMeanings[lengthSymbols[length-3]])
	}
	if lengthSymbols[maxMatch-3] != 285 {
		t.Error("the greatest length has a symbol of its own")
	}
	for distance := 1; distance <= historyBytes; distance++ {
		symbol, extra := distanceSymbol(uint32(distance - 1))
		within("distance", distance, distanceMeanings[symbol])
		if extra != distanceMeanings[symbol].extra {
			t.Errorf("distance %d has %d extra bits, its symbol %d", distance, extra, distanceMeanings[symbol].extra)
		}
	}
}

// The codes fill what there is exactly, none is too long, and no others of these
// lengths would take fewer bits.
func TestShortestCodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		longest := rapid.SampledFrom([]int{lengthBits, longestCode, maxCodeBits}).Draw(t, "longest")
		counts := make([]uint32, rapid.IntRange(2, min(maxLiteralCodes, 1<<longest)).Draw(t, "symbols"))
		grow := rapid.SampledFrom([]uint32{0, 1, 30, 1000, 60000}).Draw(t, "counts")
		for i := range counts {
			counts[i] = rapid.Uint32Range(0, grow).Draw(t, "count")
		}
		steep := rapid.IntRange(0, min(25, len(counts))).Draw(t, "steep")
		for i, a, b := 0, uint32(1), uint32(1); i < steep; i, a, b = i+1, b, a+b {
			counts[i] = a // Fibonacci's numbers make the deepest tree
		}
		lengths := make([]uint8, len(counts))
		shortest(lengths, counts, longest)

		there, room, cost := 0, 0, 0
		for symbol, count := range counts {
			length := int(lengths[symbol])
			if (count > 0) != (length > 0) || length > longest {
				t.Fatalf("what is there %d times has a code of %d bits", count, length)
			}
			if count > 0 {
				there++
				room += 1 << (longest - length)
				cost += int(count) * length
			}
		}
		if there < 2 {
			if room > 1<<longest/2 {
				t.Fatal("the code of a single symbol has one bit")
			}
			return
		}
		if room != 1<<longest {
			t.Fatalf("the codes take %d of %d", room, 1<<longest)
		}
		least, deepest := huffman(counts)
		if deepest <= longest && cost != least {
			t.Fatalf("they cost %d bits, and could %d", cost, least)
		}
		if cost < least {
			t.Fatalf("they cost %d bits, less than the least, %d", cost, least)
		}
	})
}

// huffman is the textbook's method: how many bits it takes, and its longest code.
func huffman(counts []uint32) (cost, deepest int) {
	type node struct{ weight, depth int }
	var nodes []node
	for _, count := range counts {
		if count > 0 {
			nodes = append(nodes, node{weight: int(count)})
		}
	}
	for len(nodes) > 1 {
		// Of equal weights the shallower first, for the least depth.
		slices.SortFunc(nodes, func(a, b node) int {
			if a.weight != b.weight {
				return a.weight - b.weight
			}
			return a.depth - b.depth
		})
		a, b := nodes[0], nodes[1]
		cost += a.weight + b.weight
		nodes = append(nodes[2:], node{a.weight + b.weight, max(a.depth, b.depth) + 1})
	}
	return cost, nodes[0].depth
}

// Bytes that are there as often as Fibonacci's numbers would have codes of more
// bits than four of which fit into a word.
func TestSteepCounts(t *testing.T) {
	t.Parallel()
	var data []byte
	for b, i, j := 0, 1, 1; b < 24; b, i, j = b+1, j, i+j {
		data = append(data, bytes.Repeat([]byte{byte(b)}, i)...)
	}
	rand.New(rand.NewPCG(6, 6)).Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
	comesBack(t, compressed(t, new(fastCompressor), data), data)
	var p parsed
	p.literals = data
	var counts symbolCounts
	counts.of(&p)
	var c codes
	var l listing
	c.fit(&counts, &l)
	if counts.symbols[0] != 1 || c.symbols[0].width() != longestCode {
		t.Errorf("the rarest byte, %d times there, has a code of %d bits", counts.symbols[0], c.symbols[0].width())
	}
}

// Lengths of codes that follow each other are listed in few items.
func TestListing(t *testing.T) {
	t.Parallel()
	type items = [][2]uint8
	for _, run := range []struct {
		length uint8
		times  int
		want   items
	}{
		{0, 2, items{{0, 0}, {0, 0}}},
		{0, 3, items{{17, 0}}},
		{0, 10, items{{17, 7}}},
		{0, 11, items{{18, 0}}},
		{0, 138, items{{18, 127}}},
		{0, 139, items{{18, 127}, {0, 0}}},
		{0, 149, items{{18, 127}, {18, 0}}},
		{5, 3, items{{5, 0}, {5, 0}, {5, 0}}},
		{5, 4, items{{5, 0}, {16, 0}}},
		{5, 7, items{{5, 0}, {16, 3}}},
		{5, 10, items{{5, 0}, {16, 3}, {16, 0}}},
	} {
		var l listing
		l.run(run.length, run.times)
		var got items
		for _, item := range l.items[:l.count] {
			got = append(got, [2]uint8{item.symbol, item.more})
		}
		if !slices.Equal(got, run.want) {
			t.Errorf("%d, %d times: %v, want %v", run.length, run.times, got, run.want)
		}
	}
	// Where nothing refers back, one distance is listed nevertheless.
	var p parsed
	p.literals = []byte("Heimdall")
	var counts symbolCounts
	counts.of(&p)
	var c codes
	var l listing
	c.fit(&counts, &l)
	if l.distances != 1 || c.distances[0].width() != 1 {
		t.Errorf("%d distances are listed, the first of %d bits", l.distances, c.distances[0].width())
	}
}

func TestCompressorHandsOnErrors(t *testing.T) {
	t.Parallel()
	errFull := errors.New("full")
	full := func() *failingWriter { return &failingWriter{err: errFull} }
	c := new(fastCompressor)
	data := seeded(7, 2*windowBytes)
	c.Reset(full())
	if n, err := c.Write(data); err != errFull || n != windowBytes {
		t.Errorf("Write took %d bytes: %v", n, err)
	}
	c.Reset(full())
	if _, err := c.Write(data[:10]); err != nil {
		t.Errorf("Write of what is held back: %v", err)
	}
	if err := c.Flush(); err != errFull {
		t.Errorf("Flush: %v", err)
	}
	c.Reset(&failingWriter{left: 15, err: errFull})
	_, _ = c.Write(data[:10])
	if err := c.Flush(); err != errFull {
		t.Errorf("Flush, with room for the data and not for the alignment: %v", err)
	}
	c.Reset(full())
	if err := c.Close(); err != errFull {
		t.Errorf("Close: %v", err)
	}
	// What was lost once is not forgotten when there is room again.
	room := full()
	c.Reset(room)
	_, _ = c.Write(data)
	room.left = 1 << 30
	if err := c.Flush(); err != errFull {
		t.Errorf("Flush after an error: %v", err)
	}
	if err := c.Close(); err != errFull {
		t.Errorf("Close after an error: %v", err)
	}
	comesBack(t, compressed(t, c, data), data)
}

// seedCompress gives a fuzzer of compressors its first inputs.
func seedCompress(f *testing.F) {
	f.Add(text(3000), 100)
	f.Add(seeded(8, 300), 0)
	f.Add(make([]byte, 1000), 999)
	f.Add(slices.Concat(seeded(9, 200), text(200), seeded(9, 200)), 250)
	f.Add([]byte{}, 0)
}

func FuzzCompress(f *testing.F) {
	seedCompress(f)
	c := new(fastCompressor)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		comesBack(t, compressed(t, c, data), data)
		cut = min(max(cut, 0), len(data))
		var out bytes.Buffer
		c.Reset(&out)
		_, err := c.Write(data[:cut])
		check(t, err)
		check(t, c.Flush())
		_, err = c.Write(data[cut:])
		check(t, err)
		check(t, c.Close())
		comesBack(t, out.Bytes(), data)
	})
}

// FuzzCompressLong repeats its input beyond what one window holds, so that the
// history moves. One run takes as long as a hundred of FuzzCompress.
func FuzzCompressLong(f *testing.F) {
	seedCompress(f)
	c := new(fastCompressor)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if len(data) == 0 {
			return
		}
		many := bytes.Repeat(data, 1+2*windowBytes/len(data))
		many = many[min(max(cut, 0), len(data)):]
		comesBack(t, compressed(t, c, many), many)
	})
}
