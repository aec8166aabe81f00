// How large batches may be.

package recordbatch

import "github.com/bifrost-archive/bifrost/baldr"

// kafkaBatchBytes is Kafka's default for max.message.bytes, and no batch has to be
// larger than that.
const kafkaBatchBytes = 1_048_588

// batchRawBytes bounds what a reader gets when it decompresses a batch.
const batchRawBytes = 4 << 20

// Limits are the codec of a batch and the sizes that it must not exceed.
type Limits struct {
	Codec    Codec
	Bytes    int // at most, as it is sent
	RawBytes int // of records at most, before compression
}

// Shape says how the batches for one target topic are made.
type Shape struct {
	// Codec is what they are compressed with.
	Codec Codec
	// Bytes is the largest that the topic takes (max.message.bytes); 0 if unknown.
	Bytes int64
	// Recompressed says that the broker does not keep them as they are sent: its
	// compression.type is another codec than this one, and its limit is for what
	// becomes of them as well.
	Recompressed bool
}

// Limits are those of each batch.
func (b Shape) Limits() Limits {
	s := Limits{Codec: b.Codec, Bytes: kafkaBatchBytes, RawBytes: batchRawBytes}
	if b.Bytes > 0 {
		s.Bytes = int(min(b.Bytes, kafkaBatchBytes))
	}
	if b.Recompressed {
		s.RawBytes = s.Bytes - s.Bytes/8 // no codec adds that much to what it cannot compress
	}
	return s
}

// BatchBytes is the size of the batch that holds this record alone.
func (c Codec) BatchBytes(r *baldr.Record) int64 {
	var b Writer
	b.Add(r, Limits{Codec: c})
	b.end()
	return int64(len(b.encoded))
}

// AtMost is what a batch of so many bytes before compression can become: records that
// nothing compresses grow a little.
func (c Codec) AtMost(bytes int64) int64 {
	if bytes <= 0 {
		return 0
	}
	return max(bytes, int64(len(c.newCoder().begin(nil))+c.newCoder().atMost(int(bytes))))
}

// RecordBatchBytes is the size of the batch that holds this record alone, before
// compression.
func RecordBatchBytes(r *baldr.Record) int64 {
	size := recordSize(r, 0, 0)
	return int64(HeaderBytes + varintSize(int64(size)) + size)
}
