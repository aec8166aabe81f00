// Batches as a broker keeps them, with gaps between offsets.

package recordbatch

import (
	"bytes"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
)

// StoredWriter makes batches as a broker keeps them and answers fetches with them:
// every record at its own offset, with gaps where there are no records, and without a
// producer. The zero value is empty.
type StoredWriter struct {
	writer Writer
	base   int64
	last   int64
	kind   baldr.TimestampType
	time   int64 // of the records, when the broker set it
}

// storedBytes bounds a batch: its length is an int32, and headers come before it.
const storedBytes = math.MaxInt32 - 1<<10

// Add puts a record into the batch unless it needs another one: the batch has one
// type of timestamps and, where brokers set them, one timestamp, because with that
// attribute readers give every record the batch's largest. The first record of a batch
// is taken at any size. Offsets must rise.
func (w *StoredWriter) Add(r *baldr.Record, codec Codec) bool {
	if w.writer.Count() == 0 {
		w.base, w.kind, w.time = r.Offset, r.TimestampType, r.Timestamp
	} else if r.TimestampType != w.kind || r.Offset-w.base > math.MaxInt32 {
		return false
	} else if w.kind == baldr.LogAppendTime && r.Timestamp != w.time {
		return false
	}
	if !w.writer.addAt(r.Offset-w.base, r, Limits{Codec: codec, Bytes: storedBytes, RawBytes: storedBytes}) {
		return false
	}
	w.last = r.Offset
	return true
}

// WriteInto makes batches in this memory while there is room, their headers included:
// what is not compressed is written once, into the memory that Seal returns.
func (w *StoredWriter) WriteInto(memory []byte) { w.writer.encoded = memory[:0] }

// Count is the number of records in the batch.
func (w *StoredWriter) Count() int32 { return w.writer.Count() }

// Offsets are those of the first and of the last record in the batch.
func (w *StoredWriter) Offsets() (first, last int64) { return w.base, w.last }

// Seal ends the batch and returns it; its memory is the caller's. The next record
// begins another one.
func (w *StoredWriter) Seal() []byte {
	header := kmsg.RecordBatch{FirstOffset: w.base, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	if w.kind == baldr.LogAppendTime {
		header.Attributes = logAppendTimeBit
	}
	defer w.writer.Reset()
	sealed := w.writer.seal(header)
	if cap(sealed)-len(sealed) <= len(sealed)/8 {
		w.writer.encoded = nil
		return sealed
	}
	return bytes.Clone(sealed) // and write the next one into the room that there is
}

// CommitMarker is a batch that holds nothing but the marker of a committed transaction
// (KIP-98) at the offset. Readers go on behind it, and show it to nobody.
func CommitMarker(offset int64) []byte {
	w := Writer{lastDelta: 0}
	key, value := []byte{0, 0, 0, 1}, make([]byte, 6) // version 0, type COMMIT; version 0, coordinator epoch 0
	w.Add(&baldr.Record{Timestamp: -1, Key: key, Value: value}, Limits{})
	return w.seal(kmsg.RecordBatch{
		FirstOffset: offset, Attributes: transactionalBit | controlBatchBit,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	})
}
