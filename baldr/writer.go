// Writing an object.

package baldr

import (
	"errors"
	"fmt"
	"io"
)

const (
	// DefaultLevel is the flate level that Options.Level 0 stands for;
	// docs/decisions/0002-compression-level.md has the measurements.
	DefaultLevel = 1

	// DefaultMemberBytes is what Options.MemberBytes 0 stands for: small enough
	// to fetch and decode for one record, large enough that starting deflate
	// anew costs less than 1 % in size.
	DefaultMemberBytes = 1 << 20
)

// Options say how to write an object. The zero value is the archive's default:
// full records, members of 1 MiB, one after the other.
type Options struct {
	Level        int  // flate level, 1 (fastest) to 9; 0 is DefaultLevel
	Workers      int  // members compressed in parallel; 0 or 1 starts no goroutine
	ValuesOnly   bool // leave out the envelope: offsets, timestamps, keys, headers, nulls
	SingleMember bool // all data in one member, values only, for readers that stop after one
	// bytes of frames a data member aims at, before compression, to MaxMemberBytes; 0 is DefaultMemberBytes
	MemberBytes int
}

func (o Options) withDefaults() (Options, error) {
	if o.Level == 0 {
		o.Level = DefaultLevel
	}
	if o.MemberBytes == 0 {
		o.MemberBytes = DefaultMemberBytes
	}
	o.Workers = max(o.Workers, 1)
	o.ValuesOnly = o.ValuesOnly || o.SingleMember
	if o.Level < 1 || o.Level > 9 {
		return o, fmt.Errorf("baldr: Options.Level is %d; 1 to 9 are allowed", o.Level)
	}
	if o.MemberBytes < 1 || o.MemberBytes > MaxMemberBytes {
		return o, fmt.Errorf("baldr: Options.MemberBytes is %d; 1 to %d are allowed", o.MemberBytes, MaxMemberBytes)
	}
	return o, nil
}

// A Writer writes one Baldr.gz object.
//
// It calls the underlying writer only from within its own methods, so that
// writer needs no lock even when Workers is more than one. After an error, also
// one about a record, every later call returns it: an object that lacks a record
// must not be finished.
type Writer struct {
	w       io.Writer
	opts    Options
	err     error
	closed  bool
	summary Summary

	records     member // of all records so far, with first and last offset
	storedBytes int64
	rows        []byte // of the index: rowBytes for each data member written
	many        *manyMembers
	one         *oneMember // instead of many, with Options.SingleMember
}

// NewWriter returns a Writer on w. The object is complete only after Close.
func NewWriter(w io.Writer, opts Options) *Writer {
	writer := &Writer{w: w, records: member{leastTimestamp: -1, mostTimestamp: -1}}
	if writer.opts, writer.err = opts.withDefaults(); writer.err != nil {
		return writer
	}
	if writer.opts.SingleMember {
		writer.one = newOneMember(writer)
	} else {
		writer.many = newManyMembers(writer)
	}
	return writer
}

// WriteRecord adds a record. Offsets must rise from call to call. The record's
// memory is not used after the call, and in a steady state nothing is allocated.
func (w *Writer) WriteRecord(r *Record) error {
	if w.err == nil {
		w.err = w.writeRecord(r)
	}
	return w.err
}

func (w *Writer) writeRecord(r *Record) error {
	if w.closed {
		return errors.New("baldr: write to a closed Writer")
	}
	if r.Offset < 0 || w.records.records > 0 && r.Offset <= w.records.lastOffset {
		return fmt.Errorf("baldr: write a record of offset %d after %d: offsets must rise", r.Offset, w.lastOffset())
	}
	if len(r.Value) > MaxValueBytes || envelopeBound(r) > MaxValueBytes {
		return fmt.Errorf("baldr: write the record of offset %d, "+
			"%d bytes of value and about %d of key and headers: %w, at most %d",
			r.Offset, len(r.Value), envelopeBound(r), ErrTooLarge, MaxValueBytes)
	}
	if err := w.add(r); err != nil {
		return fmt.Errorf("baldr: write the record of offset %d: %w", r.Offset, err)
	}
	if w.records.records == 0 {
		w.records.firstOffset = r.Offset
	}
	w.records.count(r)
	return nil
}

// add is no method of an interface, so that the caller's record can stay on the
// stack.
func (w *Writer) add(r *Record) error {
	if w.one != nil {
		return w.one.add(r)
	}
	return w.many.add(r)
}

func (w *Writer) lastOffset() int64 {
	if w.records.records == 0 {
		return -1
	}
	return w.records.lastOffset
}

// Close writes what is buffered, the index, the summary and the footer, and
// returns the summary as written. The caller gives the facts of the range: kind,
// reason, cluster, topic, topic ID, partition, start, end, missing, leader epoch
// and writer; records, bytes and timestamps are the Writer's own count, whatever
// s says. Every record must lie in [s.Start, s.End).
//
// A gap is a Close of KindGap with no record before it. Close does not close
// the underlying writer; a second Close does nothing and returns the same.
// A Writer given up without Close needs no clean-up.
func (w *Writer) Close(s Summary) (Summary, error) {
	if w.closed || w.err != nil {
		return w.summary, w.err
	}
	w.closed = true
	s.Records, s.RawBytes = w.records.records, w.records.rawBytes
	s.FirstTimestamp, s.LastTimestamp = w.records.leastTimestamp, w.records.mostTimestamp
	if w.err = w.finish(s); w.err != nil {
		w.err = fmt.Errorf("baldr: close the object of %s/%d [%d, %d): %w", s.Topic, s.Partition, s.Start, s.End, w.err)
		return Summary{}, w.err
	}
	w.summary = s
	return s, nil
}

func (w *Writer) finish(s Summary) error {
	if err := s.check(); err != nil {
		return err
	}
	if w.records.records > 0 && (w.records.firstOffset < s.Start || w.records.lastOffset >= s.End) {
		return fmt.Errorf("its records have the offsets %d to %d", w.records.firstOffset, w.records.lastOffset)
	}
	text, err := s.encode()
	if err != nil {
		return err
	}
	d, err := w.finishMembers()
	if err != nil {
		return err
	}
	end, err := d.appendEnd(nil, w.rows, text, w.storedBytes)
	if err != nil {
		return err
	}
	d.spare()
	return w.write(end)
}

// finishMembers writes all data members, and returns a deflater for the rest.
func (w *Writer) finishMembers() (*deflater, error) {
	if w.one != nil {
		return w.one.d, w.one.finish()
	}
	return w.many.finish()
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.storedBytes += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// RawBytes returns the bytes of frames so far, before compression.
func (w *Writer) RawBytes() int64 { return w.records.rawBytes }

// StoredBytes returns the bytes handed to the underlying writer so far. Members
// still being compressed are not in it; after Close it is the object's size.
func (w *Writer) StoredBytes() int64 { return w.storedBytes }
