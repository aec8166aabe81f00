// How a batch is decoded.

package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/bifrost-archive/bifrost/baldr"
)

// The header of a record batch (message format v2, KIP-98), byte by byte:
//
//	 0  int64  base offset
//	 8  int32  length of what follows
//	12  int32  partition leader epoch
//	16  int8   magic, 2
//	17  uint32 CRC-32C of everything that follows
//	21  int16  attributes
//	23  int32  last offset - base offset
//	27  int64  base timestamp
//	35  int64  largest timestamp
//	43  int64  producer ID
//	51  int16  producer epoch
//	53  int32  base sequence
//	57  int32  number of records
//	61         records, compressed as the attributes say
//
// The first 17 bytes are the same in all message formats.
const (
	// HeaderBytes is the length of a batch before its records.
	HeaderBytes = 61

	prefixBytes = 17
	lengthBytes = 12 // base offset and length, which the length does not count
)

// Bits of a batch's attributes.
const (
	codecBits         = 0x07
	logAppendTimeBit  = 0x08
	transactionalBit  = 0x10
	controlBatchBit   = 0x20
	currentMagic      = 2
	abortMarkerType   = 0 // of a control record's key: int16 version, int16 type
	controlKeyMinimum = 4 // bytes
)

// IsOld reports whether data starts with a message of a format before v2. Such
// messages lie in logs from before Kafka 0.11 until those are compacted or gone.
func IsOld(data []byte) bool { return data[16] < currentMagic }

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt is the cause of every error about bytes that no broker should send.
var ErrCorrupt = errors.New("corrupt record batch")

// Corrupt makes such an error.
func Corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// Header is what a batch says before its records.
type Header struct {
	Base, Last       int64 // offsets; compaction may have removed the records at either
	LeaderEpoch      int32
	Attributes       uint16
	BaseTimestamp    int64 // milliseconds since the Unix epoch
	LargestTimestamp int64 // of all records, when the broker sets the times
	ProducerID       int64 // -1 for none
	ProducerEpoch    int16
	BaseSequence     int32
	Records          int32 // compaction leaves batches without any
}

// Codec is what the records are compressed with.
func (h Header) Codec() Codec { return Codec(h.Attributes & codecBits) }

// Transactional reports whether the batch is part of a transaction.
func (h Header) Transactional() bool { return h.Attributes&transactionalBit != 0 }

// Control reports whether the batch is a marker that ends a transaction.
func (h Header) Control() bool { return h.Attributes&controlBatchBit != 0 }

// Wrap says which batch an error is about.
func (h Header) Wrap(err error) error {
	return fmt.Errorf("batch of offsets [%d, %d): %w", h.Base, h.Last+1, err)
}

// WholeBytes is the length of the batch or message that data starts with. It is
// 0 when data does not hold all of it: brokers cut off the last batch of a
// response where the response is full.
func WholeBytes(data []byte) (int, error) {
	if len(data) < prefixBytes {
		return 0, nil
	}
	length := lengthBytes + int64(int32(binary.BigEndian.Uint32(data[8:])))
	if length < prefixBytes || !IsOld(data) && length < HeaderBytes {
		return 0, Corrupt("a length of %d bytes", length)
	}
	if length > int64(len(data)) {
		return 0, nil
	}
	return int(length), nil
}

// ParseHeader reads the header of a whole batch.
func ParseHeader(batch []byte) (Header, error) {
	base := int64(binary.BigEndian.Uint64(batch))
	delta := int32(binary.BigEndian.Uint32(batch[23:]))
	h := Header{
		Base:             base,
		Last:             base + int64(delta),
		LeaderEpoch:      int32(binary.BigEndian.Uint32(batch[12:])),
		Attributes:       binary.BigEndian.Uint16(batch[21:]),
		BaseTimestamp:    int64(binary.BigEndian.Uint64(batch[27:])),
		LargestTimestamp: int64(binary.BigEndian.Uint64(batch[35:])),
		ProducerID:       int64(binary.BigEndian.Uint64(batch[43:])),
		ProducerEpoch:    int16(binary.BigEndian.Uint16(batch[51:])),
		BaseSequence:     int32(binary.BigEndian.Uint32(batch[53:])),
		Records:          int32(binary.BigEndian.Uint32(batch[57:])),
	}
	switch {
	case batch[16] != currentMagic:
		return Header{}, Corrupt("message format %d", int8(batch[16]))
	case base < 0 || delta < 0 || h.Last < base:
		return Header{}, Corrupt("offsets from %d on, %d more", base, delta)
	case h.Records < 0:
		return Header{}, Corrupt("%d records", h.Records)
	}
	return h, nil
}

// VerifyChecksum compares a whole batch with its CRC-32C.
func VerifyChecksum(batch []byte) error {
	want := binary.BigEndian.Uint32(batch[17:])
	if got := crc32.Checksum(batch[21:], crc32c); got != want {
		return Corrupt("CRC-32C is %08x, should be %08x", got, want)
	}
	return nil
}

