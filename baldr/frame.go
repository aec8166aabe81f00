// Baldr's frames: plain values with their lengths, uncompressed.

package baldr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// frameHeaderBytes is the size of the length before each value.
	frameHeaderBytes = 8

	// MaxValueBytes is the largest value, and the largest key and header, that
	// the format carries. Kafka's protocol gives lengths as 32-bit signed
	// numbers, so no record that Kafka can hold is beyond it.
	MaxValueBytes = 1<<31 - 1
)

// AppendFrame appends the frame of value to dst: the length of value as 8 bytes,
// most significant first, then value itself.
func AppendFrame(dst, value []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(len(value)))
	return append(dst, value...)
}

// A FrameWriter writes plain, uncompressed Baldr.
type FrameWriter struct {
	w      io.Writer
	header [frameHeaderBytes]byte
}

// NewFrameWriter returns a FrameWriter on w. It does not buffer: give it a
// bufio.Writer when values are small.
func NewFrameWriter(w io.Writer) *FrameWriter { return &FrameWriter{w: w} }

// Write writes one value as a frame. After an error the stream may end inside a
// frame, so nothing should follow.
func (w *FrameWriter) Write(value []byte) error {
	if len(value) > MaxValueBytes {
		return fmt.Errorf("baldr: write a value of %d bytes: %w, at most %d", len(value), ErrTooLarge, MaxValueBytes)
	}
	binary.BigEndian.PutUint64(w.header[:], uint64(len(value)))
	if _, err := w.w.Write(w.header[:]); err != nil {
		return fmt.Errorf("baldr: write the length of a value: %w", err)
	}
	if _, err := w.w.Write(value); err != nil {
		return fmt.Errorf("baldr: write a value of %d bytes: %w", len(value), err)
	}
	return nil
}

// A FrameReader reads plain, uncompressed Baldr.
type FrameReader struct {
	r        io.Reader
	maxBytes int
	buf      []byte // buf[begin:end] has been read and not been returned
	begin    int
	end      int
	pos      int64 // of buf[begin] in the stream
	err      error // what r ended with, once it did
}

// frameBufferBytes is how much a FrameReader reads at a time: large enough that a call of
// Read costs nothing, small enough to stay in a core's cache.
const frameBufferBytes = 128 << 10

// NewFrameReader returns a FrameReader on r that refuses values of more than
// maxBytes; 0 stands for DefaultMaxRecordBytes. It reads ahead.
func NewFrameReader(r io.Reader, maxBytes int) *FrameReader {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxRecordBytes
	}
	return &FrameReader{r: r, maxBytes: min(maxBytes, MaxValueBytes)}
}

// reset begins a new stream.
func (r *FrameReader) reset(from io.Reader) {
	*r = FrameReader{r: from, maxBytes: r.maxBytes, buf: r.buf}
}

// Next returns the next value, valid until the following call. At the end of
// the stream it returns io.EOF, after a cut inside a frame a *FormatError that
// is io.ErrUnexpectedEOF. A stream that was cut between two frames cannot be
// told from a whole one: plain Baldr has no end mark.
func (r *FrameReader) Next() ([]byte, error) {
	if r.end-r.begin < frameHeaderBytes {
		if err := r.fill(frameHeaderBytes); err != nil {
			return nil, err
		}
	}
	length := binary.BigEndian.Uint64(r.buf[r.begin:])
	if length > uint64(r.maxBytes) {
		return nil, tooLarge(r.pos, "a frame of %d bytes, at most %d are allowed", length, r.maxBytes)
	}
	size := frameHeaderBytes + int(length)
	if r.end-r.begin < size {
		if err := r.fill(size); err != nil {
			return nil, err
		}
	}
	value := r.buf[r.begin+frameHeaderBytes : r.begin+size : r.begin+size]
	r.begin += size
	r.pos += int64(size)
	return value, nil
}

// fill reads until size bytes are buffered. The buffer grows only as bytes
// arrive, so that a length which lies costs no memory.
func (r *FrameReader) fill(size int) error {
	r.end = copy(r.buf, r.buf[r.begin:r.end])
	r.begin = 0
	for r.end < size {
		if r.err != nil {
			return r.ended(size)
		}
		if r.end == len(r.buf) {
			r.grow(size)
		}
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		r.err = err
	}
	return nil
}

// grow doubles the buffer, but not beyond what a frame of size bytes needs.
func (r *FrameReader) grow(size int) {
	larger := make([]byte, max(frameBufferBytes, min(2*len(r.buf), size)))
	copy(larger, r.buf[:r.end])
	r.buf = larger
}

// ended says what the end of the stream means when size bytes were wanted.
func (r *FrameReader) ended(size int) error {
	var verdict *FormatError
	switch {
	case errors.Is(r.err, io.EOF) && r.end == 0:
		return io.EOF
	case errors.Is(r.err, io.EOF):
		return cut(r.pos, "the stream ends after %d of a frame's %d bytes", r.end, size)
	case errors.As(r.err, &verdict):
		return r.err
	}
	return fmt.Errorf("baldr: read frames at byte %d: %w", r.pos+int64(r.end), r.err)
}
