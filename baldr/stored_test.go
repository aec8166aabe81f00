package baldr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRandomColumnsAreStored writes keys and header values in which deflate finds
// nothing, between columns in which it does, and reads them back.
func TestRandomColumnsAreStored(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var records []Record
	for i := range 10_000 {
		records = append(records, Record{
			Offset: int64(i), Timestamp: int64(1_700_000_000_000 + i), Key: randomBytes(random, 16), Value: []byte("v"),
			Headers: []Header{{Key: []byte("traceparent"), Value: randomBytes(random, 24)}},
		})
	}
	for _, level := range []int{1, 2, levelForSize} {
		object, _ := write(t, records, Options{Level: level})
		sameRecords(t, fmt.Sprint("level ", level), collect(t, open(t, object, ReaderOptions{}).All()), records)
		if least := 40 * len(records); len(object) < least || len(object) > least+least/20 {
			t.Errorf("level %d: %d bytes, %d of them random", level, len(object), least)
		}
		for _, workers := range []int{2, 16} {
			if got, _ := write(t, records, Options{Level: level, Workers: workers}); !bytes.Equal(got, object) {
				t.Errorf("level %d: %d workers write other bytes than one", level, workers)
			}
		}
	}
}

// TestColumnsAfterStoredOnes has the same numbers before and after a column that
// is stored: as key lengths and as header counts. A compressor that referred from
// the later to the earlier, past bytes that it never saw, would be off by them.
func TestColumnsAfterStoredOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	var records []Record
	for i := range 1000 {
		key := randomBytes(random, 1+random.IntN(8))
		headers := make([]Header, len(key)+1)
		for j := range headers {
			headers[j] = Header{Key: []byte{}, Value: []byte{}}
		}
		records = append(records, Record{Offset: int64(i), Timestamp: -1, Key: key, Value: []byte("v"), Headers: headers})
	}
	for level := 1; level <= 9; level++ {
		object, _ := write(t, records, Options{Level: level})
		sameRecords(t, fmt.Sprint("level ", level), collect(t, open(t, object, ReaderOptions{}).All()), records)
	}
}

// TestStoredColumnsBeyondOneBlock writes a column that no single block takes.
func TestStoredColumnsBeyondOneBlock(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	records := []Record{
		{Offset: 7, Key: randomBytes(random, 3*(1<<16-1)+1), Value: []byte("v")},
		{Offset: 8, Key: []byte("short"), Value: []byte("v")},
	}
	object, _ := write(t, records, Options{})
	sameRecords(t, "records", collect(t, open(t, object, ReaderOptions{}).All()), records)
}

func TestLooksRandom(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	// column is 2,000 keys that key makes of a number; half of the numbers repeat
	// when there are only 1,000 to draw from.
	column := func(numbers int, key func(n uint64) []byte) []byte {
		var keys []byte
		for range 2000 {
			keys = append(keys, key(random.Uint64N(uint64(numbers)))...)
		}
		return keys
	}
	hash := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, (n+1)*0x9e3779b97f4a7c15) }
	const many = 1 << 40
	for _, c := range []struct {
		name   string
		column []byte
		want   bool
	}{
		{"random keys", column(many, hash), true},
		{"random keys of 16 bytes", column(many, func(n uint64) []byte { return append(hash(n), hash(n+1)...) }), true},
		{"too few to judge", column(many, hash)[:leastStoredBytes-1], false},
		{"random keys that repeat", column(1000, hash), false},
		{"numbers", column(many, func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }), false},
		{"hexadecimal text", column(many, func(n uint64) []byte { return fmt.Appendf(nil, "%x", hash(n)) }), false},
		{"names", column(many, func(n uint64) []byte { return fmt.Appendf(nil, "user-%d", n) }), false},
		{"seven bits a byte", column(many, func(n uint64) []byte {
			key := hash(n)
			for i := range key {
				key[i] &= 0x7f
			}
			return key
		}), false},
	} {
		if got := looksRandom(c.column); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
