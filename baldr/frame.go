package baldr

import "io"

// AppendFrame appends the frame of value to dst: the length of value as 8 bytes,
// most significant first, then value itself.
func AppendFrame(dst, value []byte) []byte { panic("not written yet") }

// A FrameWriter writes plain, uncompressed Baldr.
type FrameWriter struct{}

// NewFrameWriter returns a FrameWriter on w. It does not buffer: give it a
// bufio.Writer when values are small.
func NewFrameWriter(w io.Writer) *FrameWriter { panic("not written yet") }

// Write writes one value as a frame.
func (w *FrameWriter) Write(value []byte) error { panic("not written yet") }

// A FrameReader reads plain, uncompressed Baldr.
type FrameReader struct{}

// NewFrameReader returns a FrameReader on r that refuses frames of more than
// maxBytes; 0 stands for DefaultMaxRecordBytes.
func NewFrameReader(r io.Reader, maxBytes int) *FrameReader { panic("not written yet") }

// Next returns the next value, valid until the following call. At the end of
// the stream it returns io.EOF, after a cut inside a frame a *FormatError that
// is io.ErrUnexpectedEOF. A stream that was cut between two frames cannot be
// told from a whole one: plain Baldr has no end mark.
func (r *FrameReader) Next() ([]byte, error) { panic("not written yet") }
