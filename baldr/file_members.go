// What the index of an open object says of its data members.

package baldr

import (
	"iter"
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
				RawBytes: m.rawBytes, EnvelopeBytes: int64(m.envelopeBytes), HasEnvelope: m.hasEnvelope(),
			}
			if !yield(facts) {
				return
			}
		}
	}
}

// ValueBytes is the size of all values of the member.
func (m MemberFacts) ValueBytes() int64 { return m.RawBytes - frameHeaderBytes*m.Records }

// A MemberReader reads single data members of Files, one after the other, and keeps its
// memory from one to the next. The zero value is ready. It must not be used by several
// goroutines at once.
type MemberReader struct{ loader loader }

// Records returns the records of the member of f of which f.Members has told these
// facts: one ReadAt. They are lent until the next call. ErrNoEnvelope says that the
// member cannot be found, because it has values only.
func (r *MemberReader) Records(f *File, facts MemberFacts) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		i := sort.Search(len(f.members), func(i int) bool { return f.members[i].lastOffset >= facts.FirstOffset })
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
