// How records of an open object are found by offset or time.

package baldr

import (
	"io"
	"iter"
	"math"
	"slices"
	"sort"
)

// All returns all records in order, as Reader.All does.
func (f *File) All() iter.Seq2[Record, error] { return f.records(0, nil) }

// From returns the records from the first one at or after offset.
func (f *File) From(offset int64) iter.Seq2[Record, error] {
	i := sort.Search(len(f.members), func(i int) bool { return f.members[i].lastOffset >= offset })
	if i < len(f.members) && f.members[i].firstOffset >= offset {
		return f.records(i, nil)
	}
	return f.records(i, &target{offset: offset, timestamp: math.MinInt64})
}

// Since returns the records from the first one, in order of offsets, whose
// timestamp is at or after timestamp, in milliseconds since the Unix epoch: what
// Kafka's ListOffsets finds for a time. Later ones may have earlier timestamps.
func (f *File) Since(timestamp int64) iter.Seq2[Record, error] {
	i := slices.IndexFunc(f.members, func(m member) bool { return m.mostTimestamp >= timestamp })
	if i < 0 {
		i = len(f.members)
	}
	return f.records(i, &target{timestamp: timestamp})
}

// A target is the least offset and timestamp of a record looked for.
type target struct{ offset, timestamp int64 }

func (t *target) reached(r *Record) bool {
	return r.Offset >= t.offset && r.Timestamp >= t.timestamp
}

// records returns the records of the members from the first one on, and of that
// member those from the target on; nil is all.
func (f *File) records(first int, wanted *target) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		switch {
		case first == len(f.members):
		case wanted != nil && !f.members[first].hasEnvelope():
			yield(Record{}, ErrNoEnvelope)
		case f.members[first].open():
			NewReader(io.NewSectionReader(f.r, 0, f.size), f.opts).All()(yield)
		default:
			p := &pipeline{f: f, next: first}
			defer p.wait()
			p.run(wanted, yield)
		}
	}
}
