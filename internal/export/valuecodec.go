// Values compressed by the matches that they were read with.

package export

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/parquet-go/parquet-go/compress"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/zstdframe"
)

// valueCodec compresses the pages of the values of one file. In a page there are the lengths of
// its values (DELTA_LENGTH_BYTE_ARRAY) and then the values themselves, one after the other.
//
// Every value is told to it before its page is complete, and they come in the same order.
type valueCodec struct {
	compress.Codec // for pages without matches

	lengths []int32           // of the values whose pages are still to come
	matches []zstdframe.Match // of these, At counted through all values of the file
	begin   int64             // of the first of these values
	end     int64             // of the last one

	// The values of the present member that are in the file. For each lookupBytes of its frames
	// blocks has the number of the value to begin looking from. A member whose
	// first values are in other files may be taken for a part of the one before; what its
	// matches say is wrong then, which the encoder finds out.
	placed []placedValue
	blocks []int32
}

// A placedValue is a value and its place among the frames of a member, and among the values of
// the file.
type placedValue struct {
	frames, length int32
	column         int64
}

// lookupBytes is how long a block of frames is whose values are looked up together.
const lookupBytes = 64

// encoders keep their buffers.
var encoders = sync.Pool{New: func() any { return new(zstdframe.Encoder) }}

// addValue tells of the next value that is not null, and of its matches if they are known.
func (c *valueCodec) addValue(r *baldr.Record) {
	begin, length := c.end, len(r.Value)
	c.lengths = append(c.lengths, int32(length))
	c.end += int64(length)
	if r.Matches == nil || length == 0 {
		return
	}
	c.placeValue(r.ValueAt, length, begin)
	matches := *r.Matches
	for i := range matches {
		m := &matches[i]
		start, end := max(int(m.At), r.ValueAt), min(int(m.At)+int(m.Length), r.ValueAt+length)
		at, from := begin+int64(start-r.ValueAt), start-int(m.Distance)
		if start >= end || from < 0 {
			continue
		}
		// Most are in one value. To leave them to placeMatch as well takes half as long again.
		p := &c.placed[c.placeOf(from)]
		if inside := from - int(p.frames); inside >= 0 && inside+end-start <= int(p.length) {
			c.addMatch(at, at-p.column-int64(inside), end-start)
		} else {
			c.placeMatch(at, from, end-start)
		}
	}
}

// placeValue makes a value one that matches may refer to.
func (c *valueCodec) placeValue(frames, length int, column int64) {
	n := len(c.placed)
	if n > 0 && frames < int(c.placed[n-1].frames+c.placed[n-1].length) { // of another member
		c.placed, c.blocks, n = c.placed[:0], c.blocks[:0], 0
	}
	c.placed = append(c.placed, placedValue{int32(frames), int32(length), column})
	for len(c.blocks)*lookupBytes < frames {
		c.blocks = append(c.blocks, int32(max(n-1, 0)))
	}
	for len(c.blocks)*lookupBytes < frames+length {
		c.blocks = append(c.blocks, int32(n))
	}
}

// placeOf is the number of the last placed value that does not begin behind a place in the
// frames, or of the first one.
func (c *valueCodec) placeOf(frames int) int {
	n := int(c.blocks[frames/lookupBytes])
	for n+1 < len(c.placed) && int(c.placed[n+1].frames) <= frames {
		n++
	}
	return n
}

// placeMatch adds a match at a place in the file whose bytes stand somewhere in the frames
// before. What of it was in the header of a frame, or in another file, is not in this one.
func (c *valueCodec) placeMatch(at int64, from, length int) {
	for _, p := range c.placed[c.placeOf(from):] {
		if skipped := int(p.frames) - from; skipped > 0 {
			at, from, length = at+int64(skipped), from+skipped, length-skipped
		}
		if length <= 0 {
			return
		}
		if part := min(length, int(p.frames+p.length)-from); part > 0 {
			c.addMatch(at, at-p.column-int64(from-int(p.frames)), part)
			at, from, length = at+int64(part), from+part, length-part
		}
	}
}

// addMatch adds a match, or makes the one before it longer.
func (c *valueCodec) addMatch(at, distance int64, length int) {
	if n := len(c.matches); n > 0 {
		if last := &c.matches[n-1]; int64(last.Distance) == distance && last.At+int64(last.Length) == at {
			last.Length += int32(length)
			return
		}
	}
	c.matches = append(c.matches, zstdframe.Match{At: at, Length: int32(length), Distance: int32(distance)})
}

// Encode implements compress.Codec for the next page.
func (c *valueCodec) Encode(dst, src []byte) ([]byte, error) {
	begin := c.begin
	values := min(valuesOfPage(src), len(c.lengths))
	for _, length := range c.lengths[:values] {
		c.begin += int64(length)
	}
	c.lengths = slices.Delete(c.lengths, 0, values)
	n := sort.Search(len(c.matches), func(i int) bool { return c.matches[i].At >= c.begin })
	var err error
	if n == 0 {
		dst, err = c.Codec.Encode(dst, src)
	} else {
		e := encoders.Get().(*zstdframe.Encoder)
		lengths := max(0, len(src)-int(c.begin-begin)) // bytes of the page before its values
		dst = e.Encode(roomFor(dst, src), src, lengths, begin, c.matches[:n])
		encoders.Put(e)
		if last := c.matches[n-1]; last.At+int64(last.Length) > c.begin {
			n-- // the rest of it is in the next page
		}
	}
	c.matches = slices.Delete(c.matches, 0, n)
	return dst, err
}

// valuesOfPage is how many values a page has by its own word: behind the size of blocks and
// their number of parts (Parquet's encodings, delta encoding). A page of nulls is empty.
func valuesOfPage(page []byte) int {
	for range 2 {
		_, n := binary.Uvarint(page)
		page = page[max(n, 0):]
	}
	values, _ := binary.Uvarint(page)
	return int(min(values, math.MaxInt32))
}
