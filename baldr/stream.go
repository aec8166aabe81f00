// How the members of a gzip file follow each other in a stream.

package baldr

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A stream reads the members of a gzip file one after another and keeps track of its
// position.
type stream struct {
	source source
	buf    *bufio.Reader
	base   int64 // position in the file of the first byte of source
	extra  []byte
	small  [16]byte // for what is read of each member; on the stack it would escape

	header     memberHeader
	headerRead bool // header is that of a member nobody has begun
}

// A source counts bytes, and keeps apart the end of a file and a failure to
// read it: io.ErrUnexpectedEOF of a broken connection is not a cut file.
type source struct {
	r      io.Reader
	read   int64
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read += int64(n)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// A memberHeader is what a gzip member says before its data.
type memberHeader struct {
	pos       int64     // of the member in the file
	onlyExtra bool      // an extra field and nothing else
	subfields subfields // they share memory with the stream, until the next header
}

const streamBufferBytes = 64 << 10

// reset begins a file, or a part of one whose first byte has position base.
func (s *stream) reset(r io.Reader, base int64) { s.resetSize(r, base, streamBufferBytes) }

// resetSize is reset with the number of bytes to read at a time.
func (s *stream) resetSize(r io.Reader, base int64, size int) {
	s.source, s.base, s.headerRead = source{r: r}, base, false
	if s.buf == nil || s.buf.Size() != size {
		s.buf = bufio.NewReaderSize(&s.source, size)
	} else {
		s.buf.Reset(&s.source)
	}
}

func (s *stream) pos() int64 { return s.base + s.source.read - int64(s.buf.Buffered()) }

// failure is what err, met in the part at pos, means: that the file could not be
// read, that it is cut, or that it is damaged.
func (s *stream) failure(pos int64, err error, part string) error {
	var verdict *FormatError
	switch {
	case s.source.failed != nil:
		return fmt.Errorf("baldr: read %s at byte %d: %w", part, s.pos(), s.source.failed)
	case errors.As(err, &verdict):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cut(pos, "the file ends at byte %d, in %s", s.pos(), part)
	case errors.Is(err, ErrTooLarge):
		return tooLarge(pos, "%s: %v", part, err)
	}
	return damaged(pos, "%s: %v", part, err)
}

// readFull fills p from the part at pos.
func (s *stream) readFull(p []byte, pos int64, part string) error {
	if _, err := io.ReadFull(s.buf, p); err != nil {
		return s.failure(pos, err, part)
	}
	return nil
}

// nextHeader reads the header of the next member, up to its deflated data. At
// the end of the file it returns io.EOF.
func (s *stream) nextHeader() (*memberHeader, error) {
	if s.headerRead {
		s.headerRead = false
		return &s.header, nil
	}
	pos := s.pos()
	s.header = memberHeader{pos: pos}
	if _, err := s.buf.Peek(1); err == io.EOF {
		return nil, io.EOF
	}
	fixed := s.small[:headerBytes-2]
	if err := s.readFull(fixed, pos, "a member's header"); err != nil {
		return nil, err
	}
	if fixed[0] != gzipID1 || fixed[1] != gzipID2 || fixed[2] != gzipDeflate || fixed[3]&flagsReserved != 0 {
		return nil, damaged(pos, "%x is not the begin of a gzip member", fixed[:4])
	}
	if err := s.readOptional(fixed[3]); err != nil {
		return nil, err
	}
	return &s.header, nil
}

// unreadHeader makes nextHeader return the same header once more.
func (s *stream) unreadHeader() { s.headerRead = true }

// readOptional reads the fields of the header that flags announce.
func (s *stream) readOptional(flags byte) error {
	s.header.onlyExtra = flags == flagExtra
	if flags&flagExtra != 0 {
		if err := s.readExtra(); err != nil {
			return err
		}
	}
	for _, flag := range [...]byte{flagName, flagComment} {
		if flags&flag == 0 {
			continue
		}
		if err := s.skipText(); err != nil {
			return s.failure(s.header.pos, err, "a member's name or comment")
		}
	}
	if flags&flagHeaderCRC != 0 {
		return s.readFull(s.small[:2], s.header.pos, "a member's header")
	}
	return nil
}

func (s *stream) readExtra() error {
	size := s.small[:2]
	if err := s.readFull(size, s.header.pos, "a member's header"); err != nil {
		return err
	}
	extraBytes := int(binary.LittleEndian.Uint16(size))
	extra := slices.Grow(s.extra[:0], extraBytes)[:extraBytes]
	s.extra = extra
	if err := s.readFull(extra, s.header.pos, "a member's extra field"); err != nil {
		return err
	}
	var err error
	s.header.subfields, err = parseExtra(extra)
	if err != nil && s.header.subfields.ours {
		return damaged(s.header.pos, "extra field: %v", err)
	}
	return nil
}

// skipText passes over text that a zero byte ends.
func (s *stream) skipText() error {
	for {
		_, err := s.buf.ReadSlice(0)
		if err != bufio.ErrBufferFull {
			return err
		}
	}
}

// readTrailer returns a member's trailer, until the next read.
func (s *stream) readTrailer() ([]byte, error) {
	trailer := s.small[:trailerBytes]
	return trailer, s.readFull(trailer, s.header.pos, "a member's trailer")
}

// finishEmpty reads the rest of a member that must have no data.
func (s *stream) finishEmpty() error {
	rest := s.small[:len(emptyRest)]
	if err := s.readFull(rest, s.header.pos, "an empty member"); err != nil {
		return err
	}
	if string(rest) != emptyRest {
		return damaged(s.header.pos, "a member with data that should have none")
	}
	return nil
}