// Reader is a batch while its records are read, one after another.
type Reader struct {
	Header
	data     []byte // of all its records, uncompressed
	at       int    // where in data the next record begins
	left     int32  // records not read yet
	previous int64  // offset of the last record read
}

// NewReader returns a reader of the batch with that header. The records must be
// uncompressed; all that is read lies in their memory.
func NewReader(h Header, uncompressed []byte) Reader {
	return Reader{Header: h, data: uncompressed, left: h.Records, previous: h.Base - 1}
}

// Read reads the next record into r, whose memory then lies within the batch.
// Headers are appended to the given ones, so that a stretch has one slice for
// all of them. There must be a record left.
//
// A record is length, attributes, timestamp delta, offset delta, key, value and
// headers; all numbers but the attributes are zigzag varints (KIP-98).
func (b *Reader) Read(r *baldr.Record, headers *[]baldr.Header) error {
	length, at := varint(b.data, b.at)
	if at < 0 || length < 1 || length > int64(len(b.data)-at) {
		return b.damaged("its length")
	}
	end := at + int(length)
	in := b.data[:end]
	at++ // the attributes, of which there are none yet
	time, at := varint(in, at)
	delta, at := varint(in, at)
	r.Key, at = field(in, at)
	r.Value, at = field(in, at)
	count, at := varint(in, at)
	r.Headers = nil
	if at >= 0 && count != 0 {
		first := len(*headers)
		*headers, at = pairs(*headers, count, in, at)
		r.Headers = (*headers)[first:len(*headers):len(*headers)]
	}
	if at != end {
		return b.damaged("its fields")
	}
	r.Offset = b.Base + delta
	if r.Offset <= b.previous || r.Offset > b.Last {
		return b.damaged(fmt.Sprintf("its offset %d", r.Offset))
	}
	r.Timestamp, r.TimestampType = b.BaseTimestamp+time, baldr.CreateTime
	if b.Attributes&logAppendTimeBit != 0 {
		r.Timestamp, r.TimestampType = b.LargestTimestamp, baldr.LogAppendTime
	}
	b.at, b.previous = end, r.Offset
	b.left--
	return nil
}

// Left is the number of records that were not read yet.
func (b *Reader) Left() int32 { return b.left }

// Skip leaves the other records unread.
func (b *Reader) Skip() { b.left = 0 }

// Previous is the offset of the last record that was read; one less than the batch's
// first before that.
func (b *Reader) Previous() int64 { return b.previous }

// End reports an error if there are bytes after the last record.
func (b *Reader) End() error {
	if after := len(b.data) - b.at; after > 0 {
		return Corrupt("%d bytes after the last record", after)
	}
	return nil
}

func (b *Reader) damaged(what string) error {
	return Corrupt("the record after offset %d is damaged in %s", b.previous, what)
}

// EndsTransaction reports whether the batch is the marker that ends an aborted
// transaction. A marker whose record was compacted away ends none: the brokers
// then no longer list the transaction either.
func (b Reader) EndsTransaction() (aborted bool, err error) {
	if !b.Control() || b.left == 0 {
		return false, nil
	}
	var marker baldr.Record
	var headers []baldr.Header
	if err := b.Read(&marker, &headers); err != nil {
		return false, err
	}
	if len(marker.Key) < controlKeyMinimum {
		return false, Corrupt("the key of the control record at offset %d has %d bytes", marker.Offset, len(marker.Key))
	}
	return binary.BigEndian.Uint16(marker.Key[2:]) == abortMarkerType, nil
}

// The functions below read at a position and return the position after it. It is -1 when
// the bytes do not hold what they should, and stays -1 from one call to the next, so that
// only the last has to be looked at.

// varint reads a zigzag varint. It is short enough for the compiler to inline.
func varint(in []byte, at int) (int64, int) {
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		if uint(at) >= uint(len(in)) {
			return 0, -1
		}
		b := in[at]
		at++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int64(v>>1) ^ -int64(v&1), at
		}
	}
	return 0, -1
}

// field reads a length and as many bytes; a negative length is null. The result
// has no room to grow into what follows.
func field(in []byte, at int) ([]byte, int) {
	length, at := varint(in, at)
	if at < 0 || length > int64(len(in)-at) {
		return nil, -1
	}
	if length < 0 {
		return nil, at
	}
	end := at + int(length)
	return in[at:end:end], end
}

// pairs reads headers and appends them.
func pairs(headers []baldr.Header, count int64, in []byte, at int) ([]baldr.Header, int) {
	if count < 0 || count > int64(len(in)-at)/2 { // a pair has two bytes at least
		return headers, -1
	}
	for range count {
		var h baldr.Header
		h.Key, at = field(in, at)
		h.Value, at = field(in, at)
		if at < 0 || h.Key == nil { // only values may be null
			return headers, -1
		}
		headers = append(headers, h)
	}
	return headers, at
}
