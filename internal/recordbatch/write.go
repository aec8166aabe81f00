// How a batch is encoded.

package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Writer is a record batch of the v2 message format (KIP-98) while it is filled. The
// zero value is empty.
//
// Records go straight from the archive's members into it, without a record of the
// client's in between, and are compressed a block at a time, so that what is not
// compressed yet stays in a core's cache, and the size of the batch is known while
// it grows. Brokers do much for each batch and little for each record, so it should
// be as large as they take.
type Writer struct {
	codec          Codec
	coder          coder
	count          int32
	lastDelta      int64 // last offset - base offset
	firstTimestamp int64 // milliseconds since the Unix epoch
	maxTimestamp   int64
	raw            int    // bytes of all records, before compression
	block          []byte // records that are not compressed yet
	ended          bool
	encoded        []byte // room for the header, then the compressed records
}

// crcEnd is where what the checksum is of begins; the checksum stands before it.
const crcEnd = 21

// Add puts a record into the batch unless that could make it larger than its limits
// say. The first record of a batch is taken at any size: whether it is too large
// is for the broker to say.
func (b *Writer) Add(r *baldr.Record, to Limits) bool { return b.addAt(int64(b.count), r, to) }

// addAt is Add for a record that is so many offsets behind the first one.
func (b *Writer) addAt(index int64, r *baldr.Record, limits Limits) bool {
	if b.count == 0 {
		b.begin(r, limits.Codec)
	}
	delta := r.Timestamp - b.firstTimestamp
	size := recordSize(r, delta, index)
	if pending := len(b.block) + binary.MaxVarintLen64 + size; b.count > 0 &&
		(len(b.encoded)+b.coder.atMost(pending) > limits.Bytes || b.raw+binary.MaxVarintLen64+size > limits.RawBytes) {
		return false
	}
	to := &b.block
	if b.codec == Uncompressed {
		to = &b.encoded // there is nothing to do with it first
	}
	begin := len(*to)
	dst := binary.AppendVarint(*to, int64(size))
	dst = append(dst, 0) // attributes, of which records have none
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, index)
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	*to = dst
	b.raw += len(dst) - begin
	b.count++
	b.lastDelta = index
	b.maxTimestamp = max(b.maxTimestamp, r.Timestamp)
	if block := b.coder.blockBytes(); len(b.block) >= block {
		rest := b.block
		for ; len(rest) >= block; rest = rest[block:] {
			b.encoded = b.coder.block(b.encoded, rest[:block])
		}
		b.block = b.block[:copy(b.block, rest)]
	}
	return true
}

// begin makes the batch ready for its first record.
func (b *Writer) begin(r *baldr.Record, codec Codec) {
	if b.coder == nil || b.codec != codec {
		b.codec, b.coder = codec, codec.newCoder()
	}
	b.firstTimestamp, b.maxTimestamp, b.raw, b.block = r.Timestamp, r.Timestamp, 0, b.block[:0]
	b.ended = false
	b.encoded = b.coder.begin(append(b.encoded[:0], make([]byte, HeaderBytes)...))
}

// recordSize is the length of a record after its length field.
func recordSize(r *baldr.Record, delta, index int64) int {
	size := 1 + varintSize(delta) + varintSize(index) + bytesSize(r.Key) + bytesSize(r.Value) +
		varintSize(int64(len(r.Headers)))
	for _, h := range r.Headers {
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	return size
}

// varintSize is the length of what [binary.AppendVarint] appends, which is
// Kafka's encoding, too.
func varintSize(x int64) int {
	return (bits.Len64(uint64(x<<1)^uint64(x>>63)|1) + 6) / 7
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

// appendBytes appends a length and as many bytes; the length of null is -1.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// end compresses what is left. The batch has its size then.
func (b *Writer) end() {
	if b.ended {
		return
	}
	if len(b.block) > 0 {
		b.encoded = b.coder.block(b.encoded, b.block)
		b.block = b.block[:0]
	}
	b.encoded = b.coder.end(b.encoded)
	b.ended = true
}

// Count is the number of records in the batch.
func (b *Writer) Count() int32 { return b.count }

// Reset gives up what is in the batch. The next record begins another in the same
// memory.
func (b *Writer) Reset() { b.count = 0 }

// Producer is what Kafka knows the producer of a batch by (KIP-98).
type Producer struct {
	ID    int64
	Epoch int16
}

// Seal ends the batch and returns it as the producer sends it in a transaction, its
// first record with the sequence number. Nothing can be added until Reset.
func (b *Writer) Seal(by Producer, sequence int32) []byte {
	return b.seal(kmsg.RecordBatch{
		Attributes:    transactionalBit,
		ProducerID:    by.ID,
		ProducerEpoch: by.Epoch,
		FirstSequence: sequence,
	})
}

// seal completes the header with what the records say, and puts it before them.
func (b *Writer) seal(header kmsg.RecordBatch) []byte {
	b.end()
	header.Length = int32(len(b.encoded) - lengthBytes)
	header.PartitionLeaderEpoch = -1
	header.Magic = currentMagic
	header.Attributes |= int16(b.codec)
	header.LastOffsetDelta = int32(b.lastDelta)
	header.FirstTimestamp = b.firstTimestamp
	header.MaxTimestamp = b.maxTimestamp
	header.NumRecords = b.count
	header.AppendTo(b.encoded[:0])
	binary.BigEndian.PutUint32(b.encoded[crcEnd-4:], crc32.Checksum(b.encoded[crcEnd:], crc32c))
	return b.encoded
}
