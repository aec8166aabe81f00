package replay

import "github.com/bifrost-archive/bifrost/baldr"

// kafkaBatchBytes is Kafka's default for max.message.bytes, and no batch has to be
// larger than that.
const kafkaBatchBytes = 1_048_588

// Batches say how the batches for one target topic are made.
type Batches struct {
	// Codec is what they are compressed with.
	Codec Codec
	// Bytes is the largest that the topic takes (max.message.bytes); 0 if unknown.
	Bytes int64
	// Recompressed says that the broker does not keep them as they are sent: its
	// compression.type is another codec than this one, and its limit is for what
	// becomes of them as well.
	Recompressed bool
}

// shape is that of the batches.
func (b Batches) shape() shape {
	s := shape{codec: b.Codec, bytes: kafkaBatchBytes, raw: batchRawBytes}
	if b.Bytes > 0 {
		s.bytes = int(min(b.Bytes, kafkaBatchBytes))
	}
	if b.Recompressed {
		s.raw = s.bytes - s.bytes/8 // no codec adds that much to what it cannot compress
	}
	return s
}

// BatchBytes is the size of the batch that holds this record alone.
func (c Codec) BatchBytes(r *baldr.Record) int64 {
	var b batch
	b.add(r, shape{codec: c})
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
	return int64(headerBytes + varintSize(int64(size)) + size)
}
