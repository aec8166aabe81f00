package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
)

// testRecord is a record to be put into a batch.
type testRecord struct {
	offset     int64
	timestamp  int64
	key, value []byte
	headers    []baldr.Header
}

// testBatch is a record batch to be built with franz-go's own encoders, so that
// this package's idea of the format is not tested against itself.
type testBatch struct {
	base, last    int64 // last is that of the last record if it is lower
	leaderEpoch   int32
	codec         kgo.CompressionCodecType
	xerial        bool // snappy as Java's producers frame it
	appendTime    int64
	transactional bool
	control       bool
	producer      int64
	records       []testRecord
}

func (b testBatch) encode() []byte {
	if len(b.records) == 0 {
		b.codec = kgo.CodecNone // as the log cleaner leaves a batch that it has emptied
	}
	var payload []byte
	for _, r := range b.records {
		payload = append(payload, r.encode(b.base)...)
		b.last = max(b.last, r.offset)
	}
	batch := kmsg.RecordBatch{
		FirstOffset:          b.base,
		PartitionLeaderEpoch: b.leaderEpoch,
		Magic:                2,
		Attributes:           int16(b.codec),
		LastOffsetDelta:      int32(b.last - b.base),
		MaxTimestamp:         b.appendTime,
		ProducerID:           b.producer,
		ProducerEpoch:        -1,
		FirstSequence:        -1,
		NumRecords:           int32(len(b.records)),
		Records:              compressed(b.codec, b.xerial, payload),
	}
	for bit, set := range map[int16]bool{0x08: b.appendTime != 0, 0x10: b.transactional, 0x20: b.control} {
		if set {
			batch.Attributes |= bit
		}
	}
	batch.Length = int32(len(batch.AppendTo(nil)) - lengthBytes)
	raw := batch.AppendTo(nil)
	return sealed(raw)
}

// lengthBytes is what a batch or an old message has before what its length counts.
const lengthBytes = 12

// sealed sets the checksum of a batch.
func sealed(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
	return batch
}

func (r testRecord) encode(base int64) []byte {
	record := kmsg.Record{TimestampDelta64: r.timestamp, OffsetDelta: int32(r.offset - base), Key: r.key, Value: r.value}
	for _, h := range r.headers {
		record.Headers = append(record.Headers, kmsg.Header{Key: string(h.Key), Value: h.Value})
	}
	whole := record.AppendTo(nil)
	body := whole[1:] // behind the length, which is 0 until here
	return append(kbin.AppendVarint(nil, int32(len(body))), body...)
}

// marker is the record of a transaction marker: it ends the transaction of its
// batch's producer.
func marker(offset int64, commit bool) testRecord {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return testRecord{offset: offset, key: key, value: []byte{0, 0, 0, 0, 0, 7}}
}

func compressed(codec kgo.CompressionCodecType, xerial bool, payload []byte) []byte {
	if codec == kgo.CodecNone {
		return payload
	}
	compressor := compressors()[codec]
	if codec == kgo.CodecSnappy && xerial {
		return xerialFramed(compressor, payload)
	}
	out, _ := compressor.Compress(new(bytes.Buffer), payload)
	return bytes.Clone(out)
}

var compressors = sync.OnceValue(func() map[kgo.CompressionCodecType]kgo.Compressor {
	all := make(map[kgo.CompressionCodecType]kgo.Compressor)
	for codec, with := range map[kgo.CompressionCodecType]kgo.CompressionCodec{
		kgo.CodecGzip: kgo.GzipCompression(), kgo.CodecSnappy: kgo.SnappyCompression(), kgo.CodecLz4: kgo.Lz4Compression(), kgo.CodecZstd: kgo.ZstdCompression(),
	} {
		compressor, err := kgo.DefaultCompressor(with)
		if err != nil {
			panic(err)
		}
		all[codec] = compressor
	}
	return all
})

// xerialFramed writes snappy as Java's producers do: a header, then blocks of
// 32 KiB with their lengths.
func xerialFramed(compressor kgo.Compressor, payload []byte) []byte {
	out := append([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}, 0, 0, 0, 1, 0, 0, 0, 1)
	for chunk := range slices.Chunk(payload, 32<<10) {
		block, _ := compressor.Compress(new(bytes.Buffer), chunk)
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
	}
	return out
}

var codecNames = map[kgo.CompressionCodecType]string{
	kgo.CodecNone: "none", kgo.CodecGzip: "gzip", kgo.CodecSnappy: "snappy", kgo.CodecLz4: "lz4", kgo.CodecZstd: "zstd",
}

// pageView makes a record that compresses about as well as real ones do.
func pageView(random *rand.Rand) *kgo.Record {
	word := func(words ...string) string { return words[random.IntN(len(words))] }
	value := fmt.Sprintf(`{"event":"page_view","event_id":"%016x%016x","timestamp":"2026-05-%02dT%02d:%02d:%02d.%03dZ","user_id":"u-%08d","session_id":"%016x",`+
		`"url":"https://shop.example.com/%s/%s/%d?ref=%s&campaign=%s","user_agent":"Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36",`+
		`"country":"%s","duration_ms":%d,"viewport":{"width":%d,"height":%d},"ab_tests":["%s","%s"],"price":%d.%02d,"currency":"EUR"}`,
		random.Uint64(), random.Uint64(), random.IntN(28)+1, random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1000),
		random.IntN(5_000_000), random.Uint64(),
		word("women", "men", "kids", "home", "sale"), word("shoes", "jackets", "shirts", "bags", "lamps", "beds"), random.IntN(900_000),
		word("newsletter", "search", "home", "direct"), word("spring", "summer", "none", "retarget"),
		word("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "iPhone; CPU iPhone OS 17_4 like Mac OS X"), random.IntN(30)+100,
		word("DE", "AT", "CH", "NL", "FR", "PL", "SE"), random.IntN(60_000), random.IntN(1900)+300, random.IntN(1200)+400,
		word("checkout-a", "checkout-b"), word("reco-v1", "reco-v2", "reco-v3"), random.IntN(500), random.IntN(100))
	return &kgo.Record{Key: fmt.Appendf(nil, "%08d", random.IntN(5_000_000)), Value: []byte(value)}
}
