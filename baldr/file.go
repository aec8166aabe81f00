package baldr

import (
	"io"
	"iter"
)

// TailBytes is how much of its end Open reads at once. Footer, summary and index
// of an object of 1 GB of raw bytes fit in it.
const TailBytes = 64 << 10

// A File is an object opened for random access. Its methods may be called from
// many goroutines at once.
//
// The access pattern suits a store where each read is a request: Open makes one
// ReadAt of the last TailBytes (a second one only for an index larger than that,
// or to tell a damaged object from a foreign file), and reading makes one
// ReadAt for each data member it needs: to find one record is one.
type File struct{}

// Open reads the end of an object of size bytes: footer, summary and index.
// Errors are of the three kinds told apart at ErrNotBaldr.
func Open(r io.ReaderAt, size int64, opts ReaderOptions) (*File, error) { panic("not written yet") }

// Summary returns what the object says of itself.
func (f *File) Summary() Summary { panic("not written yet") }

// All returns all records in order, as Reader.All does.
func (f *File) All() iter.Seq2[Record, error] { panic("not written yet") }

// From returns the records from the first one at or after offset.
func (f *File) From(offset int64) iter.Seq2[Record, error] { panic("not written yet") }

// Since returns the records from the first one, in order of offsets, whose
// timestamp is at or after timestamp, in milliseconds since the Unix epoch: what
// Kafka's ListOffsets finds for a time.
func (f *File) Since(timestamp int64) iter.Seq2[Record, error] { panic("not written yet") }
