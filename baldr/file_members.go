// What the index of an open object says of its data members.

package baldr

import (
	"io"
	"iter"
	"slices"
	"sort"
)

// MemberFacts are what the index of an object says of one of its data members.
type MemberFacts struct {
	Records     int64
	FirstOffset int64 // of a record
	LastOffset  int64 // of a record
	// Least and greatest timestamp of a record, in milliseconds since the Unix
	// epoch; negative ones are left out, -1 when none is left.
	LeastTimestamp int64
	MostTimestamp  int64
	RawBytes       int64 // of the frames: values, with eight bytes before each
	EnvelopeBytes  int64 // of all else about the records, before it is deflated
	StoredBytes    int64 // of the member in the object
	HasEnvelope    bool  // without one there are values only
}

// Members returns what the index says of each data member, in order. Nothing is
// read for it: Open has read the index.
func (f *File) Members() iter.Seq[MemberFacts] {
	return func(yield func(MemberFacts) bool) {
		for i := range f.members {
			m := &f.members[i]
			facts := MemberFacts{
				Records: m.records, FirstOffset: m.firstOffset, LastOffset: m.lastOffset,
				LeastTimestamp: m.leastTimestamp, MostTimestamp: m.mostTimestamp,
				RawBytes: m.rawBytes, EnvelopeBytes: int64(m.envelopeBytes), StoredBytes: m.storedBytes,
				HasEnvelope: m.hasEnvelope(),
			}
			if !yield(facts) {
				return
			}
		}
	}
}

// ValueBytes is the size of all values of the member.
func (m MemberFacts) ValueBytes() int64 { return m.RawBytes - frameHeaderBytes*m.Records }

// Stretch returns the file with the members from the one of first to the one of last in
// memory, which one ReadAt brings. Other members are read as before. The memory given is used
// if it is large enough; what was used is returned, and must be left alone while the file is
// read. Facts must be of this file.
func (f *File) Stretch(first, last MemberFacts, memory []byte) (*File, []byte, error) {
	begin, end := f.memberOf(first), f.memberOf(last)
	if begin > end || end == len(f.members) {
		return f, memory, nil
	}
	position := f.members[begin].position
	size := f.members[end].position + f.members[end].storedBytes - position
	memory = slices.Grow(memory[:0], int(size))[:size]
	if err := readAtFull(f.r, memory, position); err != nil {
		return nil, memory, err
	}
	stretched := *f
	stretched.r = &stretch{f.r, position, memory}
	return &stretched, memory, nil
}

// memberOf is the place of the member with these facts; behind the last one if there is none.
func (f *File) memberOf(facts MemberFacts) int {
	return sort.Search(len(f.members), func(i int) bool { return f.members[i].lastOffset >= facts.FirstOffset })
}

// stretch is an object of which the bytes from a position on are in memory.
type stretch struct {
	io.ReaderAt
	position int64
	bytes    []byte
}

// ReadAt implements io.ReaderAt.
func (s *stretch) ReadAt(p []byte, off int64) (int, error) {
	if from := off - s.position; from >= 0 && from+int64(len(p)) <= int64(len(s.bytes)) {
		return copy(p, s.bytes[from:]), nil
	}
	return s.ReaderAt.ReadAt(p, off)
}

// A MemberReader reads single data members of Files, one after the other, and keeps its
// memory from one to the next. The zero value is ready. It must not be used by several
// goroutines at once.
type MemberReader struct{ loader loader }

// Records returns the records of the member of f of which f.Members has told these
// facts: one ReadAt. They are lent until the next call. ErrNoEnvelope says that the
// member cannot be found, because it has values only.
func (r *MemberReader) Records(f *File, facts MemberFacts) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		i := f.memberOf(facts)
		switch {
		case !facts.HasEnvelope:
			yield(Record{}, ErrNoEnvelope)
		case i == len(f.members):
		default:
			l := &r.loader
			l.opts, l.member = f.opts, &f.members[i]
			l.opts.ValuesOnly = false
			l.err = l.read(f.r)
			l.yieldAll(nil, false, yield)
		}
	}
}
