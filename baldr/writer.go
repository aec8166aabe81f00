package baldr

import "io"

// DefaultLevel is the flate level that Options.Level 0 stands for;
// docs/decisions/0002-compression-level.md has the measurements behind it.
const DefaultLevel = 2

// Options say how to write an object. The zero value is the archive's default:
// full records, members of 1 MiB, one after the other.
type Options struct {
	Level        int  // flate level, 1 (fastest) to 9; 0 is DefaultLevel
	Workers      int  // members compressed side by side; 0 or 1 starts no goroutine
	ValuesOnly   bool // leave out the envelope: offsets, timestamps, keys, headers, nulls
	SingleMember bool // all data in one member, values only, for readers that stop after one
	MemberBytes  int  // bytes of frames a data member aims at, before compression; 0 is 1 MiB
}

// A Writer writes one Baldr.gz object.
//
// It calls the underlying writer only from within its own methods, so that
// writer needs no lock even when Workers is more than one.
type Writer struct{}

// NewWriter returns a Writer on w. The object is whole only after Close.
func NewWriter(w io.Writer, opts Options) *Writer { panic("not written yet") }

// WriteRecord adds a record. Offsets must rise from call to call. The record's
// memory is not used after the call, and in a steady state nothing is allocated.
func (w *Writer) WriteRecord(r *Record) error { panic("not written yet") }

// Close writes what is buffered, the index, the summary and the footer, and
// returns the summary as written. The caller gives the facts of the range: kind,
// reason, cluster, topic, topic ID, partition, start, end, missing, leader epoch
// and writer; records, bytes and timestamps are the Writer's own count, whatever
// s says. Every record must lie in [s.Start, s.End).
//
// A gap is a Close of KindGap with no record before it. Close does not close
// the underlying writer; a second Close does nothing and returns the same.
// A Writer given up without Close needs no clean-up.
func (w *Writer) Close(s Summary) (Summary, error) { panic("not written yet") }

// RawBytes returns the bytes of frames so far, before compression.
func (w *Writer) RawBytes() int64 { panic("not written yet") }

// StoredBytes returns the bytes handed to the underlying writer so far. Members
// still being compressed are not in it; after Close it is the object's size.
func (w *Writer) StoredBytes() int64 { panic("not written yet") }
