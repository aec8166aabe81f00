package recordbatch

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Whatever is put into batches, franz-go's own reader finds in them, in order.
func TestBatchesHoldWhatWasAdded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{200, 1000, codecBlock, kafkaBatchBytes}).Draw(t, "limit")
		to := Shape{Codec: Codec(rapid.IntRange(0, int(Zstd)).Draw(t, "codec")), Bytes: int64(limit), Recompressed: rapid.Bool().Draw(t, "recompressed")}.Limits()
		var b Writer
		var batches [][]byte
		var want []baldr.Record
		seal := func() {
			encoded := b.Seal(Producer{7, 3}, int32(len(want)))
			if len(encoded) > limit && b.count > 1 {
				t.Fatalf("a batch of %d records has %d bytes, the limit is %d", b.count, len(encoded), limit)
			}
			if b.raw > to.RawBytes && b.count > 1 {
				t.Fatalf("a batch of %d records has %d bytes before compression, the limit is %d", b.count, b.raw, to.RawBytes)
			}
			if b.count == 1 {
				if alone := to.Codec.BatchBytes(&want[len(want)-1]); alone != int64(len(encoded)) {
					t.Fatalf("a batch of one record has %d bytes, foretold were %d", len(encoded), alone)
				}
			}
			batches = append(batches, bytes.Clone(encoded))
			b.Reset()
		}
		for _, r := range rapid.SliceOfN(records, 1, 20).Draw(t, "records") {
			if !b.Add(&r, to) {
				seal()
				if !b.Add(&r, to) {
					t.Fatal("an empty batch does not take a record")
				}
			}
			want = append(want, r)
		}
		seal()
		var got []baldr.Record
		for _, encoded := range batches {
			got = append(got, decode(t, encoded)...)
		}
		if g, w := words(got), words(want); g != w {
			t.Fatalf("got:\n%swant:\n%s", g, w)
		}
	})
}

// valuesOfKinds make values of about so many bytes that compress not at all, well, and to
// nearly nothing.
func valuesOfKinds(size int) map[string]func() []byte {
	random := uint64(1)
	draw := func() uint64 {
		random = random*6364136223846793005 + 1442695040888963407
		return random
	}
	return map[string]func() []byte{
		"noise": func() []byte {
			noise := make([]byte, size)
			for i := range noise {
				noise[i] = byte(draw() >> 56)
			}
			return noise
		},
		"text": func() []byte {
			const event = `{"user": %d, "page": "/a/b/c", "referrer": "https://example.com/search?q=%x"}`
			return fmt.Appendf(nil, event, draw()>>40, draw())
		},
		"zeros": func() []byte { return make([]byte, size) },
	}
}

// A topic that takes less than Kafka's default limits its batches, and one that takes more gets none that are larger.
func TestNoBatchIsLargerThanItHasToBe(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]int{0: kafkaBatchBytes, 1000: 1000, kafkaBatchBytes: kafkaBatchBytes,
		100 << 20: kafkaBatchBytes, math.MaxInt64: kafkaBatchBytes} {
		if got := (Shape{Codec: Gzip, Bytes: bytes}).Limits(); got != (Limits{Gzip, want, batchRawBytes}) {
			t.Errorf("of a topic that takes %d bytes: %+v, want %d", bytes, got, want)
		}
	}
}

// A batch stays below its limit even if nothing in it can be compressed, and is
// about as large as that if it can.
func TestBatchesFillUp(t *testing.T) {
	t.Parallel()
	for name, value := range valuesOfKinds(500) {
		for codec := range Codec(len(CodecNames)) {
			var b Writer
			for b.Add(&baldr.Record{Value: value()}, Shape{Codec: codec}.Limits()) {
			}
			encoded := b.Seal(Producer{}, 0)
			if len(encoded) > kafkaBatchBytes || b.raw > batchRawBytes {
				t.Errorf("%s, %s: %d bytes, %d before compression", name, codec, len(encoded), b.raw)
			}
			if len(encoded) < kafkaBatchBytes*8/10 && b.raw < batchRawBytes*9/10 {
				t.Errorf("%s, %s: full at %d bytes, %d before compression", name, codec, len(encoded), b.raw)
			}
			t.Logf("%s, %s: %d records in %d bytes", name, codec, b.count, len(encoded))
		}
	}
}

