// Members of objects as batches for clients.

package gateway

import (
	"fmt"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// segmentKey is one member of one object.
type segmentKey struct {
	object string
	member int
}

// segment is a member as the batches that clients are sent: made once, sent to
// whoever asks for an offset in it. It is not changed.
type segment struct {
	batches []batch
	bytes   int64
}

// batch is a record batch of the offsets first to last, both of which have a record.
type batch struct {
	first, last int64
	encoded     []byte
}

// from are the batches that have a record at or after the offset.
func (s *segment) from(offset int64) []batch {
	for i, b := range s.batches {
		if b.last >= offset {
			return s.batches[i:]
		}
	}
	return nil
}

// file is an object whose index is read.
type file struct {
	*readback.RowFile
	members   []baldr.MemberFacts
	stretched bool // what is read of it is in memory
}

// stretch is the file with some of its members in memory, which one read brings.
func (f *file) stretch(first, last baldr.MemberFacts, memory []byte) (*file, []byte, error) {
	stretched, memory, err := f.Stretch(first, last, memory)
	return &file{stretched, f.members, true}, memory, err
}

// memberBytes is about what an index keeps of each member.
const memberBytes = 256

// recycle gives up the memory of the batches, which nobody reads any more.
func (s *segment) recycle(to *spare) {
	for _, b := range s.batches {
		to.add(b.encoded)
	}
}

// openRow reads the index of a row's object, or finds it in memory.
func (g *Gateway) openRow(row bifrost.Row) (*file, error) {
	lent, err := g.cache.files.get(g.ctx, row.Facts.Key, func() (*file, int64, error) {
		g.metrics.reads.Inc()
		opened, err := g.reader.OpenRow(g.ctx, row)
		if err != nil {
			return nil, 0, err
		}
		f := &file{opened, opened.Members(), false}
		return f, int64(len(f.members)+16) * memberBytes, nil
	})
	return lent.value, err // its memory is the collector's, so it need not be given back
}

// ref is where a segment is.
type ref struct {
	row    bifrost.Row
	file   *file
	member int
}

func (r ref) key() segmentKey { return segmentKey{r.row.Facts.Key, r.member} }

func (r ref) facts() baldr.MemberFacts { return r.file.members[r.member] }

// bytes is about how many bytes the segment has.
func (r ref) bytes() int64 { return r.facts().RawBytes + r.facts().EnvelopeBytes }

// end is the offset behind its last record.
func (r ref) end() int64 { return min(r.facts().LastOffset+1, r.row.End) }

// loadBytes bounds what it takes in memory to make batches of a member: what is
// stored, what is inflated, the batch while it grows, and the batch.
func (r ref) loadBytes() int64 { return 3 * r.bytes() }

// batchBytes is about what one batch of a member takes when it is not compressed: of each
// record the lengths and differences are a few bytes more than they are in the member.
func (r ref) batchBytes() int {
	return int(r.bytes()+8*r.facts().Records) + recordbatch.HeaderBytes
}

// load reads a segment, or finds it in memory, and lends it.
func (g *Gateway) load(r ref) (lending[*segment], error) {
	return g.cache.segments.get(g.ctx, r.key(), func() (*segment, int64, error) {
		release, err := g.memory.loads.take(g.ctx, r.loadBytes())
		if err != nil {
			return nil, 0, err
		}
		defer release()
		if !r.file.stretched {
			g.metrics.reads.Inc()
		}
		g.metrics.loads.Inc()
		s, err := g.encode(r)
		if err != nil {
			return nil, 0, err
		}
		return s, s.bytes, nil
	})
}

// memberReaders read members. Each keeps the memory that it has inflated one into: to get
// it anew for each would take more time than to copy it into batches.
var memberReaders = sync.Pool{New: func() any { return new(baldr.MemberReader) }}

// keptBytes bounds the loadBytes of members for which that memory is kept: what most have.
const keptBytes = 4 * 3 * baldr.DefaultMemberBytes

// encode makes batches of a member.
func (g *Gateway) encode(r ref) (*segment, error) {
	s, codec := &segment{}, g.options.Codec
	var w recordbatch.StoredWriter
	if codec == recordbatch.Uncompressed {
		w.WriteInto(g.spare.take(r.batchBytes()))
	}
	seal := func() {
		first, last := w.Offsets()
		b := batch{first, last, w.Seal()}
		s.batches = append(s.batches, b)
		s.bytes += int64(cap(b.encoded))
	}
	reader := memberReaders.Get().(*baldr.MemberReader)
	if r.loadBytes() <= keptBytes { // of a long one the memory is given up
		defer memberReaders.Put(reader)
	}
	for record, err := range r.file.Member(r.facts(), reader) {
		if err != nil {
			return nil, err
		}
		if record.Offset < r.row.Start {
			return nil, fmt.Errorf("%s has a record at offset %d, before its range %s",
				r.row.Facts.Key, record.Offset, r.row.Range)
		}
		if !w.Add(&record, codec) {
			seal()
			w.Add(&record, codec)
		}
	}
	if w.Count() > 0 {
		seal()
	}
	return s, nil
}
