// How a stored data member becomes records.

package baldr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/bifrost-archive/bifrost/baldr/internal/deflate"
)

// A decoder turns a stored data member into records. It keeps its buffers from
// member to member.
type decoder struct {
	facts      member
	valuesOnly bool

	frames   []byte // of the member
	ends     []int  // of each frame in frames
	scanned  int    // end of the last frame in ends, and begin of the next
	returned int    // records
	left     int64  // records not returned, once all is known to be right
	envelope envelope
	columns  []byte // what envelope reads from

	noteMatches bool
	known       bool    // whether matches are
	matches     []Match // of the frames, as far as they are not before the next record
	found       []Match // those of the last record

	inflater deflate.Inflater
	long     io.ReadCloser // inflates what is too long to be brought into memory on the word of a header
	input    bytes.Reader
	beyond   [1]byte // to see that there is nothing more; on the stack it would escape
}

// begin begins a member whose facts have passed their checks. Blob is its deflated
// envelope, and is not looked at when only values are wanted. After it comes
// decode or stream. Records come only after verify.
func (d *decoder) begin(facts member, blob []byte, valuesOnly bool) error {
	d.facts, d.left, d.returned = facts, 0, 0
	d.ends, d.scanned = d.ends[:0], 0
	d.known, d.matches = false, nil
	d.valuesOnly = valuesOnly || !facts.hasEnvelope()
	if !d.valuesOnly {
		if err := d.beginEnvelope(blob); err != nil {
			return fmt.Errorf("its envelope: %w", err)
		}
	}
	return nil
}

// wantsAny reports whether a record of the member may have a wanted key. What is
// wrong with the keys is found when the records are read.
func (d *decoder) wantsAny(wants func(key []byte) bool) bool {
	if d.valuesOnly {
		return true
	}
	e := d.envelope
	for range d.facts.records {
		key, err := e.nullable(columnKeyLengths, columnKeys)
		if err != nil || wants(key) {
			return true
		}
	}
	return false
}

// decode inflates the member's frames from its deflated data.
func (d *decoder) decode(deflated []byte) (err error) {
	d.inflater.NoteMatches(d.noteMatches)
	defer d.inflater.NoteMatches(false)
	if d.frames, d.facts.crc, err = d.inflate(d.frames, deflated, d.facts.rawBytes, d.scan); err != nil {
		return fmt.Errorf("its frames: %w", err)
	}
	if d.facts.rawBytes <= arrivalBytes {
		d.matches, d.known = d.inflater.Matches()
	}
	return d.checkFrames()
}

// stream does what decode does for a member too long to have it all in memory twice.
func (d *decoder) stream(deflated flate.Reader) (err error) {
	if d.frames, d.facts.crc, err = d.inflateStream(d.frames, deflated, d.facts.rawBytes, d.scan); err != nil {
		return fmt.Errorf("its frames: %w", err)
	}
	return d.checkFrames()
}

func (d *decoder) checkFrames() error {
	if int64(len(d.ends)) != d.facts.records || d.scanned != len(d.frames) {
		return fmt.Errorf("its frames: %d in %d of %d bytes, for %d records",
			len(d.ends), d.scanned, len(d.frames), d.facts.records)
	}
	return nil
}

// scan notes where the frames inflated so far end: now that their headers are in
// the cache, and before any record is returned.
func (d *decoder) scan(frames []byte) error {
	for len(frames)-d.scanned >= frameHeaderBytes && int64(len(d.ends)) < d.facts.records {
		length := binary.BigEndian.Uint64(frames[d.scanned:])
		left := d.facts.rawBytes - int64(d.scanned) - frameHeaderBytes
		if length > uint64(left) {
			return fmt.Errorf("a frame of %d bytes, %d are left", length, left)
		}
		d.scanned += frameHeaderBytes + int(length)
		d.ends = append(d.ends, d.scanned)
	}
	return nil
}

func (d *decoder) beginEnvelope(blob []byte) error {
	if len(blob) != int(d.facts.envelopeDeflated) {
		return fmt.Errorf("%d deflated bytes, not %d", len(blob), d.facts.envelopeDeflated)
	}
	var crc uint32
	d.columns = d.columns[:0]
	if d.facts.envelopeBytes > 0 {
		var err error
		if d.columns, crc, err = d.inflate(d.columns, blob, int64(d.facts.envelopeBytes), nil); err != nil {
			return err
		}
	}
	if crc != d.facts.envelopeCRC {
		return errors.New("the checksum is wrong")
	}
	return d.envelope.begin(d.columns, d.facts.firstOffset)
}

