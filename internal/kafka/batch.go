package kafka

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
//	17  uint32 CRC-32C of all that follows
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
	prefixBytes = 17
	headerBytes = 61
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

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// errCorrupt is the cause of every error about bytes that no broker should send.
var errCorrupt = errors.New("corrupt record batch")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// header is what a batch says before its records.
type header struct {
	base, last    int64 // offsets; compaction may have removed the records at either
	leaderEpoch   int32
	attributes    uint16
	baseTimestamp int64 // milliseconds since the Unix epoch
	largestTime   int64 // of all records, when the broker sets the times
	producer      int64
	records       int32
}

func (h header) transactional() bool { return h.attributes&transactionalBit != 0 }
func (h header) control() bool       { return h.attributes&controlBatchBit != 0 }

// wrap says which batch an error is about.
func (h header) wrap(err error) error {
	return fmt.Errorf("batch of offsets [%d, %d): %w", h.base, h.last+1, err)
}

// wholeBytes is the length of the batch or message that data starts with. It is
// 0 when data does not hold all of it: brokers cut off the last batch of a
// response where the response is full.
func wholeBytes(data []byte) (int, error) {
	if len(data) < prefixBytes {
		return 0, nil
	}
	length := lengthBytes + int64(int32(binary.BigEndian.Uint32(data[8:])))
	if length < prefixBytes || !isOld(data) && length < headerBytes {
		return 0, corrupt("a length of %d bytes", length)
	}
	if length > int64(len(data)) {
		return 0, nil
	}
	return int(length), nil
}

// parseHeader reads the header of a whole batch.
func parseHeader(batch []byte) (header, error) {
	base := int64(binary.BigEndian.Uint64(batch))
	delta := int32(binary.BigEndian.Uint32(batch[23:]))
	h := header{
		base:          base,
		last:          base + int64(delta),
		leaderEpoch:   int32(binary.BigEndian.Uint32(batch[12:])),
		attributes:    binary.BigEndian.Uint16(batch[21:]),
		baseTimestamp: int64(binary.BigEndian.Uint64(batch[27:])),
		largestTime:   int64(binary.BigEndian.Uint64(batch[35:])),
		producer:      int64(binary.BigEndian.Uint64(batch[43:])),
		records:       int32(binary.BigEndian.Uint32(batch[57:])),
	}
	switch {
	case batch[16] != currentMagic:
		return header{}, corrupt("message format %d", int8(batch[16]))
	case base < 0 || delta < 0 || h.last < base:
		return header{}, corrupt("offsets from %d on, %d more", base, delta)
	case h.records < 0:
		return header{}, corrupt("%d records", h.records)
	}
	return h, nil
}

// checksum compares a whole batch with its CRC-32C.
func checksum(batch []byte) error {
	want := binary.BigEndian.Uint32(batch[17:])
	if got := crc32.Checksum(batch[21:], crc32c); got != want {
		return corrupt("CRC-32C is %08x, should be %08x", got, want)
	}
	return nil
}

// openBatch is a batch while its records are read, one after the other.
type openBatch struct {
	header
	data     []byte // of all its records, uncompressed
	at       int    // where in data the next record begins
	left     int32  // records not read yet
	previous int64  // offset of the last record read
}

func newOpenBatch(h header, uncompressed []byte) openBatch {
	return openBatch{header: h, data: uncompressed, left: h.records, previous: h.base - 1}
}

// read reads the next record into r, whose memory then lies within the batch.
// Headers are appended to the given ones, so that a stretch has one slice for
// all of them. There must be a record left.
//
// A record is length, attributes, timestamp delta, offset delta, key, value and
// headers; all numbers but the attributes are zigzag varints (KIP-98).
func (b *openBatch) read(r *baldr.Record, headers *[]baldr.Header) error {
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
	r.Offset = b.base + delta
	if r.Offset <= b.previous || r.Offset > b.last {
		return b.damaged(fmt.Sprintf("its offset %d", r.Offset))
	}
	r.Timestamp, r.TimestampType = b.baseTimestamp+time, baldr.CreateTime
	if b.attributes&logAppendTimeBit != 0 {
		r.Timestamp, r.TimestampType = b.largestTime, baldr.LogAppendTime
	}
	b.at, b.previous = end, r.Offset
	b.left--
	return nil
}

func (b *openBatch) damaged(what string) error {
	return corrupt("the record after offset %d is damaged in %s", b.previous, what)
}

// endsTransaction reports whether the batch is the marker that ends an aborted
// transaction. A marker whose record was compacted away ends none: the brokers
// then no longer list the transaction either.
func (b openBatch) endsTransaction() (aborted bool, err error) {
	if !b.control() || b.left == 0 {
		return false, nil
	}
	var marker baldr.Record
	var headers []baldr.Header
	if err := b.read(&marker, &headers); err != nil {
		return false, err
	}
	if len(marker.Key) < controlKeyMinimum {
		return false, corrupt("the key of the control record at offset %d has %d bytes", marker.Offset, len(marker.Key))
	}
	return binary.BigEndian.Uint16(marker.Key[2:]) == abortMarkerType, nil
}

// The functions below read at a place and return the place behind. It is -1
// when the bytes do not hold what they should, and stays -1 from one call to the
// next, so that only the last has to be looked at.

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
