package baldr

import (
	"io"
	"iter"
)

const (
	// DefaultMaxRecordBytes is the largest value, or key and headers, that a
	// reader accepts unless told otherwise. Kafka's own default is 1 MiB.
	DefaultMaxRecordBytes = 128 << 20

	// DefaultMemoryBytes bounds what a reader takes above the largest record.
	DefaultMemoryBytes = 64 << 20
)

// ReaderOptions say how to read. The zero value reads full records in the
// calling goroutine.
type ReaderOptions struct {
	ValuesOnly     bool // skip the envelopes; see Record for what is then missing
	Workers        int  // members decoded side by side by a File; 0 or 1 starts no goroutine
	MaxRecordBytes int  // 0 is DefaultMaxRecordBytes
	MemoryBytes    int  // 0 is DefaultMemoryBytes
}

// A Reader reads records from a stream. What the stream is, it finds out by
// itself: an object of this package, plain Baldr.gz of any number of members, or
// uncompressed Baldr.
type Reader struct{}

// NewReader returns a Reader on r. It reads ahead.
func NewReader(r io.Reader, opts ReaderOptions) *Reader { panic("not written yet") }

// Next returns the next record. Its memory is borrowed: valid until the
// following call (Record.Clone keeps it). At a clean end, and only there, the
// error is io.EOF; see ErrNotBaldr for the kinds of the others.
func (r *Reader) Next() (Record, error) { panic("not written yet") }

// All returns the records from here on. After an error, which comes with no
// record, it ends; a clean end is no error.
func (r *Reader) All() iter.Seq2[Record, error] { panic("not written yet") }

// Summary returns the summary of the object that Next has just read to its
// end, and whether there was one: plain Baldr and Baldr.gz have none.
func (r *Reader) Summary() (Summary, bool) { panic("not written yet") }