// verify compares what was inflated with the member's trailer, and lets the
// records out.
func (d *decoder) verify(trailer []byte) error {
	if d.facts.crc != binary.LittleEndian.Uint32(trailer) ||
		uint32(d.facts.rawBytes) != binary.LittleEndian.Uint32(trailer[4:]) {
		return errors.New("its frames' checksum or size is not what the trailer says")
	}
	d.left = d.facts.records
	return nil
}

// next returns the next record of the member, io.EOF after the last one.
func (d *decoder) next() (Record, error) {
	record := Record{Offset: -1, Timestamp: -1}
	if d.left == 0 {
		return record, io.EOF
	}
	begin, end := frameHeaderBytes, d.ends[d.returned]
	if d.returned > 0 {
		begin += d.ends[d.returned-1]
	}
	record.Value = d.frames[begin:end:end]
	if d.known {
		d.findMatches(begin, end)
		record.ValueAt, record.Matches = begin, &d.found
	}
	d.returned++
	d.left--
	if !d.valuesOnly {
		if err := d.envelope.next(&record); err != nil {
			return record, fmt.Errorf("its envelope: %w", err)
		}
	}
	if d.left == 0 && !d.valuesOnly {
		return record, d.envelope.finished(d.facts.lastOffset)
	}
	return record, nil
}

// findMatches finds those that overlap a value, which is behind that of the last call.
func (d *decoder) findMatches(begin, end int) {
	for len(d.matches) > 0 && int(d.matches[0].At)+int(d.matches[0].Length) <= begin {
		d.matches = d.matches[1:]
	}
	n := 0
	for n < len(d.matches) && int(d.matches[n].At) < end {
		n++
	}
	d.found = d.matches[:n]
	d.matches = d.matches[max(n-1, 0):] // the last one may go on in the next value
}

var errDeflatedSize = errors.New("the deflated size is not what the member says")

// inflate fills buf with exactly size bytes, which must be all there are in src, and
// returns their CRC-32 too. Each, if not nil, sees what there is after each piece.
// When src ends first the error is io.ErrUnexpectedEOF.
func (d *decoder) inflate(buf, src []byte, size int64, each func([]byte) error) ([]byte, uint32, error) {
	if size > arrivalBytes {
		d.input.Reset(src)
		buf, crc, err := d.inflateStream(buf, &d.input, size, each)
		if err == nil && d.input.Len() > 0 {
			err = errDeflatedSize
		}
		return buf, crc, err
	}
	buf = reserve(buf[:0], size)[:size]
	var crc uint32
	seen := 0
	used, err := d.inflater.Inflate(buf, src, func(done int) error {
		crc = crc32.Update(crc, crc32.IEEETable, buf[seen:done])
		seen = done
		if each == nil {
			return nil
		}
		return each(buf[:done])
	})
	if err == nil && used < len(src) {
		err = errDeflatedSize
	}
	return buf, crc, err
}

// inflateStream does so with what is longer than should be allocated before it has
// come. It leaves from behind the deflated data.
func (d *decoder) inflateStream(
	buf []byte, from flate.Reader, size int64, each func([]byte) error,
) ([]byte, uint32, error) {
	if d.long == nil {
		d.long = flate.NewReader(from)
	} else if err := d.long.(flate.Resetter).Reset(from, nil); err != nil {
		return buf, 0, err
	}
	var crc uint32
	buf = buf[:0]
	for int64(len(buf)) < size {
		buf = reserve(buf, size)
		n, err := d.long.Read(buf[len(buf):min(int64(cap(buf)), size)])
		crc = crc32.Update(crc, crc32.IEEETable, buf[len(buf):len(buf)+n])
		buf = buf[:len(buf)+n]
		if err == io.EOF && int64(len(buf)) < size {
			return buf, crc, deflate.ErrSize
		}
		if err != nil && err != io.EOF {
			return buf, crc, err
		}
		if each != nil {
			if err := each(buf); err != nil {
				return buf, crc, err
			}
		}
	}
	n, err := d.long.Read(d.beyond[:])
	if n > 0 {
		return buf, crc, deflate.ErrSize
	}
	if err != io.EOF {
		return buf, crc, err
	}
	return buf, crc, nil
}

// arrivalBytes is how much is allocated on the word of a header alone. Beyond
// it memory grows with the bytes that really come.
const arrivalBytes = MaxMemberBytes

// reserve makes room for more of size bytes in buf, if there is none: for all of
// size when that is little, and otherwise for twice what has come. The sizes of
// members differ a little, so an empty buffer gets some room to spare.
func reserve(buf []byte, size int64) []byte {
	room := int64(cap(buf))
	switch {
	case len(buf) == 0 && room < min(size, arrivalBytes):
		return make([]byte, 0, min(size, arrivalBytes)*17/16)
	case len(buf) < cap(buf):
		return buf
	}
	larger := make([]byte, len(buf), min(size, 2*room))
	copy(larger, buf)
	return larger
}
