// The extra field of a gzip member (RFC 1952), which carries what only this format knows.

package baldr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// RFC 1952: what a member of a gzip file is made of.
const (
	gzipID1, gzipID2 = 0x1f, 0x8b
	gzipDeflate      = 8    // CM
	gzipUnknownOS    = 255  // OS: the same bytes on every system
	flagHeaderCRC    = 0x02 // FHCRC
	flagExtra        = 0x04 // FEXTRA
	flagName         = 0x08 // FNAME
	flagComment      = 0x10 // FCOMMENT
	flagsReserved    = 0xe0

	headerBytes   = 12 // the fixed header and XLEN
	trailerBytes  = 8  // CRC32 and ISIZE
	maxExtraBytes = 1<<16 - 1
)

// Our subfields of the extra field: two bytes of ID, two of length, then
// version, type, body and a CRC-32 of all three.
const (
	subfieldID1, subfieldID2 = 'B', 'F'
	subfieldHeaderBytes      = 4
	subfieldOverhead         = subfieldHeaderBytes + 2 + 4
	formatVersion            = 1

	typeData     = 'D' // facts of the data member it stands in
	typeEnvelope = 'E' // a chunk of the envelope of this data member, or of the next
	typeIndex    = 'I' // a chunk of the index
	typeSummary  = 'S'
	typeFooter   = 'F'

	// A chunk's body begins with the bytes of all chunks and its own place.
	chunkHeaderBytes = 8
	maxChunkBytes    = maxExtraBytes - subfieldOverhead - chunkHeaderBytes
)

// emptyMemberBytes is the size of a member without data, less its extra field:
// header, a final block of fixed codes with nothing in it, trailer.
const emptyMemberBytes = headerBytes + 2 + trailerBytes

// emptyRest is what follows the header of such a member: deflated data, CRC-32
// and size of nothing.
const emptyRest = "\x03\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// appendHeader appends a member's header up to and with XLEN. There is no time
// and no system in it: the same records make the same bytes everywhere.
func appendHeader(dst []byte, extraBytes int) []byte {
	dst = append(dst, gzipID1, gzipID2, gzipDeflate, flagExtra, 0, 0, 0, 0, 0, gzipUnknownOS)
	return binary.LittleEndian.AppendUint16(dst, uint16(extraBytes))
}

func appendTrailer(dst []byte, crc uint32, rawBytes int64) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return binary.LittleEndian.AppendUint32(dst, uint32(rawBytes))
}

func appendSubfield(dst []byte, kind byte, body []byte) []byte {
	dst = append(dst, subfieldID1, subfieldID2)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(subfieldOverhead-subfieldHeaderBytes+len(body)))
	begin := len(dst)
	dst = append(dst, formatVersion, kind)
	dst = append(dst, body...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[begin:]))
}

func appendEmptyMember(dst []byte, kind byte, body []byte) []byte {
	dst = appendHeader(dst, subfieldOverhead+len(body))
	dst = appendSubfield(dst, kind, body)
	return append(dst, emptyRest...)
}

// appendChunk appends the subfield of the chunk of blob that begins at place.
func appendChunk(dst []byte, kind byte, blob []byte, place, size int) []byte {
	dst = append(dst, subfieldID1, subfieldID2)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(subfieldOverhead-subfieldHeaderBytes+chunkHeaderBytes+size))
	begin := len(dst)
	dst = append(dst, formatVersion, kind)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(blob)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(place))
	dst = append(dst, blob[place:place+size]...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[begin:]))
}

// appendSpilled appends empty members with chunks of blob until at most keep
// bytes of it are left, and returns where the rest begins.
func appendSpilled(dst []byte, kind byte, blob []byte, keep int) ([]byte, int) {
	place := 0
	for len(blob)-place > keep {
		size := min(maxChunkBytes, len(blob)-place)
		dst = appendHeader(dst, subfieldOverhead+chunkHeaderBytes+size)
		dst = appendChunk(dst, kind, blob, place, size)
		dst = append(dst, emptyRest...)
		place += size
	}
	return dst, place
}

// subfields are the bodies of our subfields in one extra field; a body that is
// absent is nil.
type subfields struct {
	ours    bool // there is at least one, whatever its type
	version byte // the first that is not ours to understand, or formatVersion

	data, envelope, index, summary, footer []byte
}

var (
	errSubfieldCut      = errors.New("a subfield of the extra field is longer than the field")
	errSubfieldChecksum = errors.New("a subfield's checksum is wrong")
)

// parseExtra walks the subfields of an extra field and checks ours. Those of
// others are skipped, and so are those of ours with a type unknown here: a type
// that must not be skipped comes with a new version.
func parseExtra(extra []byte) (subfields, error) {
	found := subfields{version: formatVersion}
	for len(extra) > 0 {
		if len(extra) < subfieldHeaderBytes {
			return found, errSubfieldCut
		}
		end := subfieldHeaderBytes + int(binary.LittleEndian.Uint16(extra[2:]))
		if end > len(extra) {
			return found, errSubfieldCut
		}
		if extra[0] == subfieldID1 && extra[1] == subfieldID2 {
			if err := found.add(extra[subfieldHeaderBytes:end]); err != nil {
				return found, err
			}
		}
		extra = extra[end:]
	}
	return found, nil
}

func (s *subfields) add(content []byte) error {
	s.ours = true
	if len(content) < subfieldOverhead-subfieldHeaderBytes {
		return errSubfieldCut
	}
	checked := len(content) - 4
	if crc32.ChecksumIEEE(content[:checked]) != binary.BigEndian.Uint32(content[checked:]) {
		return errSubfieldChecksum
	}
	if content[0] != formatVersion {
		s.version = content[0]
		return nil
	}
	body := s.body(content[1])
	if body == nil {
		return nil
	}
	if *body != nil {
		return fmt.Errorf("two subfields of type %q in one member", content[1])
	}
	*body = content[2:checked:checked]
	return nil
}

func (s *subfields) body(kind byte) *[]byte {
	switch kind {
	case typeData:
		return &s.data
	case typeEnvelope:
		return &s.envelope
	case typeIndex:
		return &s.index
	case typeSummary:
		return &s.summary
	case typeFooter:
		return &s.footer
	}
	return nil
}

// addChunk appends a chunk to those of the same blob read before it. At most
// limit bytes are taken in, and that is decided before they are.
func addChunk(blob, body []byte, limit int64) ([]byte, error) {
	if len(body) < chunkHeaderBytes {
		return nil, errors.New("a chunk without its header")
	}
	total, place := int64(binary.BigEndian.Uint32(body)), int64(binary.BigEndian.Uint32(body[4:]))
	body = body[chunkHeaderBytes:]
	switch {
	case total > limit:
		return nil, fmt.Errorf("chunks of %d bytes: %w, at most %d", total, ErrTooLarge, limit)
	case place != int64(len(blob)) || place+int64(len(body)) > total:
		return nil, fmt.Errorf("a chunk of %d bytes at %d of %d, after %d bytes", len(body), place, total, len(blob))
	}
	return append(blob, body...), nil
}