// A broker that compresses again with another codec takes the batch as well: its limit is
// for what it makes of it, and some of what compresses well here it does not compress at all.
func TestBatchesFitWhenTheyAreCompressedAgain(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{0, 1000, 20_000, 300_000} {
		for sent := range Codec(len(CodecNames)) {
			to := Shape{Codec: sent, Bytes: limit, Recompressed: true}.Limits()
			for name, value := range valuesOfKinds(min(to.Bytes/20, 500)) {
				var b Writer
				var records []baldr.Record
				for record := (baldr.Record{Value: value()}); b.Add(&record, to); record = (baldr.Record{Value: value()}) {
					records = append(records, record)
				}
				for kept := range Codec(len(CodecNames)) {
					var again Writer
					for i := range records {
						again.Add(&records[i], Limits{Codec: kept, Bytes: math.MaxInt, RawBytes: math.MaxInt})
					}
					if size := len(again.Seal(Producer{}, 0)); size > to.Bytes {
						t.Errorf("%s, sent with %s: %d records have %d bytes with %s, the limit is %d",
							name, sent, len(records), size, kept, to.Bytes)
					}
				}
			}
		}
	}
}

// The memory of a batch that was given up serves the next one.
func TestABatchBeginsAgain(t *testing.T) {
	t.Parallel()
	long := baldr.Record{Value: bytes.Repeat([]byte("long "), codecBlock)}
	short := baldr.Record{Value: []byte("short")}
	rapid.Check(t, func(t *rapid.T) {
		var b Writer
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			codec := Codec(rapid.IntRange(0, int(Zstd)).Draw(t, "codec"))
			record := rapid.SampledFrom([]baldr.Record{long, short}).Draw(t, "record")
			b.Add(&record, Shape{Codec: codec}.Limits())
			if rapid.Bool().Draw(t, "given up") {
				b.Reset()
				continue
			}
			sealed := b.Seal(Producer{7, 3}, 0)
			if got := decode(t, sealed); words(got) != words([]baldr.Record{record}) {
				t.Fatalf("%s: the batch holds %d records that are not the one", codec, len(got))
			}
			if h, err := ParseHeader(sealed); err != nil || h.Codec() != codec {
				t.Fatalf("%s was asked for, and it is %s, error %v", codec, h.Codec(), err)
			}
			b.Reset()
		}
	})
}

// records are of any shape that Kafka allows.
var records = rapid.Custom(func(t *rapid.T) baldr.Record {
	r := baldr.Record{
		Timestamp: rapid.SampledFrom([]int64{-1, 0, 1_600_000_000_000, 1_600_000_000_001, 1_900_000_000_000}).Draw(t, "timestamp"),
		Key:       chunk(t, "key"),
		Value:     chunk(t, "value"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, baldr.Header{Key: []byte(rapid.SampledFrom([]string{"", "trace", "größe"}).Draw(t, "header")), Value: chunk(t, "header's value")})
	}
	return r
})

func chunk(t *rapid.T, name string) []byte {
	size := rapid.SampledFrom([]int{-1, 0, 1, 63, 64, 100, 8191, codecBlock, 3*codecBlock + 1}).Draw(t, name)
	if size < 0 {
		return nil
	}
	return bytes.Repeat([]byte{byte(size), 1, 2}, size)[:size]
}

// decode reads a batch as a consumer of franz-go does, its checksum included.
func decode(t *rapid.T, encoded []byte) (records []baldr.Record) {
	fetched := kmsg.NewFetchResponseTopicPartition()
	fetched.RecordBatches = encoded
	fetched.HighWatermark = math.MaxInt64
	p, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true}, &fetched, kgo.DefaultDecompressor(), nil)
	if p.Err != nil {
		t.Fatalf("decode: %v", p.Err)
	}
	var header kmsg.RecordBatch
	if err := header.ReadFrom(encoded); err != nil {
		t.Fatalf("header: %v", err)
	}
	for i, r := range p.Records {
		if r.Timestamp.UnixMilli() > header.MaxTimestamp {
			t.Fatalf("record %d is of %s, and the batch's largest timestamp is %d", i, r.Timestamp, header.MaxTimestamp)
		}
		if r.Offset != int64(i) || r.ProducerID != 7 || r.ProducerEpoch != 3 || !r.Attrs.IsTransactional() || r.Attrs.IsControl() {
			t.Fatalf("record %d: offset %d, producer %d/%d, transactional %v", i, r.Offset, r.ProducerID, r.ProducerEpoch, r.Attrs.IsTransactional())
		}
		one := baldr.Record{Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, baldr.Header{Key: []byte(h.Key), Value: h.Value})
		}
		records = append(records, one)
	}
	return records
}

// words tell null from empty.
func words(records []baldr.Record) (text string) {
	for _, r := range records {
		text += fmt.Sprintf("%s %v%x %v%x", time.UnixMilli(r.Timestamp).UTC(), r.Key == nil, r.Key, r.Value == nil, r.Value)
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %q=%v%x", h.Key, h.Value == nil, h.Value)
		}
		text += "\n"
	}
	return text
}
